import Foundation
import Testing

@testable import Open311

@Suite("Documents of places")
struct PlaceListReaderTests {
    /// What cannot be read at all is a fault of the whole.
    private func value(_ bytes: [UInt8]) throws(ReferenceFaults) -> JSONValue {
        do { return try JSONReader.value(bytes) } catch { throw ReferenceFaults([ReferenceFault("", "\(error)")]) }
    }

    private func read(_ bytes: [UInt8], _ kind: PlaceKind) throws(ReferenceFaults) -> [Place] {
        try PlaceListReader(kind: kind, language: .french).places(try value(bytes))
    }

    private func bytes(_ places: [Place]) -> [UInt8] { JSONValue.array(places.map(PlaceDocument.value)).canonicalBytes }

    private func faults(_ json: String, _ kind: PlaceKind = .pointOfInterest) -> [String: String] {
        do {
            _ = try read(Array(json.utf8), kind)
            return [:]
        } catch {
            return Dictionary(error.listed.map { ($0.pointer, $0.text) }, uniquingKeysWith: { $0 + " " + $1 })
        }
    }

    @Test("every fault is told at once, each with its pointer")
    func everyFaultIsTold() {
        let found = faults(
            """
            [{"id":"a b","name":"x","lat":43.6,"long":3.2},
             {"id":"b","lat":"43.6","long":200,"capacity":3,"url":"ftp://x","tags":7},
             {"id":"c","name":{"fr":"C","klingon!":"x"},"lat":1,"long":2,"tags":["a,b"],"url":"ftp://x","colour":"red"},
             {"id":"c","name":"again","lat":943,"long":2,"parent":"c"},
             7, {"name":"no id","lat":true,"long":2}]
            """)
        #expect(
            Set(found.keys) == [
                "/0/id", "/1/name", "/1/lat", "/1/long", "/1/capacity", "/1/url", "/1/tags", "/2/name/klingon!", "/2/tags/0", "/2/url",
                "/2/colour", "/3/id",
                "/3/parent", "/3/lat",
                "/4", "/5/id", "/5/lat",
            ], "\(found)")
        #expect(found["/3/id"]?.contains("first in entry 3") == true)
        #expect(found["/2/colour"]?.contains("stale_after_minutes") == true, "the members that there are")
    }

    @Test(
        "what is no list, too deep or not JSON is refused whole",
        arguments: ["", "{}", "[", "[1,]", "nul", #"[{"id":"a","id":"b"}]"#, String(repeating: "[", count: 90_000)])
    func brokenDocuments(text: String) { #expect(faults(text).keys.contains("")) }

    @Test("a capacity belongs to a parking")
    func capacityOfParkings() {
        let text = #"[{"id":"p","name":"P","lat":1,"long":2,"capacity":5}]"#
        #expect(faults(text)["/0/capacity"] != nil)
        #expect(faults(text, .parking).isEmpty)
        #expect(faults(#"[{"id":"p","name":"P","lat":1,"long":2,"capacity":5.5}]"#, .parking)["/0/capacity"] != nil)
    }

    @Test(
        "an outline must be one simple ring",
        arguments: [
            ("[[[3,43],[3.01,43.01],[3.01,43],[3,43.01],[3,43]]]", "crosses itself"), ("[[[3,43],[3.01,43]]]", "three corners"),
            ("[[[3,43],[3.01,43],[3,43.01]],[[3,43],[3.01,43],[3,43.01]]]", "one ring"),
            ("[[[3,43],[13,43],[13,53],[3,53],[3,43]]]", "too large"), ("[[[3,143],[3.01,43],[3,43.01]]]", "three corners"),
        ])
    func outlines(coordinates: String, problem: String) {
        let found = faults(#"[{"id":"z","name":"Z","outline":{"type":"Polygon","coordinates":"# + coordinates + "}}]")
        #expect(found["/0/outline"]?.contains(problem) == true, "\(found)")
    }

    @Test("an outline alone says where the middle is")
    func middleOfOutline() throws {
        let text = #"[{"id":"z","name":"Z","outline":{"type":"Polygon","coordinates":[[[3,43],[3.02,43],[3.02,43.01],[3,43.01],[3,43]]]}}]"#
        let place = try #require(try read(Array(text.utf8), .pointOfInterest).first)
        #expect(place.outline.count == 4 && abs(place.position.latitude - 43.005) < 1e-9 && abs(place.position.longitude - 3.01) < 1e-9)
    }

    @Test("what is written is read back the same, again and again")
    func roundTrip() throws {
        for seed in 0..<200 {
            var dice = Dice(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1)
            let kind = PlaceKind.allCases[seed % 4]
            let places = (0..<dice.number(12)).map { randomPlace($0, kind, &dice) }
            let bytes = self.bytes(places)
            let read = try self.read(bytes, kind)
            #expect(read == places, "seed \(seed)")
            #expect(self.bytes(read) == bytes, "seed \(seed)")
            for place in places {
                #expect(PlaceDocument.place(PlaceDocument.value(place).canonicalBytes, kind: kind) == place)
            }
        }
    }

    @Test("damaged documents are read or refused, and nothing else")
    func damage() {
        var dice = Dice(state: 311)
        let whole = bytes((0..<4).map { randomPlace($0, .parking, &dice) })
        for _ in 0..<2_000 {
            var bytes = whole
            for _ in 0...dice.number(4) { bytes[dice.number(bytes.count)] = UInt8(dice.number(256)) }
            do {
                let places = try read(bytes, .parking)
                #expect(places.count == 4)
            } catch {
                #expect(error.count > 0 && error.listed.count <= ReferenceFaults.maximumListed)
            }
        }
    }

    @Test("faults without end are counted, not listed")
    func faultsAreBounded() throws {
        let text = "[" + Array(repeating: "7", count: 5_000).joined(separator: ",") + "]"
        let faults = #expect(throws: ReferenceFaults.self) {
            _ = try read(Array(text.utf8), .facility)
        }
        #expect(faults?.count == 5_000 && faults?.listed.count == ReferenceFaults.maximumListed)
    }

    @Test("categories form a tree")
    func categories() {
        func pointers(_ text: String) -> Set<String> {
            do {
                _ = try PlaceCategoryReader(language: .french).categories(try value(Array(text.utf8)))
                return []
            } catch { return Set(error.listed.map(\.pointer)) }
        }
        #expect(
            pointers(#"[{"id":"a","label":"A"},{"id":"b","label":{"fr":"B"},"parent":"a"},{"id":"c","label":"C","parent":"parking"}]"#)
                == [])
        #expect(pointers(#"[{"id":"a","label":"A","parent":"b"},{"id":"b","label":"B","parent":"a"}]"#) == ["/0/parent", "/1/parent"])
        #expect(
            pointers(#"[{"id":"a","label":"A","parent":"x"},{"id":"a","label":""},{"label":"L"},8]"#) == [
                "/0/parent", "/1/id", "/1/label", "/2/id", "/3",
            ])
        let tree = PlaceCategoryTree([
            PlaceCategory(id: "cov", label: LocalizedText([.french: "Parking couvert"]), parent: "parking"),
            PlaceCategory(id: "mus", label: LocalizedText([.french: "Musée", .english: "Museum"])),
        ])
        #expect(tree.ids(matching: ["stationnement"], used: []) == ["cov", "parking"])
        #expect(tree.ids(matching: ["MUSEE"], used: ["lampe"]).contains("mus"))
        #expect(tree.ids(matching: ["lamp"], used: ["lampe"]) == ["lampe"])
        #expect(tree.ids(matching: ["zzz", ""], used: ["lampe"]) == [])
    }
}

/// A small generator, so that a failing seed can be told.
struct Dice {
    var state: UInt64

    mutating func number(_ below: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return below < 1 ? 0 : Int(state % UInt64(below))
    }
}

func randomPlace(_ index: Int, _ kind: PlaceKind, _ dice: inout Dice) -> Place {
    let words = ["Musée", "Parking \"A\"", "Halle; centre", "zone\u{2028}x", "Œuvre", "ligne"]
    func word() -> String { words[dice.number(words.count)] }
    let latitude = Double(dice.number(1_800_000) - 900_000) / 10_000
    let longitude = Double(dice.number(3_600_000) - 1_800_000) / 10_000
    var place = Place(
        id: PlaceID("p-\(index)") ?? fallbackID, name: LocalizedText([.french: word(), .english: word()]), category: word(),
        position: Coordinate(latitude: latitude, longitude: longitude) ?? fallbackPosition)
    if dice.number(2) == 0 { place.summary = LocalizedText([.french: word()]) }
    if dice.number(2) == 0 { place.tags = ["t\(dice.number(9))"] }
    if dice.number(2) == 0 { place.codes = ["c \(dice.number(9))", "d"] }
    if dice.number(3) == 0 { place.entrance = place.position }
    if dice.number(3) == 0, kind == .parking { place.capacity = dice.number(900) }
    if dice.number(3) == 0, kind == .parking { place.staleAfter = 1 + dice.number(90) }
    if dice.number(3) == 0 { place.address = word() }
    if dice.number(3) == 0 { place.url = "https://valmont.example/\(dice.number(99))" }
    if dice.number(3) == 0 { place.parent = PlaceID("z-\(dice.number(9))") }
    if dice.number(4) == 0 {
        place.outline = [(43.0, 3.0), (43.0, 3.01), (43.01, 3.01)].compactMap { Coordinate(latitude: $0.0, longitude: $0.1) }
    }
    return place
}

private let fallbackID = PlaceID("p") ?? { preconditionFailure("p is an id") }()
private let fallbackPosition = Coordinate(latitude: 0, longitude: 0) ?? { preconditionFailure("0, 0 is a place") }()
