import Open311
import Testing

@Suite("A SIRET number")
struct SIRETTests {
    @Test(
        "is taken with a valid check digit, however it is spaced, and La Poste's by its own rule",
        arguments: ["73282932000074", "732 829 320 00074", "35600000000048", "35600000049837"])
    func valid(text: String) { #expect(SIRET.digits(text)?.utf8.count == 14) }

    @Test("is refused otherwise", arguments: ["73282932000075", "7328293200007", "00000000000000", "7328293200007A", "", "35600000049838"])
    func invalid(text: String) { #expect(SIRET.digits(text) == nil) }

    @Test("one wrong digit is always seen")
    func oneWrongDigit() {
        let good = Array("73282932000074".utf8)
        for place in good.indices {
            for digit in UInt8(48)...57 where digit != good[place] {
                var bad = good
                bad[place] = digit
                #expect(SIRET.digits(String(decoding: bad, as: UTF8.self)) == nil)
            }
        }
    }
}

@Suite("A boundary")
struct BoundaryTests {
    private func ring(_ points: [(Double, Double)]) -> [Coordinate] { points.compactMap { Coordinate(latitude: $0.0, longitude: $0.1) } }
    private func point(_ latitude: Double, _ longitude: Double) throws -> Coordinate {
        try #require(Coordinate(latitude: latitude, longitude: longitude))
    }

    @Test("holds its inside and its edges, not its holes nor the outside; an island counts too")
    func contains() throws {
        let boundary = try Boundary(polygons: [
            [
                ring([(0, 0), (0, 10), (10, 10), (10, 0), (0, 0)]), ring([(4, 4), (4, 6), (6, 6), (6, 4), (4, 4)]),
            ],
            [ring([(20, 20), (20, 21), (21, 20.5), (20, 20)])],
        ])
        for inside in [(1.0, 1.0), (0, 5), (10, 10), (4, 5), (20.5, 20.5), (9.999, 0.001)] {
            #expect(boundary.contains(try point(inside.0, inside.1)), "\(inside)")
        }
        for outside in [(5.0, 5.0), (-0.001, 5), (10.001, 10), (15, 15), (20.9, 20.1)] {
            #expect(!boundary.contains(try point(outside.0, outside.1)), "\(outside)")
        }
    }

    @Test("an open ring, a line or nothing at all is refused")
    func refused() {
        for polygons in [[], [[]], [[ring([(0, 0), (0, 1), (1, 1)])]], [[ring([(0, 0), (0, 1), (1, 1), (1, 0)])]]] {
            #expect(throws: InvalidValue.self) { try Boundary(polygons: polygons) }
        }
    }
}
