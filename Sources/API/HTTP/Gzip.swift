import CZlib

/// Compression of answers that are made once and sent often (RFC 1952).
enum Gzip {
    /// - Returns: nil when it would save nothing.
    static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        let length = [UInt8](unsafeUninitializedCapacity: bytes.count) { room, count in
            count = bytes.withUnsafeBufferPointer { source in
                czlib_gzip(source.baseAddress, source.count, room.baseAddress, room.count)
            }
        }
        return length.isEmpty ? nil : length
    }

    /// Whether `Accept-Encoding` takes it.
    static func isAccepted(_ header: String?) -> Bool {
        guard let header, header.contains("gzip") || header.contains("*") else { return false }
        for coding in header.lowercased().split(separator: ",") {
            let parts = coding.split(separator: ";").map { $0.filter { $0 != " " } }
            guard let name = parts.first, name == "gzip" || name == "x-gzip" || name == "*" else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return quality > 0
        }
        return false
    }
}
