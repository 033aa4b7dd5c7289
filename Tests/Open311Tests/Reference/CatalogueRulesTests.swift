import Open311
import TestSupport
import Testing

@Suite("A catalogue as a document")
struct CatalogueRulesTests {
    private func faults(_ text: String) throws -> [String] {
        do { _ = try CatalogueRules.services(try JSONReader.value(Array(text.utf8)), languages: [.french]) } catch let faults
            as ReferenceFaults
        {
            return faults.listed.map(\.pointer)
        }
        return []
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let services = try Fixtures.services()
        let document = CatalogueRules.document(services)
        #expect(try CatalogueRules.services(document, languages: [.french, .english]).services == services)
        #expect(try CatalogueRules.services(.object([.init("services", document)]), languages: []).services == services)
    }

    @Test("every fault is told at once, by its path in what was sent")
    func everyFault() throws {
        let found = try faults(
            """
            {"services": [
              {"service_code": "A", "service_name": {"fr": "a", "xxxxxxxxx": "b", "FR": "c"}, "type": "slow"},
              {"service_code": "A", "service_name": 7, "keywords": ["a,b", 1]},
              7,
              {"service_code": "", "service_name": "x"},
              {"service_code": "B", "service_name": "b", "attributes": [
                {"code": "z", "datatype": "string", "order": 2, "description": "?"},
                {"code": "y", "datatype": "singlevaluelist", "order": 1, "description": "?"},
                {"code": "x", "datatype": "date", "description": "?"},
                {"code": "w", "datatype": "string", "order": 0, "description": "?"}]}
            ]}
            """)
        #expect(
            Set(found) == [
                "/services/0/service_name/xxxxxxxxx", "/services/0/service_name/FR", "/services/0/type", "/services/1/service_name",
                "/services/1/keywords/1", "/services/1/keywords/0", "/services/1/service_code", "/services/2", "/services/3/service_code",
                // The second in the file, though it is the first to be shown.
                "/services/4/attributes/1/values", "/services/4/attributes/2/datatype", "/services/4/attributes/3/order",
            ])
        #expect(try faults("7") == [""])
    }

    @Test("one without a service is refused, whatever form it has")
    func empty() throws {
        for text in ["[]", #"{"services": []}"#] { #expect(try faults(text) == [""]) }
    }

    @Test("white space is no code, no name and no part of one; a wrong datatype hides no other fault")
    func whiteSpace() throws {
        let found = try faults(
            #"""
            [{"service_code": "  ", "service_name": "a"}, {"service_code": "B", "service_name": " \t"},
             {"service_code": "C", "service_name": "c", "attributes": [
               {"code": " ", "datatype": "string", "description": "?"},
               {"code": "x", "datatype": "txt", "order": 1, "description": "?"},
               {"code": "x", "datatype": "string", "order": 2, "description": "?"}]}]
            """#)
        #expect(
            Set(found) == [
                "/0/service_code", "/1/service_name", "/2/attributes/0/code", "/2/attributes/1/datatype", "/2/attributes/2/code",
            ], "\(found)")
        let padded = #"[{"service_code": " PAD ", "service_name": " a ", "keywords": [" k "]}]"#
        let (services, _) = try CatalogueRules.services(try JSONReader.value(Array(padded.utf8)), languages: [.french])
        #expect(services.map(\.code.rawValue) == ["PAD"] && services[0].keywords == ["k"])
    }

    @Test("texts beyond their limits and with control characters are refused; a member that is not known is told")
    func limits() throws {
        let long = String(repeating: "é", count: 256)
        let found = try faults(#"[{"service_code": "A", "service_name": "\#(long)", "group": "a\u0007b", "keywords": ["\#(long)"]}]"#)
        #expect(Set(found) == ["/0/service_name/fr", "/0/group/fr", "/0/keywords/0"])
        let value = try JSONReader.value(
            Array(#"[{"service_code": "A", "servce_name": "x", "service_name": "x", "group": "g", "description": "d"}]"#.utf8))
        #expect(try CatalogueRules.services(value, languages: [.french]).advice.map(\.pointer) == ["/0/servce_name"])
    }

    @Test("a difference names services, questions and choices by their codes")
    func difference() throws {
        let services = try Fixtures.services()
        var changed = Array(services.reversed())
        changed[1].name.translations[.english] = nil
        changed[1].attributes[1].choices[2].name.translations[.french] = "Autre"
        changed.append(
            Service(
                code: try ServiceCode(validating: "A/B"), kind: .realtime, name: LocalizedText([.french: "x"]), summary: LocalizedText([:]),
                group: LocalizedText([:]), keywords: [], attributes: []))
        let found = ReferenceDifference.between(
            CatalogueRules.document(services), CatalogueRules.document(changed), key: ReferenceKind.catalogue.entryKey)
        #expect(
            Set(found.map { "\($0.operation.rawValue) \($0.path)" }) == [
                "remove /POT/service_name/en", "change /POT/attributes/shape/values/triangle/name/fr", "add /A~1B", "reorder ",
            ])
        #expect(
            ReferenceDifference.between(CatalogueRules.document(services), CatalogueRules.document(services), key: "service_code") == [])
        #expect(ReferenceDifference.between(nil, CatalogueRules.document(services), key: "service_code").count == services.count)
    }

    private func orders(_ given: [Int?]) throws -> [Int] {
        let questions = given.enumerated().map { number, order -> JSONValue in
            .object(
                [.init("code", .string("q\(number)")), .init("datatype", .string("string")), .init("description", .string("?"))]
                    + (order.map { [.init("order", .number(Double($0)))] } ?? []))
        }
        let document = JSONValue.array([
            .object([
                .init("service_code", .string("A")), .init("service_name", .string("A")), .init("attributes", .array(questions)),
            ])
        ])
        let service = try #require(try CatalogueRules.services(document, languages: []).services.first)
        return given.indices.compactMap { number in service.attributes.first { $0.code == "q\(number)" }?.order }
    }

    @Test("a question without an order stands behind the one before it, and is never refused for it")
    func absentOrders() throws {
        for (given, expected) in [
            ([nil, nil, nil], [1, 2, 3]), ([7, nil, nil], [7, 8, 9]), ([nil, 1], [2, 1]), ([2, nil], [2, 3]),
            ([1, nil, 2, nil], [1, 3, 2, 4]),
            ([nil, nil, 10], [1, 2, 10]), ([3, nil, nil, 4], [3, 5, 6, 4]), ([1_000_000, nil, 1], [1_000_000, 2, 1]),
        ] as [([Int?], [Int])] { #expect(try orders(given) == expected, "\(given)") }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let numbers = (1...12).shuffled(using: &random)
            let given = numbers.prefix(Int.random(in: 1...12, using: &random)).map { Bool.random(using: &random) ? $0 : nil }
            let found = try orders(given)
            #expect(Set(found).count == given.count && found.count == given.count, "\(given) \(found)")
            for (number, order) in given.enumerated() where order != nil { #expect(found[number] == order) }
        }
    }
}
