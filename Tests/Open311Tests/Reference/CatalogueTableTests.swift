import Open311
import TestSupport
import Testing

@Suite("A catalogue as a table")
struct CatalogueTableTests {
    private let tenant: Tenant

    init() throws {
        tenant = Tenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont", jurisdictions: [], language: .french,
            timeZone: "Europe/Paris", shard: 0, virtualHost: "open311", contact: "-", keyService: "-", policies: TenantPolicies(),
            fallbackLanguages: [.english])
    }

    private func read(_ bytes: [UInt8], charset: String? = nil) throws -> [Service] {
        let checked = try ReferenceSource(bytes, .csv(charset: charset), kind: .catalogue, tenant: tenant).whole().checked(of: tenant)
        return try CatalogueRules.services(checked.value, languages: []).services
    }

    @Test("whatever catalogue is written as a table is read again as it was")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        #expect(try read(CatalogueTable.csv(CatalogueRules.document(try Fixtures.services()))) == (try Fixtures.services()))
        for _ in 0..<100 {
            let services = try (0..<Int.random(in: 1..<8, using: &random)).map { try service($0, &random) }
            #expect(try read(CatalogueTable.csv(CatalogueRules.document(services))) == services)
        }
    }

    private func text(_ random: inout SystemRandomNumberGenerator) -> String {
        let letters = ["a", "é", ";", ",", "\"", "\n", "'", " x", "=1+1", "\t"]
        return "t" + (0..<Int.random(in: 0..<6, using: &random)).compactMap { _ in letters.randomElement(using: &random) }.joined() + "z"
    }

    private func texts(_ random: inout SystemRandomNumberGenerator) -> LocalizedText {
        LocalizedText([.french: text(&random), .english: text(&random)])
    }

    private func service(_ number: Int, _ random: inout SystemRandomNumberGenerator) throws -> Service {
        let attributes = (0..<Int.random(in: 0..<4, using: &random)).map { index in
            let type = ServiceAttribute.DataType.allCases.randomElement(using: &random) ?? .string
            let choices = (0..<3).map { ServiceAttribute.Choice(key: "k\($0)", name: texts(&random)) }
            return ServiceAttribute(
                code: "a\(index)", isVariable: .random(using: &random), dataType: type, isRequired: .random(using: &random),
                order: index + 1,
                question: texts(&random), hint: .random(using: &random) ? texts(&random) : LocalizedText([:]),
                choices: type.isList ? choices : [])
        }
        return Service(
            code: try ServiceCode(validating: "S\(number);\"é"), kind: ServiceKind.allCases.randomElement(using: &random) ?? .realtime,
            name: texts(&random), summary: texts(&random), group: texts(&random), keywords: ["arbre", "mot clé"], attributes: attributes)
    }

    @Test("no bytes end the reader otherwise than by rows or a named fault")
    func anyBytes() {
        var random = SystemRandomNumberGenerator()
        let seed = Array("service_code;service_name.fr;attribute\r\nA;\"é\"\"x\";\r\n;y;q\r\n".utf8)
        for _ in 0..<10_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            for charset in [nil, "windows-1252", "utf-8", "iso-8859-15"] { _ = try? Table(csv: bytes, charset: charset) }
        }
    }

    @Test("separators and line ends of every country; a first line sep=; the mark of UTF-8; Windows-1252's own letters")
    func forms() throws {
        for (text, expected) in [
            ("a;b\r\n1;2,5\r\n", ["1", "2,5"]), ("a,b\n1,2;5\n", ["1", "2;5"]), ("a\tb\r1\t2\r", ["1", "2"]),
            ("sep=;\r\na;b\r\n1;2", ["1", "2"]),
            ("\u{FEFF}a;b\n\n1;\"x\ny\"\n", ["1", "x\ny"]), ("a;b;;\n1;2;;\n;;;\n", ["1", "2"]),
        ] {
            let table = try Table(csv: Array(text.utf8))
            #expect(table.columns == ["a", "b"] && table.rows.map(\.cells) == [expected], "\(text)")
        }
        #expect(try Table(csv: [0x61, 10, 0x80, 0x92, 0xE9], charset: "latin1").rows.first?.cells == ["€’é"])
        #expect(try Table(csv: [0x61, 10, 0xA4], charset: "ISO-8859-15").rows.first?.cells == ["€"])
    }

    @Test("Latin-1 with a byte-order mark, UTF-16 and unknown names are told apart")
    func encodings() {
        func fault(_ bytes: [UInt8], _ charset: String? = nil) -> String {
            do { _ = try Table(csv: bytes, charset: charset) } catch { return error.listed.first?.text ?? "" }
            return ""
        }
        #expect(fault([0xEF, 0xBB, 0xBF, 0x61, 10, 0x62, 0xE9]).contains("byte-order mark of UTF-8, but is not UTF-8 (line 2, byte 0xE9)"))
        // The mark is believed, not the name.
        #expect(fault([0xEF, 0xBB, 0xBF, 0x61, 10, 0xE9], "windows-1252").contains("byte-order mark"))
        #expect(fault([0x61, 10, 0xE9]).contains("windows-1252"))
        #expect(fault([0xFF, 0xFE, 0x61, 0]).contains("UTF-16"))
        #expect(fault([0x61, 10, 0x62], "koi8-r").contains("koi8-r is not read here"))
        #expect(fault([]).contains("empty"))
    }

    @Test("a fault is told by its cell, and every fault at once")
    func cells() throws {
        let text = """
            service_code;type;service_name.fr;keywords;attribute;datatype;required;value;name.fr
            A;slow;A;;;;;;
            A;;;;q;singlevaluelist;;;
            B;;B;;;;;;
            B;;;;r;singlevaluelist;;;
            B;;;;r;;;x;X
            B;;;a,"b
            """
        #expect(throws: ReferenceFaults.self) { try read(Array(text.utf8)) }
        func pointers(_ text: String) -> Set<String> {
            do { _ = try read(Array(text.utf8)) } catch let faults as ReferenceFaults { return Set(faults.listed.map(\.pointer)) } catch {}
            return []
        }
        let head = "service_code;type;service_name.fr;attribute;datatype;required;value;name.fr\n"
        #expect(
            pointers(head + "A;slow;A;;;;;\nB;;;;;;;\nC;;C;;;;;\nC;;;q;singlevaluelist;;;\n") == ["#cell=2,2", "#cell=3,1", "#cell=5,4"])
        #expect(
            pointers(head + "A;;A;;;;;\nA;;B;;;;;\n;;;q;string;perhaps;;\n;;;;;;x;\n") == [
                "#cell=3,1", "#cell=4,4", "#cell=4,6", "#cell=5,7",
            ])
        #expect(pointers("service_code;colour\nA;red\n") == ["#cell=1,2", "#cell=2,1"])
        #expect(pointers("service_name.fr\nA\n") == ["#row=1"])
        #expect(pointers(head + "A;;A;;;;;;too;many\n") == ["#row=2"])
    }

    @Test("a cell that says nothing in its row is a fault, and an entry without a row of its own is told so")
    func cellsThatSayNothing() throws {
        func faults(_ rows: String) -> [String: String] {
            let text = "service_code;service_name.fr;description.fr;attribute;datatype;value;name.fr\n" + rows
            do { _ = try read(Array(text.utf8)) } catch let faults as ReferenceFaults {
                return Dictionary(faults.listed.map { ($0.pointer, $0.text) }, uniquingKeysWith: { $0 + " " + $1 })
            } catch {}
            return [:]
        }
        let dropped = faults(
            "S;Nom;;;;;\nS;Autre nom;Quoi ?;q;singlevaluelist;;\nS;;Perdu;q;;a;A\nS;;;q;;b;B\nT;T;;;;;Perdu\nT;;Où ?;p;string;;Perdu\n")
        #expect(Set(dropped.keys) == ["#cell=3,2", "#cell=4,3", "#cell=6,7", "#cell=7,7"], "\(dropped)")
        #expect(dropped["#cell=3,2"]?.contains("service_name says nothing in a question's row") == true, "\(dropped)")
        #expect(dropped["#cell=4,3"]?.contains("description says nothing in a choice's row") == true, "\(dropped)")
        let rowless = faults("C;C;Quoi ?;q;string;;\nD;D;;;;;\nD;;;q;;a;A\n")
        #expect(rowless["#cell=2,2"]?.contains("the service's own row, where attribute is empty") == true, "\(rowless)")
        #expect(rowless["#cell=2,4"]?.contains("This row is a question's: the service needs a row of its own") == true, "\(rowless)")
        #expect(rowless["#cell=4,6"]?.contains("This row is a choice's: the question needs a row of its own") == true, "\(rowless)")
        // A row of its own may come later.
        #expect(faults("C;;Quoi ?;q;string;;\nC;C;;;;;\n").isEmpty)
    }

    @Test("a part changes what it names, by codes, and nothing else")
    func part() throws {
        let services = try Fixtures.services()
        let live = CatalogueRules.document(services)
        let table = Array("service_code;attribute;value;name.nl;service_name.nl\nPOT;;;;Put\nPOT;shape;triangle;Driehoek;\n".utf8)
        let changed = try ReferenceSource(table, .csv(charset: nil), kind: .catalogue, tenant: tenant).patched(live).checked(of: tenant)
            .value
        let found = ReferenceDifference.between(live, changed, key: "service_code")
        #expect(
            Set(found.map { "\($0.operation.rawValue) \($0.path)" }) == [
                "add /POT/service_name/nl", "add /POT/attributes/shape/values/triangle/name/nl",
            ])
        let patch = Array(#"{"POT": {"attributes": {"shape": {"values": {"triangle": null}}}}, "NEW": {"service_name": "x"}}"#.utf8)
        let patched = try ReferenceSource(patch, .json, kind: .catalogue, tenant: tenant).patched(live).checked(of: tenant).value
        #expect(
            Set(ReferenceDifference.between(live, patched, key: "service_code").map { "\($0.operation.rawValue) \($0.path)" }) == [
                "remove /POT/attributes/shape/values/triangle", "add /NEW",
            ])
        // RFC 7396 for what is no list of entries.
        let merged = ReferencePatch.merge(
            try JSONReader.value(Array(#"{"a": {"b": 1, "c": [1]}, "d": 2}"#.utf8)),
            with: try JSONReader.value(Array(#"{"a": {"b": null, "c": [2], "e": {"f": null}}, "d": {"g": 3}}"#.utf8)), key: nil)
        #expect(String(decoding: merged.canonicalBytes, as: UTF8.self) == #"{"a":{"c":[2],"e":{}},"d":{"g":3}}"#)
    }
}
