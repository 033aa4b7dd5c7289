import Open311
import Testing

@Suite("Accept-Language")
struct LanguagePreferencesTests {
    @Test("is followed by weight, equal ones in their order, zero never")
    func weights() {
        let wanted = LanguagePreferences(locale: nil, accept: "fr;q=0.2, en, de;q=0, nl-be ; q=0.9, es;q=0.2").wanted
        #expect(wanted.map(\.rawValue) == ["en", "nl-BE", "fr", "es"])
        #expect(LanguagePreferences(locale: "pt_BR", accept: "fr").wanted.map(\.rawValue) == ["pt-BR", "fr"])
    }

    @Test("of any characters is read or passed over, and gives few languages")
    func noise() {
        let pieces = ["fr", "en", "nl-BE", ";", "q=", "0.5", "nan", "inf", "-1", "1e999", ",", "*", " ", "é", "-", "_", "=", "\u{0}"]
        for _ in 0..<3_000 {
            let text = (0..<Int.random(in: 0...40)).map { _ in pieces.randomElement() ?? "" }.joined()
            let preferences = LanguagePreferences(locale: text, accept: text)
            #expect(preferences.wanted.count <= 17)
            #expect(preferences.wanted.allSatisfy { Language(parsing: $0.rawValue) == $0 })
        }
    }
}
