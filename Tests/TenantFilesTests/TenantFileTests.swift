import Foundation
import Open311
import Testing

@testable import TenantFiles

let whole = """
    tenant: valmont-7f3a9c
    name: Ville de Valmont
    jurisdictions: [valmont.example, agglo.example]
    language: fr
    fallback_languages: [en, nl-BE]
    time_zone: Europe/Paris
    virtual_host: city-x
    contact: "Mairie: open311@valmont.example"
    key_service: https://valmont.example/cles
    contacts:
      technical_administrator:
        name: Camille Roux
        email: sig@valmont.example
      manager:
        email: dgs@valmont.example
    limits:
      request_queue:
        messages: 1000
        bytes: 64MiB
      dead_queue:
        bytes: 1048576
      connections: 8
      channels: 40
      api_requests_per_minute: 600
    credentials:
      slots: 2
      reads_dead_letters: true
    policies:
      identifiers: tokens
      undeclared_attributes: refuse
      personal_data: false
      boundary: valmont.geojson
    catalogue: catalogue.json
    """

@Suite("A tenant's file")
struct TenantFileTests {
    private func faults(_ text: String) -> [String] {
        do throws(TenantFileFaults) {
            _ = try TenantFile(parsing: Array(text.utf8))
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    /// The whole file with one line in place of another.
    private func faults(_ line: String, instead new: String) throws -> [String] {
        try #require(whole.contains(line))
        return faults(whole.replacingOccurrences(of: line, with: new))
    }

    @Test("says everything about a tenant")
    func reads() throws {
        let file = try TenantFile(parsing: Array(whole.utf8))
        #expect(file.tenant == .key(try TenantKey(validating: "valmont-7f3a9c")))
        let declared = file.declaration
        #expect(declared.name == "Ville de Valmont" && declared.virtualHost == "city-x" && declared.timeZone == "Europe/Paris")
        #expect(declared.jurisdictions.map(\.rawValue) == ["valmont.example", "agglo.example"])
        #expect(declared.fallbackLanguages.map(\.rawValue) == ["en", "nl-BE"])
        #expect(
            declared.contacts.technicalAdministrator.name == "Camille Roux"
                && declared.contacts.manager.email?.rawValue == "dgs@valmont.example")
        #expect(declared.limits.requestQueue == .init(messages: 1_000, bytes: 64 << 20) && declared.limits.deadQueue.bytes == 1 << 20)
        #expect(declared.limits.connections == 8 && declared.limits.channels == 40 && declared.limits.requestsPerMinute == 600)
        #expect(declared.credentials.slots == 2 && declared.credentials.readsDeadLetters)
        #expect(declared.policies.defersIdentifiers && !declared.policies.keepsUndeclaredAttributes && !declared.policies.sendsPersonalData)
        #expect(file.boundary == .file("valmont.geojson") && file.catalogue == "catalogue.json")
    }

    @Test("needs its name, its jurisdictions and the beginning of its key only")
    func shortest() throws {
        let file = try TenantFile(parsing: Array("tenant: valmont\nname: Valmont\njurisdictions: [valmont.example]\n".utf8))
        #expect(file.tenant == .stem("valmont") && file.boundary == .asStored && file.catalogue == nil)
        #expect(file.declaration.limits == TenantLimits() && file.declaration.policies == TenantPolicies())
        #expect(
            faults("language: fr\n") == ["line 1: jurisdictions: is missing", "line 1: name: is missing", "line 1: tenant: is missing"])
    }

    private static let short = "tenant: valmont\nname: Valmont\njurisdictions: [valmont.example]\n"

    @Test("says of what citizens are written, and in which words; what it does not say stays as it is")
    func notices() throws {
        let said = try TenantFile(
            parsing: Array(
                (Self.short + "notices:\n  kinds: [done, received]\n  from_name: Mairie\n  reply_to: mairie@valmont.example\n"
                    + "  templates: [done fr done fr.txt, done nl-BE klaar.txt]\n").utf8))
        #expect(said.notices.kinds == [.received, .done] && said.notices.policy?.fromName == "Mairie")
        #expect(said.notices.templates?.map(\.file) == ["done fr.txt", "klaar.txt"])
        let silent = try TenantFile(parsing: Array(Self.short.utf8))
        #expect(silent.notices == DeclaredNotices() && silent.notices.policy == nil)
        var stored = silent
        stored.notices = DeclaredNotices(try NoticePolicy(kinds: [.done], fromName: "X"))
        #expect(silent.differences(from: stored) == [])
        #expect(said.differences(from: stored).map(\.path) == ["notices.kinds", "notices.from_name", "notices.reply_to"])
        let nobody = try TenantFile(parsing: Array((Self.short + "notices:\n  kinds: []\n").utf8))
        #expect(nobody.differences(from: stored).map(\.path) == ["notices.kinds", "notices.from_name"])
    }

    @Test(
        "with a fault in its notices says the line and what to write",
        arguments: [
            ("  kinds: [opened]", "line 5: notices.kinds: opened is none of received, accepted, done, rejected"),
            ("  kinds: [done, done]", "line 5: notices.kinds: done stands in the list twice"),
            ("  from_name: Mairie", "line 5: notices.from_name: has no notices.kinds beside it"),
            ("  kinds: [done]\n  reply_to: mairie", "line 6: notices.reply_to: must be an e-mail address"),
            (
                "  templates:\n    - done fr a.txt\n    - opened fr b.txt",
                "line 7: notices.templates: opened fr b.txt must be kind, language and file"
            ),
            ("  templates:\n    - done fr a.txt\n    - done FR b.txt", "line 7: notices.templates.1: done fr has words already"),
            ("  kind: [done]", "line 5: notices.kind: there is no such field; did you mean notices.kinds?"),
        ])
    func noticeFaults(lines: String, fault: String) {
        #expect(faults(Self.short + "notices:\n" + lines + "\n").contains { $0.hasPrefix(fault) }, "\(faults(Self.short + lines))")
    }

    @Test(
        "with a fault says the line, the field and what to write",
        arguments: [
            ("tenant: valmont-7f3a9c", "tenant: Valmont", "line 1: tenant: must be lower-case letters"),
            ("name: Ville de Valmont", "name:", "line 2: name: has no value"),
            ("name: Ville de Valmont", "nom: Ville", "line 2: nom: there is no such field; did you mean name?"),
            ("jurisdictions: [valmont.example, agglo.example]", "jurisdictions: valmont.example", "line 3: jurisdictions: must be a list"),
            (
                "jurisdictions: [valmont.example, agglo.example]", "jurisdictions: [a.example, A.example]",
                "line 3: jurisdictions: a.example stands in the list twice"
            ),
            (
                "jurisdictions: [valmont.example, agglo.example]", "jurisdictions:\n  - a.example\n  - b/c",
                "line 5: jurisdictions: must be 1 to 255"
            ),
            ("jurisdictions: [valmont.example, agglo.example]", "jurisdictions: []", "line 3: jurisdictions: must have 1 to 50"),
            ("language: fr", "language: français", "line 4: language: français is no language tag"),
            ("fallback_languages: [en, nl-BE]", "fallback_languages: [fr]", "line 5: fallback_languages: has the tenant's own language"),
            ("time_zone: Europe/Paris", "time_zone: Europe/Valmont", "line 6: time_zone: Europe/Valmont is no IANA time zone"),
            ("virtual_host: city-x", "virtual_host: city x", "line 7: virtual_host: must be letters"),
            (
                "    email: sig@valmont.example", "    email: sig@valmont",
                "line 13: contacts.technical_administrator.email: must be an e-mail address"
            ),
            (
                "    email: sig@valmont.example", "    mail: sig@valmont.example",
                "line 13: contacts.technical_administrator.mail: there is no such field; did you mean contacts.technical_administrator.email?"
            ),
            (
                "  manager:\n    email: dgs@valmont.example", "  manager:\n    name: X",
                "line 15: contacts.manager.name: has no email beside it"
            ),
            (
                "    messages: 1000", "    messages: many",
                "line 18: limits.request_queue.messages: must be a number, 1 to 1000000, not many"
            ),
            ("    bytes: 64MiB", "    bytes: 64MB", "line 19: limits.request_queue.bytes: must be 1MiB to 2GiB, as in 256MiB, not 64MB"),
            ("  connections: 8", "  connections: 0", "line 22: limits.connections: must be a number, 1 to 1000, not 0"),
            (
                "  channels: 40", "  channels: 4",
                "line 23: limits.channels: limits.channels (4) must not be less than limits.connections (8)"
            ),
            ("  channels: 40", "  chanels: 40", "line 23: limits.chanels: there is no such field; did you mean limits.channels?"),
            ("  slots: 2", "  slots: 3", "line 26: credentials.slots: must be a number, 1 to 2, not 3"),
            (
                "  reads_dead_letters: true", "  reads_dead_letters: yes",
                "line 27: credentials.reads_dead_letters: must be true or false, not yes"
            ),
            ("  identifiers: tokens", "  identifiers: later", "line 29: policies.identifiers: must be immediate or tokens, not later"),
            ("  personal_data: false", "  password: secret", "line 31: policies.password: there is no such field"),
            ("catalogue: catalogue.json", "catalogue: [a]", "line 33: catalogue: must be one value"),
        ])
    func tellsFaults(line: String, new: String, expected: String) throws {
        let found = try faults(line, instead: new)
        #expect(found.contains { $0.hasPrefix(expected) }, "\(found)")
    }

    @Test("with many faults lists them all, by line")
    func allFaults() throws {
        let found = faults("tenant: X\nname: 'a'\njurisdictions: [a.example]\nlimits:\n  connections: -1\n  speed: 3\ncontacts:\n")
        #expect(found.count == 4, "\(found)")
        #expect(found.map { $0.prefix(6) } == ["line 1", "line 5", "line 6", "line 7"])
    }

    @Test("written and read again is the same, whatever it holds", arguments: 0..<200)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let file = try TenantFile.random(using: &random)
        let written = file.yaml
        do throws(TenantFileFaults) {
            #expect(try TenantFile(parsing: Array(written.utf8)) == file, "\(written)")
        } catch {
            Issue.record("\(error.faults)\n\(written)")
        }
        #expect(file.differences(from: file) == [])
    }

    @Test("damaged anywhere is either taken or faulted with a line that exists, and never worse", arguments: 0..<8)
    func survivesDamage(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("abz019 :-#[]{}&*!|>'\"%@`\n\t\\?,~\u{0}\u{FF}".utf8)
        for _ in 0..<250 {
            var bytes = Array(whole.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                case 1: bytes.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &random)], at: place)
                case 2: bytes.remove(at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &random)))
                }
            }
            let lines = bytes.count { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } + 2
            do throws(TenantFileFaults) {
                _ = try TenantFile(parsing: bytes)
            } catch {
                #expect(!error.faults.isEmpty && error.faults.allSatisfy { (1...lines).contains($0.line) }, "\(error.faults)")
            }
        }
    }

    @Test("differs from what is stored field by field, in the file's order")
    func differences() throws {
        let file = try TenantFile(parsing: Array(whole.utf8))
        var stored = file
        stored.declaration.name = "Valmont"
        stored.declaration.limits.connections = 5
        stored.declaration.limits.requestQueue.messages = nil
        stored.declaration.policies.sendsPersonalData = true
        #expect(
            file.differences(from: stored).map(\.description) == [
                "~ name is Valmont, wanted Ville de Valmont", "~ limits.request_queue.messages is absent, wanted 1000",
                "~ limits.connections is 5, wanted 8", "~ policies.personal_data is true, wanted false",
            ])
    }

    @Test("has a JSON Schema for editors, and docs/operators/tenant.schema.json is it: bus311 tenant schema writes it anew")
    func schema() throws {
        let path = URL(fileURLWithPath: #filePath).appending(path: "../../../docs/operators/tenant.schema.json").standardizedFileURL
        #expect(try String(contentsOf: path, encoding: .utf8) == TenantFile.schema)
        let parsed = try JSONSerialization.jsonObject(with: Data(TenantFile.schema.utf8)) as? [String: Any]
        #expect((parsed?["properties"] as? [String: Any])?["limits"] != nil)
    }
}

@Suite("An e-mail address")
struct EmailAddressTests {
    @Test("is taken as mail servers take it", arguments: ["a@b.fr", "jean.dupont+bus@mairie-x.example", "o'neil@x-y.example.org"])
    func taken(text: String) throws { #expect(try EmailAddress(validating: text).rawValue == text) }

    @Test(
        "that is none is refused",
        arguments: [
            "", "a", "a@", "@b.fr", "a@b", "a b@c.fr", "a@b..fr", ".a@b.fr", "a.@b.fr", "a@-b.fr", "a@b.fr\n", "a@b@c.fr", "é@b.fr",
            "A <a@b.fr>", "a@127.0.0.1", "a@b.fr,c@d.fr",
        ])
    func refused(text: String) { #expect(throws: InvalidValue.self) { try EmailAddress(validating: text) } }
}
