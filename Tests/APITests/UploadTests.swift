import Foundation
import Testing

@testable import API

@Suite("Uploads")
struct UploadTests {
    private static let body = Array(
        ("preamble\r\n--zz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--zz\r\n"
            + "Content-Disposition: form-data; name=\"media\"; filename=\"x.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
            + "\u{0}--zz\r\n-\r\r\n--z\r\n--zz\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\r\n--zz--\r\nepilogue").utf8)

    /// The same pieces whatever the network cuts; the bytes of a file in one.
    private static func pieces(_ chunks: [ArraySlice<UInt8>]) throws -> [MultipartReader.Piece] {
        var reader = try MultipartReader(contentType: "multipart/form-data; boundary=zz", maximumText: 1_000)
        var all: [MultipartReader.Piece] = []
        for piece in try chunks.flatMap({ try reader.read($0) }) + reader.finish() {
            if case .fileBytes(let bytes) = piece, case .fileBytes(let before)? = all.last {
                all[all.count - 1] = .fileBytes(before + bytes)
            } else {
                all.append(piece)
            }
        }
        return all
    }

    @Test("a multipart body gives the same pieces however it is cut")
    func cuts() throws {
        let whole = try Self.pieces([Self.body[...]])
        #expect(
            whole == [
                .field(name: "a", value: "one"), .fileBegin(field: "media"), .fileBytes(Array("\u{0}--zz\r\n-\r\r\n--z".utf8)), .fileEnd,
                .field(name: "b", value: ""),
            ])
        for cut in 0...Self.body.count { #expect(try Self.pieces([Self.body[..<cut], Self.body[cut...]]) == whole) }
        #expect(try Self.pieces(Self.body.indices.map { Self.body[$0...$0] }) == whole)
    }

    @Test("text fields have a limit, files have none here")
    func limits() throws {
        var reader = try MultipartReader(contentType: "multipart/form-data; boundary=zz", maximumText: 10)
        let head = "--zz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
        #expect(throws: FormError.fieldTooLarge(field: "a")) { try reader.read(Array((head + "0123456789").utf8)) }
    }

    @Test(
        "a range is a part, the whole, or outside",
        arguments: [
            ("bytes=0-3", .part(0..<4)), ("bytes=5-", .part(5..<10)), ("bytes=-3", .part(7..<10)), ("bytes=-30", .part(0..<10)),
            ("bytes=4-99", .part(4..<10)), ("bytes=10-", .outside), ("bytes=-0", .outside), ("bytes=3-2", .whole),
            ("bytes=0-1,3-4", .whole),
            ("bytes=a-b", .whole), ("items=0-1", .whole), ("bytes=", .whole), (nil, .whole),
            ("bytes=99999999999999999999-", .whole),
        ] as [(String?, ByteRange)])
    func ranges(header: String?, range: ByteRange) {
        #expect(ByteRange(header, of: 10) == range)
    }
}
