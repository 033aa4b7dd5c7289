import Open311
import TestSupport
import Testing

private func tenant(keepsUndeclared: Bool = true) throws -> Tenant {
    Tenant(
        id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont",
        jurisdictions: [try JurisdictionID(validating: "valmont.example")], language: .french, timeZone: "Europe/Paris", shard: 0,
        virtualHost: "open311", contact: "", keyService: "", policies: TenantPolicies(keepsUndeclaredAttributes: keepsUndeclared))
}

private let apiKey = AccessKey(
    publicID: "AAAAAAAA", kind: .apiKey, tenant: TenantID(1), label: "app", secretHash: [], createdAt: Timestamp(seconds: 0),
    expiresAt: nil, revokedAt: nil)

private func validate(_ pairs: [(name: String, value: String)], service: Int = 0) throws -> Submission {
    try SubmissionValidator(tenant: try tenant(), service: try Fixtures.services()[service]).submission(
        from: FormFields(pairs), apiKey: apiKey, idempotencyKey: nil, language: .english, at: Timestamp(seconds: 1_700_000_000))
}

private func faults(_ pairs: [(name: String, value: String)], service: Int = 0) -> [String] {
    do {
        _ = try validate(pairs, service: service)
        return []
    } catch {
        return (error as? Faults)?.all.map(\.field) ?? ["another error"]
    }
}

private let here: [(name: String, value: String)] = [(name: "lat", value: "48.85"), (name: "long", value: "2.35")]

@Suite("The submission validator")
struct SubmissionValidatorTests {
    @Test("tells every fault of a form at once")
    func tellsAll() {
        let found = faults([(name: "lat", value: "91"), (name: "attribute[shape]", value: "starfish")])
        #expect(Set(found) == ["lat", "attribute[depth]", "attribute[shape]"])
    }

    @Test("refuses positions that are none", arguments: ["91", "abc", "48,85", "NaN", "1e1", "0x10", ""])
    func refusesPositions(latitude: String) {
        #expect(faults([(name: "lat", value: latitude), (name: "long", value: "2")], service: 1).first != nil)
    }

    @Test("takes several values in each form that clients use")
    func severalValues() throws {
        for pairs in [
            [(name: "attribute[tags][]", value: "a"), (name: "attribute[tags][]", value: "b")],
            [(name: "attribute[tags]", value: "a"), (name: "attribute[tags]", value: "b")],
            [(name: "attribute[tags][0]", value: "a"), (name: "attribute[tags][1]", value: "b")],
            [(name: "attribute[tags]", value: "a,b")],
        ] {
            let submission = try validate(here + [(name: "attribute[depth]", value: "12")] + pairs)
            #expect(submission.answers.contains(Answer(code: "tags", values: ["a", "b"])))
        }
    }

    @Test("keeps to what a message holds: a hundred chosen values, fifteen photos and links, no code without a letter")
    func keepsToTheContract() throws {
        let keys = (1...150).map { "k\($0)" }
        let attribute = ServiceAttribute(
            code: "many", isVariable: true, dataType: .multivaluelist, isRequired: false, order: 1, question: Fixtures.text("a", "a"),
            hint: Fixtures.text("a", "a"), choices: keys.map { ServiceAttribute.Choice(key: $0, name: Fixtures.text($0, $0)) })
        let service = Service(
            code: try ServiceCode(validating: "MANY"), kind: .realtime, name: Fixtures.text("a", "a"), summary: Fixtures.text("a", "a"),
            group: Fixtures.text("a", "a"), keywords: [], attributes: [attribute])
        func faults(_ pairs: [(name: String, value: String)], photos: Int = 0) throws -> [Fault] {
            do {
                _ = try SubmissionValidator(tenant: try tenant(), service: service, photos: photos).submission(
                    from: FormFields(here + pairs), apiKey: apiKey, idempotencyKey: nil, language: .english, at: Timestamp(seconds: 1))
                return []
            } catch let error as Faults {
                return error.all
            }
        }
        for joined in [true, false] {
            func chosen(_ count: Int) -> [(name: String, value: String)] {
                joined
                    ? [(name: "attribute[many]", value: keys.prefix(count).joined(separator: ","))]
                    : keys.prefix(count).map { (name: "attribute[many][]", value: $0) }
            }
            #expect(try faults(chosen(100)) == [])
            #expect(try faults(chosen(101)) == [Fault(field: "attribute[many]", problem: .tooMany(maximum: 100))])
        }
        let links = (1...10).map { (name: "media_url", value: "https://img.example/\($0).jpg") }
        #expect(try faults(links, photos: 5) == [])
        #expect(try faults(links, photos: 6) == [Fault(field: "media", problem: .tooMany(maximum: 15))])
        #expect(try faults([], photos: 16) == [Fault(field: "media", problem: .tooMany(maximum: 15))])
        for code in ["\u{1}", "\u{7F}\u{FFFF}"] {
            #expect(try faults([(name: "attribute[\(code)]", value: "x")]) == [Fault(field: "attribute", problem: .undeclaredAttribute)])
        }
        #expect(try faults([(name: "attribute[a\u{1}]", value: "x")]) == [])
    }

    @Test("takes an object that is not the city's as a place, and knows no position of it")
    func foreignObject() throws {
        let object: [(name: String, value: String)] = [
            (name: "service_object_type", value: "https://other.example/map"), (name: "service_object_id", value: "9"),
        ]
        let submission = try validate(object, service: 1)
        #expect(submission.object?.id == "9" && submission.location.coordinate == nil)
        #expect(faults([], service: 1) == ["lat"] && faults([object[0]], service: 1) == ["service_object_type", "lat"])
        #expect(try validate(here + object, service: 1).object?.id == "9")
    }

    @Test("counts four thousand characters, not bytes")
    func countsCharacters() {
        let long = String(repeating: "é", count: 4_000)
        #expect(faults(here + [(name: "description", value: long)], service: 1).isEmpty)
        #expect(faults(here + [(name: "description", value: long + "é")], service: 1) == ["description"])
    }

    @Test("refuses addresses of media that are not on the web")
    func refusesAddresses() {
        for url in ["javascript:1", "/a.jpg", "ftp://x/y", "http://", "https://a b/c"] {
            #expect(faults(here + [(name: "media_url", value: url)], service: 1) == ["media_url"], "\(url)")
        }
    }
}

@Suite("Timestamps")
struct TimestampTests {
    @Test("every moment reads back from its text")
    func roundTrip() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<5_000 {
            let moment = Timestamp(seconds: Int64.random(in: -2_000_000_000...4_000_000_000, using: &generator))
            #expect(Timestamp(parsing: moment.iso8601) == moment)
        }
    }

    @Test(
        "reads the forms that clients send",
        arguments: [
            "2026-01-01T01:00:00+01:00", "2026-01-01T01:00:00+0100", "2026-01-01T01:00:00 01:00", "2026-01-01t00:00:00z",
            "2026-01-01T00:00:00.123Z", "2026-01-01T00:00", "2026-01-01T00:00:00", "2026-01-01",
        ])
    func readsClientForms(text: String) {
        #expect(Timestamp(parsing: text)?.seconds == 1_767_225_600)
    }

    @Test("refuses what is no date", arguments: ["yesterday", "2026-02-30", "2026-13-01", "2026-01-01T25:00:00Z", "", "2026-1-1"])
    func refusesOthers(text: String) { #expect(Timestamp(parsing: text) == nil) }
}

@Suite("Statuses")
struct StatusTests {
    @Test("an archived request goes nowhere, a processed one may be reopened")
    func moves() throws {
        #expect(throws: IllegalTransition.self) { try DetailedStatus(.archived).checkMove(to: DetailedStatus(.inProcess)) }
        try DetailedStatus(.processed).checkMove(to: DetailedStatus(.inProcess))
        #expect(throws: IllegalTransition.self) { try DetailedStatus(.inProcess).checkMove(to: DetailedStatus(.received)) }
    }
}
