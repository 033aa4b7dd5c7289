#if canImport(Glibc)
    import Glibc
#endif

/// Everything at most so far from a point.
public struct SearchCircle: Sendable, Equatable {
    public let centre: Coordinate
    /// In metres, 0 to ``maximumRadius``.
    public let radius: Double

    public static let maximumRadius = 100_000.0

    public init(centre: Coordinate, radius: Double) {
        self.centre = centre
        self.radius = radius
    }

    /// The smallest box around it that does not cross a pole.
    public var box: BoundingBox {
        // A little more than the radius: no point of the circle may fall out by rounding.
        let latitudes = radius / 110_500 + 1e-6
        let south = max(-90, centre.latitude - latitudes)
        let north = min(90, centre.latitude + latitudes)
        let metresPerDegree = 111_000 * cos(min(max(abs(south), abs(north)), 89.9) * .pi / 180)
        let longitudes = radius / metresPerDegree + 1e-6
        let isWhole = longitudes >= 180 || centre.longitude - longitudes < -180 || centre.longitude + longitudes > 180
        return BoundingBox(
            south: south, west: isWhole ? -180 : centre.longitude - longitudes, north: north,
            east: isWhole ? 180 : centre.longitude + longitudes)
    }
}

/// A box in WGS84 degrees; its edges belong to it. It never crosses the antimeridian.
public struct BoundingBox: Sendable, Equatable {
    public let south: Double
    public let west: Double
    public let north: Double
    public let east: Double

    /// From any two opposite corners.
    public init(south: Double, west: Double, north: Double, east: Double) {
        self.south = min(south, north)
        self.west = min(west, east)
        self.north = max(south, north)
        self.east = max(west, east)
    }

    public func contains(_ point: Coordinate) -> Bool {
        (south...north).contains(point.latitude) && (west...east).contains(point.longitude)
    }

    /// What both cover; nil when that is nothing.
    public func intersection(_ other: BoundingBox) -> BoundingBox? {
        let (low, high) = (max(south, other.south), min(north, other.north))
        let (left, right) = (max(west, other.west), min(east, other.east))
        return low <= high && left <= right ? BoundingBox(south: low, west: left, north: high, east: right) : nil
    }

    /// The numbers of the hundredth-of-a-degree cells that it touches, or nil when there are more than `maximum`: then looking
    /// at the newest requests one after the other is the quicker way.
    public func cells(maximum: Int) -> [Int32]? {
        let rows = Int(((south + 90) * 100).rounded(.down))...Int(((north + 90) * 100).rounded(.down))
        let columns = Int(((west + 180) * 100).rounded(.down))...Int(((east + 180) * 100).rounded(.down))
        guard rows.count * columns.count <= maximum else { return nil }
        return rows.flatMap { row in columns.map { Int32(row * 36_000 + $0) } }
    }
}

extension Coordinate {
    /// Metres on WGS84 from the radii of curvature at the middle latitude: right to a few centimetres in a city, to 0.1 % at
    /// 100 km. The database computes the same.
    public func distance(to other: Coordinate) -> Double {
        let sum = (latitude + other.latitude) * .pi / 180
        let north = (111_132.09 - 566.05 * cos(sum) + 1.20 * cos(2 * sum)) * (other.latitude - latitude)
        let turn = abs(other.longitude - longitude)
        let east = (111_415.13 * cos(sum / 2) - 94.55 * cos(3 * sum / 2) + 0.12 * cos(5 * sum / 2)) * min(turn, 360 - turn)
        return (north * north + east * east).squareRoot()
    }
}
