/// Reads position, time and orientation from a TIFF structure (EXIF 2.32, 4.6): the few tags that count, each look-up bounded, nothing trusted.
struct ExifReader {
    private let bytes: ArraySlice<UInt8>
    private let isLittleEndian: Bool
    private static let maximumEntries = 512

    private enum Tag {
        static let orientation = 0x112
        static let exif = 0x8769
        static let gps = 0x8825
        static let taken = 0x9003
        static let latitudeReference = 1
        static let latitude = 2
        static let longitudeReference = 3
        static let longitude = 4
    }

    let position: Coordinate?
    let takenAt: String?
    /// 1 to 8.
    let orientation: Int?

    /// - Parameter bytes: from `II` or `MM` on.
    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        isLittleEndian = bytes.first == 0x49
        var reader = Entries(bytes: bytes, isLittleEndian: isLittleEndian)
        guard bytes.count >= 8, let root = reader.directory(at: reader.long(4)) else {
            position = nil
            takenAt = nil
            orientation = nil
            return
        }
        orientation = root[Tag.orientation].flatMap { $0.type == 3 && $0.count == 1 ? reader.short($0.valueAt) : nil }
            .flatMap { PhotoMetadata.orientations.contains($0) ? $0 : nil }
        let exif = root[Tag.exif].flatMap { reader.directory(at: reader.long($0.valueAt)) } ?? [:]
        takenAt = exif[Tag.taken].flatMap { reader.text($0) }.flatMap { PhotoMetadata.moment($0) }
        let gps = root[Tag.gps].flatMap { reader.directory(at: reader.long($0.valueAt)) } ?? [:]
        let south = gps[Tag.latitudeReference].flatMap { reader.text($0) }?.hasPrefix("S") ?? false
        let west = gps[Tag.longitudeReference].flatMap { reader.text($0) }?.hasPrefix("W") ?? false
        let latitude = gps[Tag.latitude].flatMap { reader.degrees($0) }
        let longitude = gps[Tag.longitude].flatMap { reader.degrees($0) }
        position = PhotoMetadata.position(latitude.map { south ? -$0 : $0 }, longitude.map { west ? -$0 : $0 })
    }

    private struct Entry {
        let type: Int
        let count: Int
        /// Where the four bytes stand that hold the value or its offset.
        let valueAt: Int
    }

    private struct Entries {
        let bytes: ArraySlice<UInt8>
        let isLittleEndian: Bool
        /// All directories together read no more entries than this.
        private var left = ExifReader.maximumEntries

        init(bytes: ArraySlice<UInt8>, isLittleEndian: Bool) {
            self.bytes = bytes
            self.isLittleEndian = isLittleEndian
        }

        func byte(_ offset: Int) -> Int? {
            guard offset >= 0, offset < bytes.count else { return nil }
            return Int(bytes[bytes.startIndex + offset])
        }

        func number(_ offset: Int, _ width: Int) -> Int? {
            var value = 0
            for index in 0..<width {
                guard let byte = byte(offset + (isLittleEndian ? width - 1 - index : index)) else { return nil }
                value = value << 8 | byte
            }
            return value
        }

        func short(_ offset: Int) -> Int? { number(offset, 2) }
        func long(_ offset: Int) -> Int? { number(offset, 4) }

        mutating func directory(at offset: Int?) -> [Int: Entry]? {
            guard let offset, let count = short(offset) else { return nil }
            var entries: [Int: Entry] = [:]
            for index in 0..<count {
                guard left > 0 else { break }
                left -= 1
                let start = offset + 2 + index * 12
                guard let tag = short(start), let type = short(start + 2), let number = long(start + 4), byte(start + 11) != nil else {
                    break
                }
                if entries[tag] == nil { entries[tag] = Entry(type: type, count: number, valueAt: start + 8) }
            }
            return entries
        }

        /// Text of up to 64 characters.
        func text(_ entry: Entry) -> String? {
            guard entry.type == 2, entry.count > 0 else { return nil }
            guard let start = entry.count <= 4 ? entry.valueAt : long(entry.valueAt) else { return nil }
            var characters: [UInt8] = []
            for index in 0..<min(entry.count, 64) {
                guard let byte = byte(start + index), byte != 0 else { break }
                characters.append(UInt8(byte))
            }
            return String(decoding: characters, as: UTF8.self)
        }

        /// Degrees, minutes and seconds as three rationals.
        func degrees(_ entry: Entry) -> Double? {
            guard entry.type == 5, entry.count == 3, let start = long(entry.valueAt) else { return nil }
            var sum = 0.0
            for (index, divisor) in [1.0, 60, 3_600].enumerated() {
                guard let above = long(start + index * 8), let below = long(start + index * 8 + 4) else { return nil }
                // Cameras without seconds write 0/0.
                if below == 0, above == 0, index > 0 { continue }
                guard below != 0 else { return nil }
                sum += Double(above) / Double(below) / divisor
            }
            return sum
        }
    }
}
