import Foundation

/// The files of PostgreSQL's log in an archive. Their names are three numbers of eight hexadecimal digits: timeline, and position.
public struct WALFolder: Sendable {
    /// From which file to which there is no gap.
    public struct Reach: Sendable, Equatable, Encodable {
        public let files: Int
        public let first: String
        public let last: String
        /// When the last was written to, RFC 3339.
        public let written_at: String
    }

    private let url: URL

    public init(_ url: URL) { self.url = url }

    /// Position of a file, counted in files; nil for another name.
    static func number(of name: String, segmentBytes: Int) -> UInt64? {
        let digits = name.hasSuffix(".partial") ? String(name.dropLast(8)) : name
        guard digits.utf8.count == 24, digits.utf8.allSatisfy({ (48...57).contains($0) || (65...70).contains($0) }),
            let high = UInt64(digits.dropFirst(8).prefix(8), radix: 16), let low = UInt64(digits.suffix(8), radix: 16), segmentBytes > 0
        else { return nil }
        return high * ((1 << 32) / UInt64(segmentBytes)) + low
    }

    /// Of a position as PostgreSQL writes it, `0/3000060`.
    static func number(ofPosition text: String, segmentBytes: Int) -> UInt64? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ (1...8).contains($0.utf8.count) }), let high = UInt64(parts[0], radix: 16),
            let low = UInt64(parts[1], radix: 16), segmentBytes > 0
        else { return nil }
        return (high << 32 | low) / UInt64(segmentBytes)
    }

    private func names() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).filter {
            Self.number(of: $0, segmentBytes: 1 << 24) != nil
        }
    }

    /// Nil when there is no file.
    public func reach() throws -> Reach? {
        let names = names().sorted()
        guard let first = names.first, let last = names.last else { return nil }
        let attributes = try? FileManager.default.attributesOfItem(atPath: url.appendingPathComponent(last).path)
        let written = attributes?[.modificationDate] as? Date ?? Date(timeIntervalSince1970: 0)
        return Reach(files: names.count, first: first, last: last, written_at: ISO8601DateFormatter().string(from: written))
    }

    /// The first file that is missing between a backup's end and the newest file; nil when there is none.
    ///
    /// - Parameter position: where the backup's own part of the log ends; it has the file of that position itself, whole.
    /// - Returns: where the gap is, in the folder's own words, as in `after 000000010000000000000004`.
    public func gap(after position: String, segmentBytes: Int) -> String? {
        guard let last = Self.number(ofPosition: position, segmentBytes: segmentBytes) else { return "at \(position)" }
        let found = Dictionary(
            names().compactMap { name in Self.number(of: name, segmentBytes: segmentBytes).map { ($0, name) } },
            uniquingKeysWith: { first, _ in first })
        guard let end = found.keys.max(), end > last else { return nil }
        for number in last + 1...end where found[number] == nil { return "after \(found[number - 1] ?? position)" }
        return nil
    }

    /// What of the log can be read through from a backup's end on.
    public struct Stretch: Sendable, Equatable {
        /// As in the files' names.
        public let timeline: UInt32
        /// Positions as PostgreSQL writes them; the end is that of the last whole file, before any gap.
        public let start: String
        public let end: String
        /// The file that would be next.
        public let next: String
    }

    /// The whole files from a backup's end to the first that is missing or unfinished; nil when there is none.
    ///
    /// - Parameter position: where the backup's own part of the log ends.
    public func stretch(after position: String, segmentBytes: Int) -> Stretch? {
        guard let last = Self.number(ofPosition: position, segmentBytes: segmentBytes) else { return nil }
        let whole = Dictionary(
            names().filter { !$0.hasSuffix(".partial") }.compactMap { name in
                Self.number(of: name, segmentBytes: segmentBytes).map { ($0, name) }
            }, uniquingKeysWith: { first, _ in first })
        let first = whole[last] == nil ? last + 1 : last
        guard let name = whole[first], let timeline = UInt32(name.prefix(8), radix: 16) else { return nil }
        var next = first
        while whole[next] != nil { next += 1 }
        let bytes = UInt64(segmentBytes)
        func text(_ number: UInt64) -> String {
            let place = number * bytes
            return String(place >> 32, radix: 16, uppercase: true) + "/" + String(place & 0xFFFF_FFFF, radix: 16, uppercase: true)
        }
        let perID = (1 << 32) / bytes
        func digits(_ number: UInt64) -> String {
            let text = String(number, radix: 16, uppercase: true)
            return String(repeating: "0", count: max(0, 8 - text.utf8.count)) + text
        }
        return Stretch(
            timeline: timeline, start: first == last ? position : text(first), end: text(next),
            next: String(name.prefix(8)) + digits(next / perID) + digits(next % perID))
    }

    /// Files that no restore from this position on needs.
    public func older(than position: String, segmentBytes: Int) -> [URL] {
        guard let start = Self.number(ofPosition: position, segmentBytes: segmentBytes) else { return [] }
        return names().filter { (Self.number(of: $0, segmentBytes: segmentBytes) ?? start) < start }.map { url.appendingPathComponent($0) }
    }
}
