import Open311
import Testing

@Suite("Terms of retention")
struct RetentionPolicyTests {
    @Test("a service's term is its code, whatever is in it, and months of 1 to 24")
    func terms() throws {
        for (text, code, months) in [("NOISE 6", "NOISE", 6), ("Noise at night 24", "Noise at night", 24), ("7 1", "7", 1)] {
            let term = try #require(RetentionPolicy.ServiceTerm(text))
            #expect(term.code.rawValue == code && term.months == months && term.description == text)
        }
        for text in ["", "NOISE", " 6", "NOISE 0", "NOISE 25", "NOISE -6", "NOISE +6", "NOISE 6 ", "NOISE 006", "NOISE six", "NOISE ٦"] {
            #expect(RetentionPolicy.ServiceTerm(text) == nil, "\(text)")
        }
    }

    @Test("any text is a term that reads back as itself, or none")
    func anyText() {
        let alphabet = Array(" 0123456789aZé\u{7}-+\t")
        for _ in 0..<2_000 {
            let text = String((0..<Int.random(in: 0...12)).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
            guard let term = RetentionPolicy.ServiceTerm(text) else { continue }
            #expect(RetentionPolicy.ServiceTerm(term.description) == term && RetentionPolicy.monthRange.contains(term.months))
        }
    }
}
