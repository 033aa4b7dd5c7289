/// Text on its way to an operator's terminal. Much of it was chosen by strangers: what a client calls itself, a message's properties.
enum TerminalText {
    /// Line breaks and tabs stay; what moves a terminal's cursor, colours it or turns the direction of writing is shown as U+FFFD.
    static func harmless(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { steers($0) ? "\u{FFFD}" : $0 }))
    }

    private static func steers(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 9, 10: false
        case 0..<32, 127..<160, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
