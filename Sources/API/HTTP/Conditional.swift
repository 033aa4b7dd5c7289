import Crypto
import HTTPTypes
import Hummingbird
import Open311

/// Conditional requests (RFC 9110, 13).
enum Conditional {
    /// Names these very bytes: the beginning of their SHA-256 in hexadecimal, without quotes.
    static func digest(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(32)
        for byte in SHA256.hash(data: bytes).prefix(16) {
            for digit in [byte >> 4, byte & 15] { text.append(digit < 10 ? 48 + digit : 87 + digit) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether the caller has the answer already: `If-None-Match` where it is sent, otherwise `If-Modified-Since`.
    ///
    /// - Parameters:
    ///   - tags: each with its quotes.
    ///   - lastModified: in whole seconds; nil where the answer may change without it.
    static func isKnown(to request: Request, tags: [String], lastModified: Timestamp?) -> Bool {
        guard request.method == .get || request.method == .head else { return false }
        if let known = request.headers[.ifNoneMatch] {
            return known.split(separator: ",").contains { entry in
                let tag = entry.drop { $0 == " " }
                let strong = (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag).prefix { $0 != " " }
                return strong == "*" || tags.contains { $0 == strong }
            }
        }
        guard let lastModified, let since = request.headers[.ifModifiedSince].flatMap(HTTPDate.moment) else { return false }
        return since.seconds >= lastModified.seconds
    }
}
