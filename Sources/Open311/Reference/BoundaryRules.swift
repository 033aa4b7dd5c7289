/// A tenant's territory as a document: GeoJSON (RFC 7946) of a polygon, a multipolygon, a feature of one or a collection of such
/// features; or null, to take requests from anywhere.
public enum BoundaryRules: ReferenceRules {
    public static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        CheckedReference(value: try checked(value).map(document) ?? .null)
    }

    /// Of collections, features and geometries inside of each other.
    static let maximumDepth = 3

    /// - Returns: nil for null.
    /// - Throws: every fault; also when a ring crosses itself or another of its polygon.
    public static func checked(_ value: JSONValue) throws(ReferenceFaults) -> Boundary? {
        if value == .null { return nil }
        // Crossings are sought among every two edges, nearly: no more of them than a territory may have.
        if let problem = BoundarySize(of: value).problem { throw ReferenceFaults([ReferenceFault("", problem)]) }
        var faults: [ReferenceFault] = []
        let placed = polygons(value, "", depth: 0, &faults)
        for polygon in placed {
            faults += RingCrossings.found(in: polygon.rings).map { ReferenceFault(polygon.places[$0.ring], $0.text) }
        }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return try boundary(placed)
    }

    /// As it is stored and read again at every start: what was checked before is not checked for crossings anew.
    public static func stored(_ value: JSONValue) throws(ReferenceFaults) -> Boundary {
        var faults: [ReferenceFault] = []
        let placed = polygons(value, "", depth: 0, &faults)
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return try boundary(placed)
    }

    /// The canonical form: a bare multipolygon.
    public static func document(_ boundary: Boundary) -> JSONValue {
        .object([
            .init(
                "coordinates",
                .array(
                    boundary.polygons.map { polygon in
                        .array(polygon.map { ring in .array(ring.map { .array([.number($0.longitude), .number($0.latitude)]) }) })
                    })),
            .init("type", .string("MultiPolygon")),
        ])
    }

    /// Its rings without fault.
    private struct PlacedPolygon {
        var rings: [[Coordinate]] = []
        var places: [String] = []
    }

    private static func boundary(_ placed: [PlacedPolygon]) throws(ReferenceFaults) -> Boundary {
        do { return try Boundary(polygons: placed.map(\.rings)) } catch { throw ReferenceFaults([ReferenceFault("", "\(error).")]) }
    }

    private static func polygons(_ value: JSONValue, _ path: String, depth: Int, _ faults: inout [ReferenceFault]) -> [PlacedPolygon] {
        guard let type = value["type"]?.string, depth <= maximumDepth else {
            faults.append(ReferenceFault(path, "boundary must be a GeoJSON Polygon or MultiPolygon, or features of them."))
            return []
        }
        if let features = value["features"]?.array {
            return features.enumerated().flatMap { index, feature in
                polygons(feature, path + "/features" + JSONPointer.step(index), depth: depth + 1, &faults)
            }
        }
        if let geometry = value["geometry"], geometry != .null { return polygons(geometry, path + "/geometry", depth: depth + 1, &faults) }
        let coordinates = value["coordinates"]?.array
        switch (type, coordinates) {
        case ("Polygon", let rings?): return [polygon(rings, path + "/coordinates", &faults)]
        case ("MultiPolygon", let polygons?):
            return polygons.enumerated().map { index, rings in
                let place = path + "/coordinates" + JSONPointer.step(index)
                guard let rings = rings.array else {
                    faults.append(ReferenceFault(place, "boundary: a polygon is an array of rings."))
                    return PlacedPolygon()
                }
                return polygon(rings, place, &faults)
            }
        default:
            faults.append(ReferenceFault(path, "boundary must be of type Polygon or MultiPolygon, not \(type.prefix(40))."))
            return []
        }
    }

    private static func polygon(_ rings: [JSONValue], _ path: String, _ faults: inout [ReferenceFault]) -> PlacedPolygon {
        var polygon = PlacedPolygon()
        for (index, ring) in rings.enumerated() {
            let place = path + JSONPointer.step(index)
            guard let positions = ring.array else {
                faults.append(ReferenceFault(place, "boundary: a ring is an array of positions."))
                continue
            }
            var coordinates: [Coordinate] = []
            coordinates.reserveCapacity(positions.count)
            for (number, position) in positions.enumerated() {
                guard let numbers = position.array, numbers.count >= 2, let longitude = numbers[0].number, let latitude = numbers[1].number,
                    let coordinate = Coordinate(latitude: latitude, longitude: longitude)
                else {
                    faults.append(
                        ReferenceFault(
                            place + JSONPointer.step(number),
                            "boundary has a position that is no longitude and latitude in degrees, in this order."))
                    continue
                }
                coordinates.append(coordinate)
            }
            // A position at fault is told already.
            guard coordinates.count == positions.count else { continue }
            guard coordinates.count >= 4, coordinates.first == coordinates.last else {
                faults.append(ReferenceFault(place, "boundary: a ring has four positions or more, the last equal to the first."))
                continue
            }
            polygon.rings.append(coordinates)
            polygon.places.append(place)
        }
        return polygon
    }
}
