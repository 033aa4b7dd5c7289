/// The ground that a place covers: one ring of corners in WGS84 degrees, closed by its first.
public struct PlaceOutline: Sendable, Equatable {
    public static let maximumCorners = 500
    /// Hundredths of a degree that it may touch: about 30 km by 30.
    public static let maximumCells = 1_024

    public let corners: [Coordinate]

    public init(_ corners: [Coordinate]) { self.corners = corners }

    /// Nil without corners.
    public var box: BoundingBox? {
        guard let south = corners.map(\.latitude).min(), let north = corners.map(\.latitude).max(),
            let west = corners.map(\.longitude).min(), let east = corners.map(\.longitude).max()
        else { return nil }
        return BoundingBox(south: south, west: west, north: north, east: east)
    }

    /// What is wrong with it, as the rest of a sentence; nil when nothing is.
    public var problem: String? {
        if corners.count > Self.maximumCorners { return "has more than \(Self.maximumCorners) corners: simplify it" }
        if box?.cells(maximum: Self.maximumCells) == nil { return "is too large: about 30 km by 30 at most" }
        if let crossing { return "crosses itself near \(crossing.latitude), \(crossing.longitude)" }
        return nil
    }

    /// A corner of the first side that meets another one which is no neighbour.
    private var crossing: Coordinate? {
        let count = corners.count
        for first in 0..<count {
            for second in (first + 1)..<max(count, first + 1) {
                let areNeighbours = second == first + 1 || first == 0 && second == count - 1
                if areNeighbours { continue }
                if Self.meet(corners[first], corners[(first + 1) % count], corners[second], corners[(second + 1) % count]) {
                    return corners[first]
                }
            }
        }
        return nil
    }

    private static func meet(_ a: Coordinate, _ b: Coordinate, _ c: Coordinate, _ d: Coordinate) -> Bool {
        func side(_ from: Coordinate, _ to: Coordinate, _ point: Coordinate) -> Double {
            (to.longitude - from.longitude) * (point.latitude - from.latitude)
                - (to.latitude - from.latitude) * (point.longitude - from.longitude)
        }
        func isBetween(_ point: Coordinate, _ from: Coordinate, _ to: Coordinate) -> Bool {
            BoundingBox(south: from.latitude, west: from.longitude, north: to.latitude, east: to.longitude).contains(point)
        }
        let (c1, d1, a1, b1) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b))
        if (c1 > 0) != (d1 > 0), (a1 > 0) != (b1 > 0), c1 != 0, d1 != 0, a1 != 0, b1 != 0 { return true }
        return c1 == 0 && isBetween(c, a, b) || d1 == 0 && isBetween(d, a, b) || a1 == 0 && isBetween(a, c, d)
            || b1 == 0 && isBetween(b, c, d)
    }
}
