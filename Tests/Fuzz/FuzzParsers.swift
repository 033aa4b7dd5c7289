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
    switch start[0] >= 253 ? start[0] - 248 : start[0] % 5 {
    case 0: check(try? FormReader.fields(bytes))
    case 1: check(try? JSONFormReader.fields(bytes))
    case 2: check(try? MultipartReader.fields(bytes, contentType: "multipart/form-data; boundary=b"))
    case 5: pass(bytes, through: LongFormReader(maximumText: 1_000))
    case 6: pass(Array("{\"media\":".utf8) + bytes, through: LongJSONReader(maximumText: 1_000))
    case 7:
        for type in PhotoType.allCases { _ = PhotoMetadata(head: bytes, type: type) }
    case 3: roundTrip(Timestamp(parsing: text))
    default:
        guard let query = try? FormReader.fields(bytes) else { return 0 }
        if let filter = try? SearchQuery.filter(query, now: Timestamp(seconds: 1_795_000_000), timeZone: "Europe/Paris") {
            precondition((1...ServiceRequestFilter.maximumCount).contains(filter.limit), "a page of \(filter.limit)")
        }
    }
    return 0
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
