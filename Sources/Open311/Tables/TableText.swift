/// Bytes of a table as a spreadsheet writes them, as text.
enum TableText {
    /// What a `charset` may say, and how it is read. Latin-1 is read as Windows-1252, which is what programs that say it write.
    private static let latin: Set<String> = [
        "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "windows-1252", "cp1252", "cp-1252", "iso-8859-15", "latin9",
    ]

    /// - Parameter charset: as the sender names it; nil for UTF-8. A byte-order mark is believed more than the name.
    /// - Throws: ``ReferenceFaults`` that say how to save the table.
    static func text(_ bytes: [UInt8], charset: String?) throws(ReferenceFaults) -> String {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw fault("The table is UTF-16, which spreadsheets call “Unicode text”: save it as “CSV UTF-8”.")
        }
        let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        let name = charset?.lowercased()
        if !hasMark, let name, latin.contains(name) { return windows(bytes, isLatin9: name.hasSuffix("15") || name.hasSuffix("9")) }
        guard hasMark || name == nil || name == "utf-8" || name == "utf8" || name == "us-ascii" else {
            throw fault("charset \(name?.prefix(32) ?? "") is not read here: send UTF-8, or say windows-1252.")
        }
        let rest = hasMark ? bytes[3...] : bytes[...]
        if let text = String(validating: rest, as: UTF8.self) {
            guard !rest.contains(0) else { throw fault("The table holds the character U+0000: it is no CSV.") }
            return text
        }
        throw notUTF8(rest, hasMark: hasMark)
    }

    private static func fault(_ text: String) -> ReferenceFaults { ReferenceFaults([ReferenceFault("", text)]) }

    private static func notUTF8(_ bytes: ArraySlice<UInt8>, hasMark: Bool) -> ReferenceFaults {
        let wrong = firstWrong(bytes)
        let line = bytes[..<wrong].count { $0 == 10 } + 1
        let digits = String(bytes[wrong], radix: 16, uppercase: true)
        let place = "line \(line), byte 0x\(digits.count < 2 ? "0" : "")\(digits)"
        return fault(
            hasMark
                ? "The table begins with the byte-order mark of UTF-8, but is not UTF-8 (\(place)): it is Latin-1 or Windows-1252 with a mark "
                    + "that does not belong to it. Save it as “CSV UTF-8”."
                : "The table is not UTF-8 (\(place)): it looks like Latin-1 or Windows-1252. Save it as “CSV UTF-8”, or send it as "
                    + "text/csv; charset=windows-1252.")
    }

    private static func firstWrong(_ bytes: ArraySlice<UInt8>) -> Int {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let length: Int
            switch bytes[index] {
            case 0..<0x80: length = 1
            case 0xC2..<0xE0: length = 2
            case 0xE0..<0xF0: length = 3
            case 0xF0..<0xF5: length = 4
            default: return index
            }
            let end = index + length
            guard end <= bytes.endIndex, String(validating: bytes[index..<end], as: UTF8.self) != nil else { return index }
            index = end
        }
        return max(bytes.startIndex, bytes.endIndex - 1)
    }

    /// 0x80 to 0x9F of Windows-1252; the five that it leaves open are what Latin-1 has there.
    private static let high: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90,
        0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
    ]
    private static let latin9: [UInt8: UInt16] = [
        0xA4: 0x20AC, 0xA6: 0x0160, 0xA8: 0x0161, 0xB4: 0x017D, 0xB8: 0x017E, 0xBC: 0x0152, 0xBD: 0x0153, 0xBE: 0x0178,
    ]

    private static func windows(_ bytes: [UInt8], isLatin9: Bool) -> String {
        String(
            decoding: bytes.map { byte -> UInt16 in
                if isLatin9, let other = latin9[byte] { return other }
                return (0x80..<0xA0).contains(byte) ? high[Int(byte) - 0x80] : UInt16(byte)
            }, as: UTF16.self)
    }
}
