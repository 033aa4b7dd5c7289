/// How much there is in a territory's document, counted without reading any of it: what is too large is refused before work is spent on it.
struct BoundarySize {
    private(set) var positions = 0
    /// Features, polygons and rings.
    private(set) var parts = 0

    init(of value: JSONValue) { count(value, depth: 0) }

    /// Nil when it may be read.
    var problem: String? {
        let maximum = Boundary.maximumPositions
        if positions > maximum { return "boundary may have \(maximum) positions at most, and this has \(positions): simplify it." }
        return parts > maximum ? "boundary may have \(maximum) features, polygons and rings at most, and this has \(parts)." : nil
    }

    private mutating func count(_ value: JSONValue, depth: Int) {
        guard depth <= BoundaryRules.maximumDepth else { return }
        if let features = value["features"]?.array {
            parts += features.count
            for feature in features { count(feature, depth: depth + 1) }
        } else if let geometry = value["geometry"], geometry != .null {
            count(geometry, depth: depth + 1)
        } else {
            let coordinates = value["coordinates"]?.array ?? []
            guard value["type"]?.string == "MultiPolygon" else { return count(rings: coordinates) }
            parts += coordinates.count
            for polygon in coordinates { count(rings: polygon.array ?? []) }
        }
    }

    private mutating func count(rings: [JSONValue]) {
        parts += rings.count
        for ring in rings { positions += ring.array?.count ?? 0 }
    }
}
