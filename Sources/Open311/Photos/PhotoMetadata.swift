/// What is read from a photograph before its metadata go: where and when it was taken, and how the camera was held.
public struct PhotoMetadata: Sendable, Equatable {
    public var position: Coordinate?
    /// `2026-03-01T10:00:00`; a camera's clock names no zone.
    public var takenAt: String?
    /// As EXIF numbers it, 1 to 8: 1 is upright, 6 is held upright by its right side.
    public var orientation: Int?

    static let orientations = 1...8

    public init(position: Coordinate? = nil, takenAt: String? = nil, orientation: Int? = nil) {
        self.position = position
        self.takenAt = takenAt
        self.orientation = orientation
    }

    /// How much of a file is looked at, in bytes: cameras write their data in front.
    public static let readableBytes = 81_920
    private static let maximumSegments = 200

    /// Reads the beginning of a file: EXIF of JPEG, PNG, WebP and HEIC, then XMP for what EXIF does not say. Never fails: what is
    /// broken says nothing.
    public init(head: [UInt8], type: PhotoType) {
        self.init()
        for block in Self.exifBlocks(head, type) where !isComplete {
            let exif = ExifReader(block)
            add(exif.position, exif.takenAt, exif.orientation)
        }
        guard !isComplete, let xmp = XMPReader(head) else { return }
        add(xmp.position, xmp.takenAt, xmp.orientation)
    }

    private var isComplete: Bool { position != nil && takenAt != nil && orientation != nil }

    private mutating func add(_ position: Coordinate?, _ takenAt: String?, _ orientation: Int?) {
        self.position = self.position ?? position
        self.takenAt = self.takenAt ?? takenAt
        self.orientation = self.orientation ?? orientation
    }

    /// The TIFF structures of the file, without what stands around them.
    private static func exifBlocks(_ head: [UInt8], _ type: PhotoType) -> [ArraySlice<UInt8>] {
        switch type {
        case .jpeg: jpegBlocks(head)
        // Where they stand in these containers says nothing that the four bytes of a TIFF header do not say as well.
        case .png, .webp, .heic: tiffHeaders(head)
        }
    }

    private static func jpegBlocks(_ head: [UInt8]) -> [ArraySlice<UInt8>] {
        var blocks: [ArraySlice<UInt8>] = []
        var index = 2
        for _ in 0..<maximumSegments {
            guard index + 4 <= head.count, head[index] == 0xFF else { break }
            let marker = head[index + 1]
            // Padding, or the picture's data: no metadata behind it.
            if marker == 0xFF {
                index += 1
                continue
            }
            if marker == 0xDA || marker == 0xD9 { break }
            let length = Int(head[index + 2]) << 8 | Int(head[index + 3])
            guard length >= 2 else { break }
            let end = min(head.count, index + 2 + length)
            if marker == 0xE1, head[(index + 4)..<end].starts(with: "Exif\0\0".utf8) { blocks.append(head[(index + 10)..<end]) }
            index += 2 + length
        }
        return blocks
    }

    private static func tiffHeaders(_ head: [UInt8]) -> [ArraySlice<UInt8>] {
        var blocks: [ArraySlice<UInt8>] = []
        var index = 0
        while index + 8 <= head.count, blocks.count < 4 {
            let isLittle = head[index] == 0x49 && head[index + 1] == 0x49 && head[index + 2] == 0x2A && head[index + 3] == 0
            let isBig = head[index] == 0x4D && head[index + 1] == 0x4D && head[index + 2] == 0 && head[index + 3] == 0x2A
            if isLittle || isBig { blocks.append(head[index...]) }
            index += 1
        }
        return blocks
    }

    /// A camera's moment (`2026:03:01 10:00:00`, or ISO 8601) as `2026-03-01T10:00:00`; nil for anything else.
    static func moment(_ text: some StringProtocol) -> String? {
        let digits = Array(text.utf8.prefix(19))
        guard digits.count == 19 else { return nil }
        let separators = [4, 7, 10, 13, 16]
        for (index, byte) in digits.enumerated() where !separators.contains(index) {
            guard (48...57).contains(byte) else { return nil }
        }
        func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + Int($1 - 48) } }
        guard (1900...2200).contains(number(0..<4)), (1...12).contains(number(5..<7)), (1...31).contains(number(8..<10)),
            number(11..<13) < 24, number(14..<16) < 60, number(17..<19) < 61
        else { return nil }
        func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        return "\(part(0..<4))-\(part(5..<7))-\(part(8..<10))T\(part(11..<13)):\(part(14..<16)):\(part(17..<19))"
    }

    /// A position on the globe that is not the point where broken receivers stand (0, 0).
    static func position(_ latitude: Double?, _ longitude: Double?) -> Coordinate? {
        guard let latitude, let longitude, latitude.isFinite, longitude.isFinite, latitude != 0 || longitude != 0 else { return nil }
        return Coordinate(latitude: latitude, longitude: longitude)
    }
}
