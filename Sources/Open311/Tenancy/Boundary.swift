/// The ground that a tenant answers for: one or more polygons, each with holes, in WGS84 degrees. Their edges belong to it.
public struct Boundary: Sendable, Equatable {
    public static let maximumPositions = 50_000

    /// Each ring closed by its first position; the first of a polygon is its outer ring, the others are holes.
    public let polygons: [[[Coordinate]]]
    private let box: BoundingBox

    /// - Throws: ``InvalidValue`` when there is no polygon, a ring has fewer than four positions or is not closed, or there are
    ///   more than ``maximumPositions``.
    public init(polygons: [[[Coordinate]]]) throws(InvalidValue) {
        let rings = polygons.joined()
        guard !polygons.isEmpty, polygons.allSatisfy({ !$0.isEmpty }), rings.allSatisfy({ $0.count >= 4 && $0.first == $0.last }) else {
            throw InvalidValue(
                name: "boundary", problem: "must be polygons whose rings have four positions or more, the last equal to the first")
        }
        let positions = rings.joined()
        guard positions.count <= Self.maximumPositions, let south = positions.map(\.latitude).min(),
            let north = positions.map(\.latitude).max(), let west = positions.map(\.longitude).min(),
            let east = positions.map(\.longitude).max()
        else { throw InvalidValue(name: "boundary", problem: "may have \(Self.maximumPositions) positions at most: simplify it") }
        self.polygons = polygons
        box = BoundingBox(south: south, west: west, north: north, east: east)
    }

    public func contains(_ point: Coordinate) -> Bool {
        guard box.contains(point) else { return false }
        return polygons.contains { rings in
            guard let outer = rings.first, Self.place(of: point, in: outer) != .outside else { return false }
            return !rings.dropFirst().contains { Self.place(of: point, in: $0) == .inside }
        }
    }

    private enum Place { case inside, edge, outside }

    /// Counts how often a ray to the east crosses the ring.
    private static func place(of point: Coordinate, in ring: [Coordinate]) -> Place {
        var isInside = false
        for (from, to) in zip(ring, ring.dropFirst()) {
            let (dx, dy) = (to.longitude - from.longitude, to.latitude - from.latitude)
            let (px, py) = (point.longitude - from.longitude, point.latitude - from.latitude)
            let side = dx * py - dy * px
            let isBetween =
                point.latitude >= min(from.latitude, to.latitude) && point.latitude <= max(from.latitude, to.latitude)
                && point.longitude >= min(from.longitude, to.longitude) && point.longitude <= max(from.longitude, to.longitude)
            if side == 0, isBetween { return .edge }
            if (from.latitude > point.latitude) != (to.latitude > point.latitude), (side > 0) == (dy > 0) { isInside.toggle() }
        }
        return isInside ? .inside : .outside
    }
}
