import Storage
import Testing

@Suite("Links that acknowledge alerts")
struct AlertLinkTests {
    private let signature = String(repeating: "0f", count: 32)

    @Test("what is written is read the same")
    func roundTrip() {
        for recipient in AlertRecipient.allCases {
            let link = AlertLink(alert: 12, recipient: recipient, expires: 1_790_000_000, signature: signature)
            #expect(AlertLink(path: link.path) == link)
        }
    }

    @Test(
        "everything else is no link",
        arguments: [
            "/alerts/", "/alerts/12", "/alerts/12/manager/1790000000", "/alerts/12/nobody/1790000000/S", "/alerts/-1/manager/1790000000/S",
            "/alerts/+1/manager/1790000000/S", "/alerts/1234567890123456789/manager/1790000000/S", "/alerts/12/manager/17e9/S",
            "/alerts/12/manager/1790000000/S/", "/alerts/12/manager/1790000000/SF", "/alerts//manager/1790000000/S",
            "alerts/12/manager/1790000000/S",
            "/alerts/12/Manager/1790000000/S", "/alerts/١/manager/1790000000/S",
        ])
    func refused(text: String) { #expect(AlertLink(path: text.replacing("S", with: signature)) == nil, "\(text)") }

    @Test("any path is read or refused; what is read is written back as it was")
    func anything() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["/alerts/", "12", "/", "manager", "operator", "1790000000", signature, "é", "\u{0}", "%2F", "0", "F", " "]
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            if let link = AlertLink(path: text) { #expect(link.path == text) }
        }
    }
}
