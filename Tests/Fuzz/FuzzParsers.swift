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
    switch start[0] == 255 ? 5 : start[0] % 5 {
    case 0: check(try? FormReader.fields(bytes))
    case 1: check(try? JSONFormReader.fields(bytes))
    case 2: check(try? MultipartReader.fields(bytes, contentType: "multipart/form-data; boundary=b"))
    case 5:
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
