import Foundation
import Open311

/// A tenant's boundary as GeoJSON (RFC 7946): a polygon, a multipolygon, a feature of one, or a collection of such features.
public enum BoundaryJSON {
    private struct Object: Decodable {
        let type: String
        let coordinates: Coordinates?
        let geometry: Box?
        let features: [Object]?
    }

    /// A geometry inside of a feature.
    private final class Box: Decodable {
        let object: Object
        init(from decoder: any Decoder) throws { object = try Object(from: decoder) }
    }

    private enum Coordinates: Decodable {
        case polygon([[[Double]]])
        case polygons([[[[Double]]]])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let polygon = try? container.decode([[[Double]]].self) {
                self = .polygon(polygon)
            } else {
                self = .polygons(try container.decode([[[[Double]]]].self))
            }
        }
    }

    /// - Throws: ``InvalidValue`` that says what is wrong with it.
    public static func boundary(_ bytes: [UInt8]) throws(InvalidValue) -> Boundary {
        guard let object = try? JSONDecoder().decode(Object.self, from: Data(bytes)) else {
            throw InvalidValue(name: "boundary", problem: "must be a GeoJSON Polygon or MultiPolygon, or features of them")
        }
        return try Boundary(polygons: try polygons(of: object))
    }

    /// What is stored: a bare multipolygon.
    public static func bytes(_ boundary: Boundary) -> [UInt8] {
        var writer = JSONWriter(capacity: 4_096)
        writer.beginObject()
        writer.name("type")
        writer.value("MultiPolygon")
        writer.name("coordinates")
        writer.beginArray()
        for polygon in boundary.polygons {
            writer.beginArray()
            for ring in polygon {
                writer.beginArray()
                for position in ring {
                    writer.beginArray()
                    writer.value(position.longitude)
                    writer.value(position.latitude)
                    writer.endArray()
                }
                writer.endArray()
            }
            writer.endArray()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private static func polygons(of object: Object) throws(InvalidValue) -> [[[Coordinate]]] {
        if let features = object.features {
            var all: [[[Coordinate]]] = []
            for feature in features { all += try polygons(of: feature) }
            return all
        }
        if let geometry = object.geometry { return try polygons(of: geometry.object) }
        let given: [[[[Double]]]]
        switch (object.type, object.coordinates) {
        case ("Polygon", .polygon(let polygon)): given = [polygon]
        case ("MultiPolygon", .polygons(let polygons)): given = polygons
        default: throw InvalidValue(name: "boundary", problem: "must be of type Polygon or MultiPolygon, not \(object.type.prefix(40))")
        }
        let positions = given.map { $0.map { $0.map { $0.count >= 2 ? Coordinate(latitude: $0[1], longitude: $0[0]) : nil } } }
        guard !positions.joined().joined().contains(where: { $0 == nil }) else {
            throw InvalidValue(name: "boundary", problem: "has a position that is no longitude and latitude in degrees, in this order")
        }
        return positions.map { $0.map { $0.compactMap { $0 } } }
    }
}
