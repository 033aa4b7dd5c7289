/// Finds position, time and orientation in an XMP packet (ISO 16684-1): as attributes or as elements, without reading it as XML, because a
/// stranger's XML is never parsed here.
struct XMPReader {
    let position: Coordinate?
    let takenAt: String?
    /// 1 to 8.
    let orientation: Int?

    private static let maximumPacket = 65_536

    /// - Parameter head: the beginning of a file that may hold a packet.
    init?(_ head: [UInt8]) {
        guard let start = Self.find("<x:xmpmeta", in: head[...]) ?? Self.find("<rdf:RDF", in: head[...]) else { return nil }
        let packet = head[start...].prefix(Self.maximumPacket)
        position = PhotoMetadata.position(
            Self.value("exif:GPSLatitude", in: packet).flatMap { Self.degrees($0, negative: "S") },
            Self.value("exif:GPSLongitude", in: packet).flatMap { Self.degrees($0, negative: "W") })
        takenAt = (Self.value("exif:DateTimeOriginal", in: packet) ?? Self.value("xmp:CreateDate", in: packet))
            .flatMap { PhotoMetadata.moment($0) }
        orientation = Self.value("tiff:Orientation", in: packet).flatMap { Int($0) }
            .flatMap { PhotoMetadata.orientations.contains($0) ? $0 : nil }
    }

    /// What follows `name="` or `name>`, up to 64 bytes.
    private static func value(_ name: String, in packet: ArraySlice<UInt8>) -> String? {
        guard let start = find(name, in: packet) else { return nil }
        let rest = packet[start...].dropFirst(name.utf8.count)
        let text: ArraySlice<UInt8>
        if rest.first == UInt8(ascii: ">") {
            text = rest.dropFirst().prefix(64).prefix { $0 != UInt8(ascii: "<") }
        } else if rest.first == UInt8(ascii: "="), let quote = rest.dropFirst().first, quote == 0x22 || quote == 0x27 {
            text = rest.dropFirst(2).prefix(64).prefix { $0 != quote }
        } else {
            return nil
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `48,51.4018N` or `48,51,24N`.
    private static func degrees(_ text: String, negative: Character) -> Double? {
        guard let letter = text.last, letter.isLetter else { return nil }
        let parts = text.dropLast().split(separator: ",").map { Double($0) }
        guard (2...3).contains(parts.count) else { return nil }
        var sum = 0.0
        for (part, divisor) in zip(parts, [1.0, 60, 3_600]) {
            guard let part, part >= 0 else { return nil }
            sum += part / divisor
        }
        return letter == negative ? -sum : sum
    }

    private static func find(_ needle: String, in bytes: ArraySlice<UInt8>) -> Int? {
        let wanted = Array(needle.utf8)
        guard let first = wanted.first else { return nil }
        var position = bytes.startIndex
        while let candidate = bytes[position...].firstIndex(of: first) {
            if bytes[candidate...].starts(with: wanted) { return candidate }
            position = candidate + 1
        }
        return nil
    }
}
