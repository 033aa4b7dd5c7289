/// Decodes base64 (RFC 4648, 4) as it arrives, a few bytes at a time; nothing of it is kept.
struct Base64Decoder {
    enum Fault: Error, Equatable {
        /// A byte that is none of the 64 digits; its place counts from 1 and counts line breaks.
        case foreign(byte: UInt8, position: Int)
        /// Digits behind the padding, or padding where none can be.
        case padding(position: Int)
        /// The text ends within a group of four.
        case incomplete
        /// Line breaks beyond what any mail program makes.
        case tooManyBreaks
    }

    private var group: UInt32 = 0
    private var digits = 0
    private var padding = 0
    private var isEnded = false
    private var position = 0
    private var breaks = 0

    private static let foreign: UInt8 = 0xFF
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: foreign, count: 256)
        for (value, digit) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
            values[Int(digit)] = UInt8(value)
        }
        // Clients forget to escape the plus sign of a form.
        values[Int(UInt8(ascii: " "))] = 62
        return values
    }()

    /// - Parameter output: what these bytes complete is appended to it.
    mutating func decode(_ bytes: some Collection<UInt8>, into output: inout [UInt8]) throws(Fault) {
        output.reserveCapacity(output.count + bytes.count / 4 * 3 + 3)
        for byte in bytes {
            position += 1
            if byte == 13 || byte == 10 {
                breaks += 1
                guard breaks <= 1_024 + position / 8 else { throw .tooManyBreaks }
                continue
            }
            if byte == UInt8(ascii: "=") {
                padding += 1
                guard !isEnded, digits + padding <= 4, digits >= 2 else { throw .padding(position: position) }
                if digits + padding == 4 { end(&output) }
                continue
            }
            let value = Self.values[Int(byte)]
            guard value != Self.foreign else { throw .foreign(byte: byte, position: position) }
            guard padding == 0 else { throw .padding(position: position) }
            group = group << 6 | UInt32(value)
            digits += 1
            if digits == 4 {
                output.append(UInt8(truncatingIfNeeded: group >> 16))
                output.append(UInt8(truncatingIfNeeded: group >> 8))
                output.append(UInt8(truncatingIfNeeded: group))
                group = 0
                digits = 0
            }
        }
    }

    private mutating func end(_ output: inout [UInt8]) {
        let bits = group << UInt32(6 * padding)
        output.append(UInt8(truncatingIfNeeded: bits >> 16))
        if padding == 1 { output.append(UInt8(truncatingIfNeeded: bits >> 8)) }
        digits = 0
        isEnded = true
    }

    /// Says that no more comes.
    func finish() throws(Fault) {
        guard digits == 0 else { throw .incomplete }
    }
}
