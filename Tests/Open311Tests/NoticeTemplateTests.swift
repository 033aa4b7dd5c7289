import Open311
import Testing

@Suite("The words of notices")
struct NoticeTemplateTests {
    private static let full: [NoticeTemplate.Place: String] = [
        .city: "Valmont", .service: "Lampadaire", .number: "2611000000001", .date: "25 novembre 2026", .note: "Jeudi",
        .parent: "2611000000777",
    ]

    @Test("our own words are read like anybody's, in both languages", arguments: NoticeKind.allCases, ["fr", "en"])
    func standard(kind: NoticeKind, tag: String) throws {
        let language = try #require(Language(parsing: tag))
        let template = try #require(StandardNotices.template(kind, language))
        #expect(try NoticeTemplate(subject: template.subject, body: template.body) == template)
        let (subject, body) = template.filled(Self.full)
        #expect(!subject.contains("{{") && !body.contains("{{") && body.contains("Valmont") && body.contains("2611000000001"))
        #expect(kind == .received || body.contains("Jeudi"))
        let bare = template.filled([.city: "Valmont", .service: "Lampadaire", .date: "x"]).body
        #expect(body.contains("2611000000777") == (kind == .duplicate))
        #expect(!bare.contains("Jeudi") && !bare.contains("2611") && !bare.contains("\n\n\n") && bare.contains("Valmont"))
    }

    @Test("a duplicate is promised another word only where there will be one", arguments: [Language.french, .english])
    func promises(language: Language) throws {
        let words = [true, false].compactMap {
            StandardNotices.template(.duplicate, language, tellsDone: $0)?.body.split(separator: "\n").last
        }
        #expect(words.count == 2 && words[0] != words[1])
        #expect(words[0].contains(language == .french ? "nous vous écrirons" : "we will write to you"))
        #expect(!words[1].contains("écrirons") && !words[1].contains("write"))
    }

    @Test(
        "a file is a subject, an empty line and a body; what is wrong is named with its line",
        arguments: [
            ("", "Subject:"), ("Hello\n\nx", "Subject:"), ("Subject: x", "Subject:"), ("Subject: x\ny\nz", "empty line"),
            ("Subject:\n\nx", "subject must have"), ("Subject: x\n\n \n", "body must have"),
            ("Subject: {{town}}\n\nx", "subject has {{town}}"),
            ("Subject: x\n\none\ntwo {{ number", "line 2 has {{ without }}"), ("Subject: x\n\n{{numéro}}", "line 1 has {{numéro}}"),
            ("Subject: x\n\na\0b", "control characters"), ("Subject: " + String(repeating: "x", count: 201) + "\n\ny", "1 to 200"),
            ("Subject: x\n\n" + String(repeating: "y", count: 10_001), "1 to 10000"),
        ])
    func faults(file: String, word: String) throws {
        let error = try #require(throws: InvalidValue.self) { try NoticeTemplate(file: file) }
        #expect("\(error)".contains(word), "\(error)")
    }

    @Test("files as editors on every system write them")
    func files() throws {
        let unix = try NoticeTemplate(file: "Subject: Hello {{ city }}\n\nOne\nTwo {{number}}\n")
        #expect(try NoticeTemplate(file: "Subject: Hello {{ city }}\r\n\r\nOne\r\nTwo {{number}}\r\n") == unix)
        #expect(try NoticeTemplate(file: "Objet\u{A0}: Hello {{ city }}\n  \nOne\nTwo {{number}}\n") == unix)
        #expect(unix.filled(Self.full).subject == "Hello Valmont" && unix.filled(Self.full).body == "One\nTwo 2611000000001")
    }

    @Test("no value becomes a place or a line of the subject, and each stands in the body as it is")
    func property() throws {
        let template = try NoticeTemplate(subject: "{{service}} {{note}}", body: "a {{note}} b\nc {{city}}{{service}}")
        var random = SystemRandomNumberGenerator()
        let pieces = ["{{", "}}", "{{number}}", "note", "\n", "\r\n", "\u{85}", "é", "Bcc: x@y.example", " ", "漢", "\0"]
        for _ in 0..<500 {
            func value() -> String {
                (0..<Int.random(in: 1...6, using: &random)).compactMap { _ in pieces.randomElement(using: &random) }.joined()
            }
            let (note, city, service) = (value(), value(), value())
            let filled = template.filled([.note: note, .city: city, .service: service])
            #expect(!filled.subject.unicodeScalars.contains { $0 == "\n" || $0 == "\r" })
            #expect(filled.body == "a \(note) b\nc \(city)\(service)" || filled.body.isEmpty == false)
            #expect(filled.body.contains(note) && filled.body.contains(city + service))
        }
    }

    @Test("the citizen's language first, the city's own words before ours, English when there is nothing else")
    func language() throws {
        let (dutch, german, belgian) = (
            try #require(Language(parsing: "nl")), try #require(Language(parsing: "de")), try #require(Language(parsing: "nl-BE"))
        )
        let own = try NoticeTemplate(subject: "eigen", body: "x")
        func chosen(_ wanted: Language, _ city: Language, own templates: [Language: NoticeTemplate] = [:]) -> NoticeWording {
            NoticeWording(.done, own: templates, wanted: wanted, fallback: city)
        }
        #expect(chosen(.french, .english).language == .french && chosen(dutch, .french).language == .french)
        #expect(chosen(dutch, german).language == .english)
        #expect(chosen(belgian, .french, own: [dutch: own]).template == own)
        #expect(chosen(.french, .french, own: [.french: own]).template == own)
        #expect(chosen(german, dutch, own: [dutch: own]).language == dutch)
        let links = NoticeWording.Links(person: "https://x.example/p", unsubscribe: "https://x.example/u")
        for wording in [chosen(.french, .french), chosen(dutch, german)] {
            #expect(wording.footer(links).contains(links.person) && wording.footer(links).contains(links.unsubscribe))
        }
    }
}

@Suite("Addresses of citizens")
struct ReporterEmailTests {
    @Test(
        "one address, in any alphabet, without what stands around it",
        arguments: [
            ("ada@mail.example", "ada@mail.example"), (" ada@mail.example\r\n", "ada@mail.example"),
            ("hélène@exämple.fr", "hélène@exämple.fr"),
            ("漢@例え.jp", "漢@例え.jp"), ("a+b.c_d'e@x", "a+b.c_d'e@x"), ("", nil), ("  \n", nil),
        ])
    func reads(raw: String, text: String?) throws { #expect(try ReporterEmail.read(raw) == text) }

    @Test(
        "what could become a second address, a header or a command is refused, in both languages",
        arguments: [
            "a@b.example\r\nBcc: c@d.example", "a@b.example\nX", "a@b.example\rX", "a@b.example,c@d.example", "a@b.example;c",
            "<a@b.example>",
            "A <a@b.example>", "a@b.example c", "a@@b", "@b", "a@", "ab", "a@b\u{2028}c", "a@b\u{85}c", "a@b\u{200B}c", "a@b\0c",
            "\"a b\"@c", "a@b:c",
            "a@b\\c", "a@b\u{A0}c", "a\u{202E}@b",
        ])
    func refuses(raw: String) throws {
        let fault = try #require(throws: Fault.self) { try ReporterEmail.read(raw) }
        #expect(fault.field == "email" && fault.problem == .notAnEmailAddress)
        #expect(fault.text(in: .english).contains("one e-mail address") && fault.text(in: .french).contains("seule adresse"))
    }

    @Test("no text that is taken has room for a header or a command")
    func property() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["a", "@", "b.example", "\r\n", "\n", " ", ",", "<", ">", "é", "\u{2029}", "\t", ":", "\0", "\u{85}"]
        for _ in 0..<5_000 {
            let raw = (0..<Int.random(in: 0...8, using: &random)).compactMap { _ in pieces.randomElement(using: &random) }.joined()
            guard let text = try? ReporterEmail.read(raw) else { continue }
            #expect(text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value != 127 && !",;<>:".unicodeScalars.contains($0) }, "\(raw)")
            #expect(text.unicodeScalars.count { $0 == "@" } == 1)
        }
    }
}
