import Open311

/// How a request's media stand in its row: a citizen's links as given, our photos as `/media/<token>.jpg`, with `#` and the
/// microsecond since 1970 behind it when that address ends to answer.
enum StoredMedia {
    static func entry(_ token: PhotoToken, until end: Timestamp?) -> String {
        token.path + (end.map { "#\($0.microseconds)" } ?? "")
    }

    /// What is shown now, without the ends.
    static func shown(_ entries: [String], at now: Timestamp) -> [String] {
        guard entries.contains(where: { $0.utf8.first == UInt8(ascii: "/") && $0.utf8.contains(UInt8(ascii: "#")) }) else { return entries }
        return entries.compactMap { entry in
            guard entry.hasPrefix("/"), let mark = entry.lastIndex(of: "#") else { return entry }
            guard let end = Int64(entry[entry.index(after: mark)...]), end > now.microseconds else { return nil }
            return String(entry[..<mark])
        }
    }
}
