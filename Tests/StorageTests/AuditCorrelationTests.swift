import Testing

@testable import Storage

@Suite("Ids that callers chose, in the audit")
struct AuditCorrelationTests {
    @Test(
        "an id in which nobody can be stays",
        arguments: [
            "0192f0a1-7b3c-7d41-9e2f-5a6b7c8d9e0f", "12345678-1234-4234-8234-1234567890ab", "a-1", "=1+1-app-7", "crm-2611000004217-3",
            "2611000004217",
            "GRC/2026/117", "batch:20261126", "1234567890123456a", "1f3c9a8812345678-1a",
        ])
    func stays(id: String) { #expect(AuditCorrelation.kept(id) == id) }

    @Test(
        "one that may hold an address or a telephone number is not kept",
        arguments: [
            "zebulon.canary@perso.example", "+33611223344", "0611223344", "06.11.22.33.44", "06-11-22-33-44", "tel:0033611223344",
            "Zébulon", "a b",
            "", "0611223344-abcdef", "demande/06/11223344", "9913000004217", String(repeating: "a", count: 129),
        ])
    func hidden(id: String) {
        #expect(AuditCorrelation.kept(id) == "hidden")
    }

    @Test("any text is kept or hidden")
    func anything() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<5_000 {
            let scalars = (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0...0x2FF, using: &random))
            }
            var text = ""
            text.unicodeScalars.append(contentsOf: scalars)
            let kept = AuditCorrelation.kept(text)
            #expect(kept == text || kept == AuditCorrelation.hidden)
            if text.unicodeScalars.contains("@") { #expect(kept != text) }
        }
    }
}
