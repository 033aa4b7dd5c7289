import Foundation
import Open311
import Testing

@testable import API

@Suite("Photos that stand as text")
struct InlineMediaTests {
    /// Fed in pieces of one length.
    private static func read(_ text: [UInt8], by step: Int) throws(InlineMedia.Fault) -> (bytes: [UInt8], content: InlineMedia.Content) {
        var media = InlineMedia()
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: text.count, by: step) { bytes += try media.take(text[start..<min(text.count, start + step)]) }
        let last = try media.finish()
        return (bytes + last.bytes, last.content)
    }

    private static let steps = [1, 2, 3, 5, 7, 64, 4_096]

    @Test("base64 gives its bytes however it is cut, with and without line breaks and prefix", arguments: steps)
    func decodes(step: Int) throws {
        var generator = SystemRandomNumberGenerator()
        for length in [1, 2, 3, 4, 5, 57, 58, 1_000] {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            for options in [Data.Base64EncodingOptions(), .lineLength76Characters, .lineLength64Characters] {
                let text = Data(bytes).base64EncodedString(options: options)
                let forms = [text, "data:image/jpeg;base64," + text, "\r\n " + text, text.replacing("+", with: " ")]
                for form in forms where form.first != " " {
                    let (found, content) = try Self.read(Array(form.utf8), by: step)
                    #expect(found == bytes && content == .photo, "\(length) bytes")
                }
            }
        }
    }

    @Test("a link is a link, nothing is nothing", arguments: steps)
    func links(step: Int) throws {
        #expect(try Self.read(Array("https://x.example/a.jpg".utf8), by: step).content == .link("https://x.example/a.jpg"))
        #expect(try Self.read(Array("HTTP://x.example/a".utf8), by: step).content == .link("HTTP://x.example/a"))
        #expect(try Self.read([], by: step).content == .nothing)
        #expect(throws: InlineMedia.Fault.link) { try Self.read(Array("https://".utf8), by: step) }
        let long = "https://x.example/" + String(repeating: "a", count: 2_000)
        #expect(throws: InlineMedia.Fault.link) { try Self.read(Array(long.utf8), by: step) }
    }

    @Test(
        "what is broken is named with its place",
        arguments: [
            ("javascript:1", .base64(.foreign(byte: 58, position: 11))), ("AAAA*AAA", .base64(.foreign(byte: 42, position: 5))),
            ("AAAAA", .base64(.incomplete)), ("AAAAAA=", .base64(.incomplete)), ("AAAAAA==A", .base64(.padding(position: 9))),
            ("AA=A", .base64(.padding(position: 4))), ("A===", .base64(.padding(position: 2))), ("AAAA=", .base64(.padding(position: 5))),
            ("data:nothing", .dataPrefix), ("data:image/png,AAAA", .dataPrefix), ("AAA\0", .base64(.foreign(byte: 0, position: 4))),
            (String(repeating: "\n", count: 1) + "AAAA" + String(repeating: "\r\n", count: 2_000), .base64(.tooManyBreaks)),
        ] as [(String, InlineMedia.Fault)])
    func broken(text: String, fault: InlineMedia.Fault) {
        for step in Self.steps { #expect(throws: fault) { try Self.read(Array(text.utf8), by: step) } }
    }
}

@Suite("Long forms")
struct LongFormTests {
    private static func pieces(_ reader: some BodyReader, _ body: [UInt8], by step: Int) throws -> [MultipartReader.Piece] {
        var reader = reader
        var all: [MultipartReader.Piece] = []
        for start in stride(from: 0, to: body.count, by: step) {
            for piece in try reader.read(body[start..<min(body.count, start + step)]) { join(piece, &all) }
        }
        for piece in try reader.finish() { join(piece, &all) }
        return all
    }

    private static func join(_ piece: MultipartReader.Piece, _ all: inout [MultipartReader.Piece]) {
        if case .fileBytes(let bytes) = piece, case .fileBytes(let before)? = all.last {
            all[all.count - 1] = .fileBytes(before + bytes)
        } else {
            all.append(piece)
        }
    }

    private static let expected: [MultipartReader.Piece] = [
        .field(name: "a", value: "é 1"), .inlineBegin(field: "media[]"), .fileBytes(Array("AB+/ CD==".utf8)), .fileEnd,
        .field(name: "b", value: ""), .inlineBegin(field: "media"), .fileEnd, .field(name: "c", value: "x=y"),
    ]

    @Test("a urlencoded body gives the same pieces however it is cut", arguments: [1, 2, 3, 7, 1_000])
    func form(step: Int) throws {
        let body = Array("a=%C3%A9+1&media%5B%5D=AB%2B%2F+CD%3D=&b&&media=&c=x%3Dy".utf8)
        #expect(try Self.pieces(LongFormReader(maximumText: 100), body, by: step) == Self.expected)
    }

    @Test("photos have no limit here, everything else has", arguments: [1, 64, 5_000])
    func formLimits(step: Int) throws {
        let photo = String(repeating: "A", count: 4_000)
        let found = try Self.pieces(LongFormReader(maximumText: 50), Array("a=1&media=\(photo)&b=2".utf8), by: step)
        #expect(found.count == 5)
        #expect(throws: FormError.fieldTooLarge(field: "long")) {
            try Self.pieces(LongFormReader(maximumText: 50), Array("a=1&long=\(photo)".utf8), by: step)
        }
        #expect(throws: FormError.brokenEscape(field: "media")) {
            try Self.pieces(LongFormReader(maximumText: 50), Array("media=AA%2&b=1".utf8), by: step)
        }
        #expect(throws: FormError.self) { try Self.pieces(LongFormReader(maximumText: 9_000), Array(photo.utf8), by: step) }
    }

    @Test("a JSON body gives the same pieces however it is cut", arguments: [1, 2, 3, 7, 1_000])
    func json(step: Int) throws {
        let body =
            #"{"a": "x\"{[\\", "media" : "AB\/\u002b\n", "attributes": {"media": "no", "k": ["m"]}, "#
            + #""media[]":["C", "D",""], "n": [1, "media"]}"#
        let found = try Self.pieces(LongJSONReader(maximumText: 200), Array(body.utf8), by: step)
        let photos: [MultipartReader.Piece] = [
            .inlineBegin(field: "media"), .fileBytes(Array("AB/+\n".utf8)), .fileEnd, .inlineBegin(field: "media[]"),
            .fileBytes(Array("C".utf8)), .fileEnd, .inlineBegin(field: "media[]"), .fileBytes(Array("D".utf8)), .fileEnd,
            .inlineBegin(field: "media[]"), .fileEnd,
        ]
        #expect(Array(found.prefix(photos.count)) == photos)
        let fields = found.dropFirst(photos.count).compactMap { piece in
            if case .field(let name, let value) = piece, !value.isEmpty { "\(name)=\(value)" } else { nil }
        }
        #expect(fields == ["a=x\"{[\\", "attribute[k]=m", "attribute[media]=no", "n=1", "n=media"])
    }

    @Test("a JSON body that is none, or too long without its photos, is refused", arguments: [1, 64, 5_000])
    func jsonLimits(step: Int) throws {
        let photo = String(repeating: "A", count: 4_000)
        #expect(throws: FormError.fieldTooLarge(field: "long")) {
            try Self.pieces(LongJSONReader(maximumText: 50), Array(#"{"media": "\#(photo)", "long": "\#(photo)"}"#.utf8), by: step)
        }
        for broken in [#"{"media": "\#(photo)"#, #"{"media": "\#(photo)""#, #"{"media": "A\x"}"#, #"{"media": "A\u00e9"}"#, "[1]"] {
            #expect(throws: FormError.self) { try Self.pieces(LongJSONReader(maximumText: 500), Array(broken.utf8), by: step) }
        }
    }

    @Test("random bytes end in pieces or in an error, never in more text than allowed")
    func random() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("media[]=&%+\"\\{}:,AZ0u\n é".utf8)
        for _ in 0..<2_000 {
            let body = (0..<Int.random(in: 0...120, using: &generator)).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let step = Int.random(in: 1...40, using: &generator)
            for found in [
                try? Self.pieces(LongFormReader(maximumText: 60), body, by: step),
                try? Self.pieces(LongJSONReader(maximumText: 60), Array(#"{"media":"#.utf8) + body, by: step),
            ] {
                let text = (found ?? []).reduce(0) { sum, piece in
                    if case .field(let name, let value) = piece { sum + name.utf8.count + value.utf8.count } else { sum }
                }
                #expect(text <= 60)
            }
        }
    }
}

@Suite("Limits of photos")
struct PhotoLimitsTests {
    @Test("a tenant narrows what its installation takes and never widens it")
    func narrows() {
        let installation = PhotoLimits(maximumBytes: 1_000, maximumCount: 5, maximumTotalBytes: 3_000)
        let narrowed = installation.narrowed(by: PhotoPolicy(kinds: [.jpeg], maximumBytes: 10, maximumTotalBytes: 9_000, maximumCount: 0))
        #expect(narrowed == PhotoLimits(maximumBytes: 10, maximumCount: 0, maximumTotalBytes: 3_000, kinds: [.jpeg]))
        #expect(installation.narrowed(by: PhotoPolicy()) == installation)
    }
}
