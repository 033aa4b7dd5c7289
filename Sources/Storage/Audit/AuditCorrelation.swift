/// What stands in the audit for the id that a caller chose for its call or message: the id, or a word where a person may be in it. Not a
/// hash: all telephone numbers are hashed in seconds, and a row of the audit stays for thirteen months.
enum AuditCorrelation {
    static let hidden = "hidden"
    private static let maximumLength = 128
    /// Digits that one after the other, or with one of `-`, `.` and `/` between, may be a telephone number.
    private static let digitsOfATelephone = 9

    /// - Returns: the id itself, or ``hidden``.
    static func kept(_ id: String) -> String { isPlain(id) ? id : hidden }

    /// Whether nobody's address or telephone number can be in it. A name in plain letters is not known as one.
    private static func isPlain(_ id: String) -> Bool {
        let bytes = Array(id.utf8)
        guard (1...maximumLength).contains(bytes.count), bytes.allSatisfy(isPlain) else { return false }
        return isHexadecimal(bytes) || !hasTelephone(bytes)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "+"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }

    /// As traces are, UUIDs, or our own calls (`1f3c9a8812345678-1a`): not of digits alone, and the first piece longer than any number that
    /// is dialled.
    private static func isHexadecimal(_ bytes: [UInt8]) -> Bool {
        let pieces = bytes.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map(\.count)
        guard pieces == [8, 4, 4, 4, 12] || pieces.count <= 2 && pieces[0] >= 16 else { return false }
        var (count, letters) = (0, 0)
        for byte in bytes where byte != UInt8(ascii: "-") {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): count += 1
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): (count, letters) = (count + 1, letters + 1)
            default: return false
            }
        }
        return count >= 16 && letters > 0
    }

    private static func hasTelephone(_ bytes: [UInt8]) -> Bool {
        var digits = 0
        var place = 0
        while place < bytes.count {
            guard isDigit(bytes[place]) else {
                let separates =
                    digits > 0 && [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/")].contains(bytes[place])
                    && place + 1 < bytes.count && isDigit(bytes[place + 1])
                if !separates { digits = 0 }
                place += 1
                continue
            }
            let run = bytes[place...].prefix(while: isDigit)
            digits = isRequest(run) ? 0 : digits + run.count
            if digits >= digitsOfATelephone { return true }
            place += run.count
        }
        return false
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// A service request's number: `YYMM` and nine digits.
    private static func isRequest(_ digits: ArraySlice<UInt8>) -> Bool {
        guard digits.count == 13, let first = digits.first, (UInt8(ascii: "2")...UInt8(ascii: "4")).contains(first) else { return false }
        let month = digits.dropFirst(2).prefix(2).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        return (1...12).contains(month)
    }
}
