import Foundation
import Testing

@testable import Open311

@Suite("Tables of places")
struct PlaceTableTests {
    private let table = """
        id;name.fr;name.en;category;tags;lat;long;capacity;address;entrance.lat;entrance.long
        k-1;Parking des Halles;Market Hall car park;couvert;centre,abrité;43,601;3,201;212;"Place ""du"" Marché; Valmont";43,602;3.202

        k-2;Gare — nord;;;;43.65;3.2;;;;
        """

    private func tenant() throws -> Tenant {
        Tenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont",
            jurisdictions: [try JurisdictionID(validating: "valmont.example")], language: .french, timeZone: "Europe/Paris", shard: 0,
            virtualHost: "open311", contact: "-", keyService: "-", policies: TenantPolicies())
    }

    private func places(_ bytes: [UInt8], charset: String? = nil) throws -> [Place] {
        let checked = try ReferenceSource(bytes, .csv(charset: charset), kind: .parkings, tenant: try tenant()).whole().checked(
            of: try tenant())
        return try PlaceListReader(kind: .parking, language: .french).places(checked.value)
    }

    private func faults(_ text: String) throws -> [String: String] {
        do {
            _ = try places(Array(text.utf8))
            return [:]
        } catch let faults as ReferenceFaults {
            return Dictionary(faults.listed.map { ($0.pointer, $0.text) }, uniquingKeysWith: { $0 + " " + $1 })
        }
    }

    @Test("the same places in every way in which spreadsheets write them")
    func encodings() throws {
        let plain = try places(Array(table.utf8))
        #expect(plain.map(\.id.rawValue) == ["k-1", "k-2"])
        #expect(plain[0].name.translations == [.french: "Parking des Halles", .english: "Market Hall car park"])
        #expect(plain[0].position == Coordinate(latitude: 43.601, longitude: 3.201) && plain[0].capacity == 212)
        #expect(plain[0].entrance == Coordinate(latitude: 43.602, longitude: 3.202))
        #expect(plain[0].tags == ["centre", "abrité"] && plain[0].address == "Place \"du\" Marché; Valmont")
        #expect(plain[1].category == "parking" && plain[1].name.translations == [.french: "Gare — nord"])
        #expect(try places([0xEF, 0xBB, 0xBF] + Array(table.utf8)) == plain)
        #expect(try places(Array(table.replacing("\n", with: "\r\n").utf8)) == plain)
        // Windows-1252: é is E9, the long dash 97.
        let latin = table.unicodeScalars.map { $0 == "—" ? 0x97 : UInt8(truncatingIfNeeded: $0.value) }
        #expect(try places(latin, charset: "windows-1252") == plain)
        #expect(throws: ReferenceFaults.self) { try places(latin) }
        #expect(throws: ReferenceFaults.self) { try places([0xEF, 0xBB, 0xBF] + latin) }
    }

    @Test("what is given back as a table is read as the same document")
    func roundTrip() throws {
        var outlined = 0
        for seed in 1...100 {
            var dice = Dice(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1)
            let original = (0..<dice.number(8)).map { randomPlace($0, .parking, &dice) }
            outlined += original.count { !$0.outline.isEmpty }
            let document = JSONValue.array(original.map(PlaceDocument.value))
            guard !original.isEmpty else { continue }
            #expect(try places(PlaceRules.csv(document)) == original, "seed \(seed)")
        }
        #expect(outlined > 20, "and their outlines")
    }

    @Test("an outline is the text of its GeoJSON; what is none is told with its cell")
    func outlines() throws {
        let square = #""{""type"": ""Polygon"", ""coordinates"": [[[3,43],[3.01,43],[3.01,43.01],[3,43.01],[3,43]]]}""#
        let read = try places(Array("id;name;outline\nz;Z;\(square)\n".utf8))
        let middle = try #require(read.first?.position)
        #expect(read.first?.outline.count == 4 && abs(middle.latitude - 43.005) < 1e-9 && abs(middle.longitude - 3.005) < 1e-9)
        for wrong in ["7", "null", "Polygon", #""{""type"": ""Point"", ""coordinates"": [3,43]}""#, "{"] {
            let found = try faults("id;name;lat;long;outline\nz;Z;43;3;\(wrong)\n")
            #expect(Set(found.keys) == ["#cell=2,5"] && found["#cell=2,5"]?.contains("GeoJSON Polygon") == true, "\(wrong): \(found)")
        }
        let crossing = square.replacing("[3.01,43],[3.01,43.01]", with: "[3.01,43.01],[3.01,43]")
        #expect(try faults("id;name;lat;long;outline\nz;Z;43;3;\(crossing)\n")["#cell=2,5"]?.contains("crosses itself") == true)
        // A part without the column, or with nothing in it, leaves it alone.
        let live = JSONValue.array(read.map(PlaceDocument.value))
        for part in ["id;name\nz;Autre\n", "id;name;outline\nz;Autre;\n"] {
            let source = try ReferenceSource(Array(part.utf8), .csv(charset: nil), kind: .parkings, tenant: try tenant())
            let changed = try source.patched(live).checked(of: try tenant()).value.array?.first
            #expect(changed?["outline"] == live.array?.first?["outline"] && changed?["name"]?["fr"]?.string == "Autre")
        }
    }

    @Test("categories given back as a table are read as the same document")
    func categories() throws {
        let rows = "id;parent;label.fr;label.nl-BE\ncovered;parking;Couvert, \"\"abrité\"\";Overdekt\nb;covered;B;\n"
        func read(_ bytes: [UInt8]) throws -> JSONValue {
            try ReferenceSource(bytes, .csv(charset: nil), kind: .placeCategories, tenant: try tenant()).whole().checked(of: try tenant())
                .value
        }
        let document = try read(Array(rows.utf8))
        #expect(document.array?.count == 2)
        let written = try #require(ReferenceKind.placeCategories.rules?.csv(document))
        #expect(try read(written) == document)
        #expect(String(decoding: written, as: UTF8.self).hasPrefix("\u{FEFF}id;parent;label.fr;label.nl-BE\r\n"))
        #expect(ReferenceKind.boundary.rules?.csv(.null) == nil)
    }

    @Test("each fault is told with its cell")
    func faultsHaveCells() throws {
        let found = try faults("id;name;lat;long;capacity\nk-1;A;43.6;3.2;many\n\nk-2;;north;3.2;5\nk-1;B;1;2;3\n;C;1;2;3\n")
        #expect(Set(found.keys).isSuperset(of: ["#cell=5,1", "#cell=6,1"]), "\(found)")
        let values = try faults("id;name;lat;long;capacity\nk-1;A;43.6;3.2;many\n\nk-2;;north;3.2;5\n")
        #expect(values["#cell=2,5"]?.contains("whole number") == true && values["#cell=4,3"]?.contains("degrees") == true, "\(values)")
        #expect(values["#cell=4,1"]?.contains("name is required") == true, "\(values)")
        // A row that cannot be read hides none of the others, and nothing else is told of it.
        let broken = try faults("id;name;lat;long\nk-1;A;north;3\nk-2;\"B;2;3\nk-3;;1;2\nk-4;D;1;2;too;many\n\"k-5\"x;E;1;2\nk-1;F;1;2\n")
        #expect(Set(broken.keys) == ["#cell=2,3", "#cell=3,2", "#cell=4,1", "#row=5", "#cell=6,1", "#cell=7,1"], "\(broken)")
        #expect(Set(try faults("id;name;id;;lat\nk-1;A;x;;1\n").keys) == ["#cell=1,3", "#cell=1,4", "#cell=2,1"])
        #expect(Set(try faults("\"id;name\nk-1;A\n").keys) == ["#cell=1,1"])
        #expect(try faults("id;colour\nx;red\n")["#cell=1,2"]?.contains("colour") == true)
        #expect(try faults("name\nx\n")["#row=1"]?.contains("no column id") == true)
    }
}
