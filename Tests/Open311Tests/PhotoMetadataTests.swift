import Foundation
import Open311
import Testing

@Suite("What a photo says of itself")
struct PhotoMetadataTests {
    /// A TIFF structure with a position and a moment, in either byte order.
    private static func tiff(isLittleEndian: Bool, south: Bool = false, west: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = isLittleEndian ? Array("II*\0".utf8) : Array("MM\0*".utf8)
        func number(_ value: Int, _ width: Int) -> [UInt8] {
            let big = (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * (width - 1 - $0))) }
            return isLittleEndian ? big.reversed() : big
        }
        func entry(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
            number(tag, 2) + number(type, 2) + number(count, 4) + value + [UInt8](repeating: 0, count: 4 - value.count)
        }
        // Root at 8: two entries; EXIF at 38: one; GPS at 56: four; then the values.
        bytes += number(8, 4)
        bytes += number(2, 2) + entry(0x8769, 4, 1, number(38, 4)) + entry(0x8825, 4, 1, number(56, 4)) + number(0, 4)
        bytes += number(1, 2) + entry(0x9003, 2, 20, number(110, 4)) + number(0, 4)
        bytes += number(4, 2)
        bytes += entry(1, 2, 2, Array((south ? "S" : "N").utf8)) + entry(2, 5, 3, number(130, 4))
        bytes += entry(3, 2, 2, Array((west ? "W" : "E").utf8)) + entry(4, 5, 3, number(154, 4))
        bytes += number(0, 4)
        bytes += Array("2026:03:01 10:20:30\0".utf8)
        for value in [48, 1, 51, 1, 2_400, 100, 2, 1, 21, 1, 0, 0] { bytes += number(value, 4) }
        return bytes
    }

    private static func jpeg(_ segments: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = [0xFF, 0xD8]
        for segment in segments {
            bytes += [0xFF, 0xE1, UInt8((segment.count + 2) >> 8), UInt8((segment.count + 2) & 0xFF)] + segment
        }
        return bytes + [0xFF, 0xDA, 0, 2]
    }

    @Test("EXIF gives position and moment in both byte orders", arguments: [true, false])
    func exif(isLittleEndian: Bool) throws {
        let head = Self.jpeg([Array("Exif\0\0".utf8) + Self.tiff(isLittleEndian: isLittleEndian)])
        let metadata = PhotoMetadata(head: head, type: .jpeg)
        let position = try #require(metadata.position)
        #expect(abs(position.latitude - 48.856667) < 0.00001 && abs(position.longitude - 2.35) < 0.00001)
        #expect(metadata.takenAt == "2026-03-01T10:20:30")
    }

    @Test("south and west are below zero")
    func southWest() throws {
        let head = Self.jpeg([Array("Exif\0\0".utf8) + Self.tiff(isLittleEndian: true, south: true, west: true)])
        let position = try #require(PhotoMetadata(head: head, type: .jpeg).position)
        #expect(position.latitude < 0 && position.longitude < 0)
    }

    @Test("PNG and WebP carry the same structure", arguments: [PhotoType.png, .webp, .heic])
    func others(type: PhotoType) {
        let head = [UInt8](repeating: 7, count: 100) + Self.tiff(isLittleEndian: false)
        #expect(PhotoMetadata(head: head, type: type).position != nil)
    }

    @Test(
        "XMP tells where EXIF is silent, as attributes and as elements",
        arguments: [
            "<x:xmpmeta><rdf:Description exif:GPSLatitude=\"48,51.4N\" exif:GPSLongitude='2,21,0W' xmp:CreateDate=\"2026-03-01T10:20:30+01:00\"/>",
            "<rdf:RDF><exif:GPSLatitude>48,51.4N</exif:GPSLatitude><exif:GPSLongitude>2,21,0W</exif:GPSLongitude>"
                + "<exif:DateTimeOriginal>2026-03-01T10:20:30</exif:DateTimeOriginal>",
        ])
    func xmp(packet: String) throws {
        let metadata = PhotoMetadata(head: Self.jpeg([Array(packet.utf8)]), type: .jpeg)
        let position = try #require(metadata.position)
        #expect(abs(position.latitude - 48.856667) < 0.00001 && abs(position.longitude + 2.35) < 0.00001)
        #expect(metadata.takenAt == "2026-03-01T10:20:30")
    }

    @Test("XMP tells the orientation too, from 1 to 8")
    func orientation() {
        for (text, expected) in [("6", 6), ("1", 1), ("0", nil), ("9", nil), ("x", nil)] as [(String, Int?)] {
            let packet = Array("<x:xmpmeta><rdf:Description tiff:Orientation=\"\(text)\"/>".utf8)
            #expect(PhotoMetadata(head: Self.jpeg([packet]), type: .jpeg).orientation == expected)
        }
        let exif = Array("Exif\0\0II*\0".utf8) + [8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0]
        #expect(PhotoMetadata(head: Self.jpeg([exif]), type: .jpeg).orientation == 8)
    }

    @Test("broken and hostile metadata say nothing, and end nothing")
    func broken() {
        let whole = Self.jpeg([Array("Exif\0\0".utf8) + Self.tiff(isLittleEndian: true)])
        for length in 0...whole.count { _ = PhotoMetadata(head: Array(whole.prefix(length)), type: .jpeg) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<3_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let position = PhotoMetadata(head: bytes, type: .jpeg).position
            #expect(position.map { (-90...90).contains($0.latitude) } ?? true)
        }
    }

    @Test("a directory that names itself, or ten thousand entries, ends soon")
    func loops() {
        var bytes = Array("II*\0".utf8) + [8, 0, 0, 0, 0xFF, 0xFF]
        for _ in 0..<10_000 { bytes += [0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0] }
        #expect(PhotoMetadata(head: bytes, type: .png) == PhotoMetadata())
    }

    @Test(
        "the kind is told by the first bytes alone",
        arguments: [
            ([0xFF, 0xD8, 0xFF, 0xE0], PhotoType.jpeg), ([0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10], .png),
            (Array("RIFF1234WEBPVP8 ".utf8), .webp), (Array("1234ftypheic".utf8), .heic), (Array("GIF89a".utf8), nil),
            (Array("<svg xmlns".utf8), nil), (Array("<html>".utf8), nil), (Array("%PDF-1.7".utf8), nil), ([0x7F, 0x45, 0x4C, 0x46], nil),
            ([], nil), (Array("II*\0".utf8), nil),
        ] as [([UInt8], PhotoType?)])
    func kinds(head: [UInt8], type: PhotoType?) { #expect(PhotoType(head: head) == type) }
}

@Suite("What a moderator has blurred")
struct PhotoRedactionTests {
    @Test("is one to ten rectangles in whole pixels, and reads back from the database's form")
    func takes() throws {
        let json = Array(#"{"rectangles": [{"x": 0, "y": 20, "width": 100, "height": 10000}]}"#.utf8)
        let redaction = try #require(PhotoRedaction(json: json))
        #expect(redaction.rectangles == [PhotoRectangle(x: 0, y: 20, width: 100, height: 10_000)])
        #expect(PhotoRedaction.rectangles(stored: redaction.json) == redaction.rectangles)
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "[]", "{}", #"{"rectangles": []}"#, #"{"rectangles": [{"x": -1, "y": 0, "width": 1, "height": 1}]}"#,
            #"{"rectangles": [{"x": 0, "y": 0, "width": 0, "height": 1}]}"#,
            #"{"rectangles": [{"x": 0.5, "y": 0, "width": 1, "height": 1}]}"#,
            #"{"rectangles": [{"x": 0, "y": 0, "width": 99999999999999999999, "height": 1}]}"#,
        ])
    func refuses(json: String) { #expect(PhotoRedaction(json: Array(json.utf8)) == nil) }

    @Test("ends where the picture ends")
    func clips() {
        let rectangle = PhotoRectangle(x: 90, y: 40, width: 100, height: 5)
        #expect(rectangle.clipped(width: 100, height: 50) == PhotoRectangle(x: 90, y: 40, width: 10, height: 5))
        #expect(rectangle.clipped(width: 90, height: 50) == nil)
    }
}
