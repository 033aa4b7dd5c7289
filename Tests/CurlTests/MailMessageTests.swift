import Curl
import Foundation
import Testing

@Suite("A mail's form")
struct MailMessageTests {
    private func message(subject: String, text: String = "x", name: String = "Valmont") throws -> MailMessage {
        MailMessage(
            from: try MailAddress(validating: "bus@valmont.example"), fromName: try HeaderText(validating: name),
            to: try MailAddress(validating: "ada@mail.example"), subject: try HeaderText(validating: subject), text: text,
            id: try MailMessageID(name: "n.1", domain: "valmont.example"), date: 1_772_359_200, language: try HeaderText(validating: "fr"),
            unsubscribe: try OneClickUnsubscribe(url: "https://bus.example/u/abc"))
    }

    /// Headers, each on one line, and the body as it was written.
    private func read(_ message: MailMessage) throws -> (headers: [String: String], lines: [String], body: String) {
        let text = String(decoding: message.bytes, as: UTF8.self)
        #expect(message.bytes.allSatisfy { $0 < 128 })
        let lines = text.components(separatedBy: "\r\n")
        #expect(!lines.contains { $0.contains("\n") || $0.contains("\r") }, "no bare line break")
        let end = try #require(lines.firstIndex(of: ""))
        var headers: [String: String] = [:]
        var last = ""
        for line in lines[..<end] {
            if line.hasPrefix(" ") {
                headers[last, default: ""] += line
            } else {
                let parts = line.split(separator: ":", maxSplits: 1)
                last = String(parts[0])
                #expect(headers[last] == nil, "no header twice: \(last)")
                headers[last] = parts.count > 1 ? String(parts[1]).trimmingCharacters(in: .whitespaces) : ""
            }
        }
        return (headers, Array(lines), Self.unquoted(lines[(end + 1)...].joined(separator: "\r\n")))
    }

    private static func unquoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.replacingOccurrences(of: "=\r\n", with: "").utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "="), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func unworded(_ value: String) -> String {
        let words = value.split(separator: " ").map(String.init)
        guard words.allSatisfy({ $0.hasPrefix("=?UTF-8?B?") && $0.hasSuffix("?=") }) else { return value }
        let bytes = words.flatMap { Array(Data(base64Encoded: String($0.dropFirst(10).dropLast(2))) ?? Data()) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("plain words stay plain, and every header is there once")
    func plain() throws {
        let (headers, lines, _) = try read(try message(subject: "Your report is done"))
        #expect(headers["Subject"] == "Your report is done")
        #expect(headers["Date"] == "Sun, 1 Mar 2026 10:00:00 +0000")
        #expect(headers["From"] == "Valmont <bus@valmont.example>" && headers["To"] == "<ada@mail.example>")
        #expect(headers["Message-ID"] == "<n.1@valmont.example>" && headers["Content-Language"] == "fr")
        #expect(
            headers["List-Unsubscribe"] == "<https://bus.example/u/abc>" || headers["List-Unsubscribe"] == " <https://bus.example/u/abc>")
        #expect(headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click")
        #expect(headers["Auto-Submitted"] == "auto-generated")
        #expect(lines.allSatisfy { $0.utf8.count <= 78 })
    }

    @Test("any subject, name and text comes back as it was, and makes no header of its own")
    func property() throws {
        var random = SystemRandomNumberGenerator()
        let alphabet: [Unicode.Scalar] = Array("abc :;=?_<>@\"\\.,éß漢😀\u{301}-".unicodeScalars)
        func word(_ count: Int) -> String {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...count, using: &random) { scalars.append(alphabet.randomElement(using: &random) ?? "x") }
            return String(scalars)
        }
        for _ in 0..<500 {
            let (subject, name) = (word(120), word(60))
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in word(200) + (Bool.random() ? " " : "") }.joined(
                separator: "\n")
            let (headers, lines, body) = try read(try message(subject: subject, text: text, name: name))
            #expect(Self.unworded(headers["Subject"] ?? "").unicodeScalars.elementsEqual(subject.unicodeScalars) || subject.isEmpty)
            let from = try #require(headers["From"])
            #expect(from.hasSuffix("<bus@valmont.example>"))
            let shown = String(from.dropLast("<bus@valmont.example>".count)).trimmingCharacters(in: .whitespaces)
            #expect(Self.unworded(shown).unicodeScalars.elementsEqual(name.unicodeScalars), "\(name) \(shown)")
            #expect(headers.count == 12)
            #expect(lines.allSatisfy { $0.utf8.count <= 78 }, "\(lines.map(\.utf8.count))")
            #expect(body.unicodeScalars.filter { $0 != "\r" }.elementsEqual((text + "\n").unicodeScalars))
        }
    }

    @Test(
        "text with a line break or a control character is no header text",
        arguments: [
            "a\r\nBcc: b@c.example", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\u{2028}b", "a\u{7F}b",
        ])
    func injection(text: String) throws {
        #expect(throws: MailValueError.self) { try HeaderText(validating: text) }
        let clean = HeaderText(cleaning: text)
        #expect(clean.text.hasPrefix("a ") && (try? HeaderText(validating: clean.text)) != nil)
        #expect(throws: MailValueError.self) { try MailAddress(validating: "a@b.example" + text) }
        #expect(throws: MailValueError.self) { try MailAddress(validating: text + "@b.example") }
        #expect(throws: MailValueError.self) { try MailMessageID(name: text, domain: "b.example") }
        #expect(throws: MailValueError.self) { try OneClickUnsubscribe(url: "https://b.example/" + text) }
    }

    @Test(
        "an address that is none",
        arguments: [
            "", "a", "@b.example", "a@", "a@b@c.example", "a b@c.example", "<a@b.example>", "a@b.example>", "a@b.example,c@d.example",
            "\"a\"@b.example",
            "a@b..example", "a@-b.example", "é@b.example", "a@é.example", "a..b@c.example", ".a@b.example", "a.@b.example",
        ])
    func noAddress(text: String) { #expect(throws: MailValueError.self) { try MailAddress(validating: text) } }

    @Test("an address never shows in what went wrong with it")
    func quiet() {
        do { _ = try MailAddress(validating: "canary@@mail.example") } catch { #expect(!"\(error)".contains("canary")) }
    }
}
