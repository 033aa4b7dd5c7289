import Open311
import Testing

@Suite("A territory as a document")
struct BoundaryRulesTests {
    private func polygon(_ rings: String) throws -> JSONValue {
        try JSONReader.value(Array(#"{"type": "Polygon", "coordinates": [\#(rings)]}"#.utf8))
    }

    private func faults(_ rings: String) throws -> [ReferenceFault] {
        do { _ = try BoundaryRules.checked(try polygon(rings)) } catch let faults as ReferenceFaults { return faults.listed }
        return []
    }

    @Test(
        "a ring that crosses, touches or runs back over itself is refused, and the place is named",
        arguments: [
            ("[[0,0],[2,2],[2,0],[0,2],[0,0]]", "longitude 1, latitude 1"),
            // An eight that meets in a position.
            ("[[0,0],[1,1],[2,0],[2,2],[1,1],[0,2],[0,0]]", "longitude 1, latitude 1"),
            // A position on another side.
            ("[[0,0],[4,0],[4,4],[2,0],[0,4],[0,0]]", "longitude 2, latitude 0"),
            // Out and back.
            ("[[0,0],[4,0],[4,4],[4,6],[4,4],[0,4],[0,0]]", "longitude 4"),
        ])
    func crossings(ring: String, place: String) throws {
        let found = try faults(ring)
        #expect(!found.isEmpty && found.allSatisfy { $0.pointer == "/coordinates/0" })
        #expect(found.contains { $0.text.contains(place) }, "\(found)")
    }

    @Test("sound rings pass: any way round, repeated positions, holes that touch")
    func sound() throws {
        #expect(try faults("[[0,0],[4,0],[4,4],[0,4],[0,0]]") == [])
        #expect(try faults("[[0,0],[0,4],[4,4],[4,4],[4,0],[2,0],[0,0]]") == [])
        #expect(try faults("[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,2],[1,1],[1,3],[0,2]]") == [])
    }

    @Test("a hole that crosses its outer ring is refused at the hole")
    func hole() throws {
        let found = try faults("[[0,0],[4,0],[4,4],[0,4],[0,0]],[[3,1],[5,1],[5,2],[3,2],[3,1]]")
        #expect(found.first?.pointer == "/coordinates/1" && found.first?.text.contains("crosses another ring") == true)
    }

    @Test("rings that are too short, open or no array, a position outside the world and a crossing are all told at once, each at its ring")
    func allAtOnce() throws {
        let found = try faults(
            "[[0,0],[4,0],[4,4],[0,4]],7,[[0,0],[1,1],[0,0]],[[0,0],[9,99],[9,0],[0,0]],[[0,0],[2,2],[2,0],[0,2],[0,0]]")
        #expect(found.map(\.pointer) == ["/coordinates/0", "/coordinates/1", "/coordinates/2", "/coordinates/3/1", "/coordinates/4"])
    }

    @Test("random star-shaped rings of many positions pass; the same with two positions exchanged do not")
    func stars() throws {
        var random = SystemRandomNumberGenerator()
        for size in [8, 50, 3_000] {
            var ring: [(Double, Double)] = []
            for step in 0..<size {
                let angle = Double(step) / Double(size) * 2 * 3.141592653589793
                let radius = Double.random(in: 0.3...1, using: &random)
                ring.append((radius * Self.cosine(angle), radius * Self.cosine(angle - 1.5707963267948966)))
            }
            func text(_ ring: [(Double, Double)]) -> String {
                "[" + (ring + [ring[0]]).map { "[\($0.0),\($0.1)]" }.joined(separator: ",") + "]"
            }
            #expect(try faults(text(ring)) == [])
            ring.swapAt(1, 1 + size / 2)
            #expect(try !faults(text(ring)).isEmpty)
        }
    }

    /// By its series, for the domain's tests need no Foundation.
    private static func cosine(_ angle: Double) -> Double {
        var (sum, term) = (1.0, 1.0)
        for step in 1..<30 {
            term *= -angle * angle / Double((2 * step - 1) * (2 * step))
            sum += term
        }
        return sum
    }

    @Test("more positions or parts than a territory may have are refused before any of them is looked at")
    func tooMany() throws {
        // Long edges side by side: two of nearly every two would be compared, for minutes.
        let ring = (0..<500_000).map { number -> JSONValue in
            let east: Double = number % 4 == 1 || number % 4 == 2 ? 10 : 0
            return .array([.number(east), .number(Double(number / 2) * 1e-5)])
        }
        func document(_ type: String, _ coordinates: JSONValue) -> JSONValue {
            .object([.init("type", .string(type)), .init("coordinates", coordinates)])
        }
        func feature(_ geometry: JSONValue) -> JSONValue { .object([.init("type", .string("Feature")), .init("geometry", geometry)]) }
        func fault(_ value: JSONValue) -> [ReferenceFault] {
            do { _ = try BoundaryRules.checked(value) } catch { return error.listed }
            return []
        }
        let began = ContinuousClock.now
        let (polygon, text) = (
            document("Polygon", .array([.array(ring)])), "boundary may have 50000 positions at most, and this has 500000"
        )
        for value in [polygon, document("MultiPolygon", .array([.array([.array(ring)])])), feature(polygon)] {
            let found = fault(value)
            #expect(found.map(\.pointer) == [""] && found.first?.text.contains(text) == true, "\(found.first?.text ?? "")")
        }
        // Many small ones together.
        let square = try JSONReader.value(Array("[[[0,0],[4,0],[4,4],[0,4],[0,0]]]".utf8))
        let some = JSONValue.array([JSONValue](repeating: square, count: 101))
        let features = JSONValue.array([JSONValue](repeating: feature(document("MultiPolygon", some)), count: 100))
        let collection = JSONValue.object([.init("type", .string("FeatureCollection")), .init("features", features)])
        #expect(fault(collection).first?.text.contains("this has 50500") == true)
        // And what has no positions at all.
        for value in [
            JSONValue.array([JSONValue](repeating: .array([]), count: 50_001)), .array([JSONValue](repeating: .null, count: 50_001)),
        ] {
            #expect(fault(document("MultiPolygon", value)).first?.text.contains("50000 features, polygons and rings") == true)
            #expect(fault(document("Polygon", value)).first?.text.contains("50000 features, polygons and rings") == true)
        }
        #expect(ContinuousClock.now - began < .seconds(10))
    }

    @Test("null takes requests from anywhere; a collection of features is one territory; a point is none")
    func forms() throws {
        #expect(try BoundaryRules.checked(.null) == nil)
        let square = "[[0,0],[4,0],[4,4],[0,4],[0,0]]"
        let feature = #"{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [\#(square)]}}"#
        let collection = try JSONReader.value(Array(#"{"type": "FeatureCollection", "features": [\#(feature), \#(feature)]}"#.utf8))
        let boundary = try #require(try BoundaryRules.checked(collection))
        #expect(boundary.polygons.count == 2)
        #expect(try BoundaryRules.stored(BoundaryRules.document(boundary)) == boundary)
        for bad in [#"{"type": "Point", "coordinates": [1, 2]}"#, "[]", "7", #"{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}"#] {
            #expect(throws: ReferenceFaults.self) { try BoundaryRules.checked(try JSONReader.value(Array(bad.utf8))) }
        }
        let place = #expect(throws: ReferenceFaults.self) { try BoundaryRules.checked(try polygon("[[0,0],[4,0],[4,94],[0,4],[0,0]]")) }
        #expect(place?.listed.first?.pointer == "/coordinates/0/2")
    }
}
