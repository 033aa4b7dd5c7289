import Foundation
import Open311

/// One libFuzzer target for every parser of strangers' bytes: the first byte chooses which. A crash, an endless loop or a broken
/// promise below ends the run and leaves its input; each one found becomes a file in seeds/, and so a case of every later run.
@main
struct FuzzParsers {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(runFuzzer(&count, &arguments) { start, count in count == 0 ? 0 : fuzz(start, count) })
    }
}

/// libFuzzer's driver, from the runtime that `-sanitize=fuzzer` links (FuzzerInterface.h).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ fuzz: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

private func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    let text = String(decoding: bytes, as: UTF8.self)
    if (216..<224).contains(start[0]) {
        readStore(bytes)
        return 0
    }
    if start[0] >= 224 {
        readPhoto(bytes, text, start[0] % 5)
        return 0
    }
    switch start[0] % 5 {
    case 0: check(try? FormReader.fields(bytes))
    case 1: check(try? JSONFormReader.fields(bytes))
    case 2: check(try? MultipartReader.fields(bytes, contentType: "multipart/form-data; boundary=b"))
    case 3: roundTrip(Timestamp(parsing: text))
    default:
        guard let query = try? FormReader.fields(bytes) else { return 0 }
        if let filter = try? SearchQuery.filter(query, now: Timestamp(seconds: 1_795_000_000), timeZone: "Europe/Paris") {
            precondition((1...ServiceRequestFilter.maximumCount).contains(filter.limit), "a page of \(filter.limit)")
        }
    }
    return 0
}

/// What an S3 service may answer: bounded, whatever it says.
private func readStore(_ bytes: [UInt8]) {
    if let list = try? S3Listing(bytes) {
        precondition(list.objects.count + list.prefixes.count <= S3Listing.maximumEntries, "\(list.objects.count) objects")
    }
    precondition(S3Refusal.code(bytes).utf8.count <= 64, "a long code")
}

/// However the bytes are cut, photos read as the same; text stays within its limit.
private func pass(_ bytes: [UInt8], through reader: some BodyReader) {
    let whole = try? photos(bytes, reader, step: 4_096)
    precondition(whole == (try? photos(bytes, reader, step: 1)), "another photo when cut")
}

private func photos(_ bytes: [UInt8], _ reader: some BodyReader, step: Int) throws -> [UInt8] {
    var reader = reader
    var media = InlineMedia()
    var decoded: [UInt8] = []
    var text = 0
    var pieces: [MultipartReader.Piece] = []
    for start in stride(from: 0, to: bytes.count, by: step) { pieces += try reader.read(bytes[start..<min(bytes.count, start + step)]) }
    for piece in try pieces + reader.finish() {
        switch piece {
        case .inlineBegin: media = InlineMedia()
        case .fileBytes(let some): decoded += try media.take(some)
        case .fileEnd: decoded += try media.finish().bytes
        case .field(let name, let value): text += name.utf8.count + value.utf8.count
        case .fileBegin: break
        }
    }
    // JSON numbers are written out, and attributes get their full names.
    precondition(text <= 400_000, "\(text) bytes of text")
    return decoded
}

/// Whatever comes with a photo: its beginning, its text form, the part of it that is asked for, what shall be blurred.
private func readPhoto(_ bytes: [UInt8], _ text: String, _ choice: UInt8) {
    switch choice {
    case 0:
        _ = PhotoType(head: bytes)
        for type in PhotoType.allCases {
            guard let position = PhotoMetadata(head: bytes, type: type).position else { continue }
            precondition(abs(position.latitude) <= 90 && abs(position.longitude) <= 180, "\(position)")
        }
    case 1: pass(bytes, through: LongFormReader(maximumText: 1_000))
    case 2: pass(Array("{\"media\":".utf8) + bytes, through: LongJSONReader(maximumText: 1_000))
    case 3:
        guard case .part(let range) = ByteRange(text, of: 1_000) else { return }
        precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= 1_000, "\(range)")
    default:
        guard let redaction = PhotoRedaction(json: bytes) else { return }
        for part in redaction.rectangles {
            guard let clipped = part.clipped(width: 2_048, height: 1_024) else { continue }
            precondition(clipped.width > 0 && clipped.x + clipped.width <= 2_048 && clipped.y + clipped.height <= 1_024, "\(clipped)")
        }
        precondition(PhotoRedaction.rectangles(stored: redaction.json) == redaction.rectangles)
    }
}

/// Fields are bounded, and asking them for answers does not fail.
private func check(_ fields: FormFields?) {
    guard let fields else { return }
    precondition(fields.count <= FormReader.maximumFields, "\(fields.count) fields")
    _ = fields.answers
    for field in fields.all { _ = fields[field.name] }
}

/// A moment that was read can be written, and reads back as the same second.
private func roundTrip(_ moment: Timestamp?) {
    guard let moment, (-62_135_596_800...253_402_300_799).contains(moment.seconds) else { return }
    precondition(Timestamp(parsing: moment.iso8601)?.seconds == moment.seconds, moment.iso8601)
}
