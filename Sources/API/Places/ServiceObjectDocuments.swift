import Open311

/// Lists of service objects: the things of a city that requests may be about.
struct ServiceObjectDocuments {
    let namespaces: PlaceNamespaces
    /// GeoReport base of the city.
    let base: String
    let tree: PlaceCategoryTree
    let languages: [Language]
    let now: Timestamp
    /// Whether each has a distance from somewhere.
    let hasDistances: Bool

    func bytes(_ places: [KnownPlace], _ format: ResponseFormat) -> [UInt8] {
        let capacity = 128 + places.count * 800
        if format == .geojson { return features(places, capacity: capacity) }
        return GeoReportDocuments.bytes(format, capacity: capacity, { write(places, &$0) }, { write(places, &$0) })
    }

    private func write(_ places: [KnownPlace], _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_objects")
        for place in places {
            writer.beginItem("service_object")
            write(place, &writer)
            writer.endItem("service_object")
        }
        writer.endDocument(list: "service_objects")
    }

    private func write(_ known: KnownPlace, _ writer: inout some WireWriter) {
        let place = known.place
        let namespace = namespaces.namespace(of: known.kind)
        writer.field("service_object_id", place.id.rawValue)
        writer.field("service_object_type", namespace)
        writer.field("kind", known.kind.rawValue)
        writer.field("name", place.name.text(in: languages))
        writer.field("description", place.summary.text(in: languages))
        writer.field("category", tree.category(place.category)?.label.text(in: languages) ?? place.category)
        writer.field("category_id", place.category)
        writer.beginList("tags")
        for tag in place.tags { writer.item("tag", tag) }
        writer.endList("tags")
        writer.field("lat", place.position.latitude)
        writer.field("long", place.position.longitude)
        if hasDistances { writer.field("distance", known.metres.map { ($0 * 10).rounded() / 10 }) }
        writer.field("address", place.address)
        writer.field("phone", place.phone)
        writer.field("url", place.url)
        writer.field("hours", place.hours.text(in: languages))
        writer.field("price", place.price.text(in: languages))
        writer.field("parent_id", place.parent?.rawValue)
        if known.kind == .parking { write(known.count, place, isStale: known.isStale(at: now), &writer) }
        writer.field("updated_datetime", max(known.updatedAt, known.count?.receivedAt ?? known.updatedAt))
        writer.field("retired_datetime", known.retiredAt)
        writer.field(
            "requests_url",
            "\(base)/requests.json?service_object_type=\(FormWriter.escaped(namespace))&service_object_id=\(place.id)")
    }

    /// An old count is shown, and shown as old.
    private func write(_ count: LiveCount?, _ place: Place, isStale: Bool, _ writer: inout some WireWriter) {
        if let capacity = place.capacity { writer.field("capacity", Int64(capacity)) } else { writer.field("capacity", String?.none) }
        guard let count else {
            writer.field("free", String?.none)
            writer.field("counted_datetime", String?.none)
            writer.field("count_is_stale", String?.none)
            return
        }
        writer.field("free", Int64(count.free))
        writer.field("counted_datetime", count.countedAt)
        writer.field("count_is_stale", isStale)
    }

    /// RFC 7946. The ground that a place covers is its geometry.
    private func features(_ places: [KnownPlace], capacity: Int) -> [UInt8] {
        var writer = JSONWireWriter(capacity: capacity)
        writer.beginDocument(object: "collection")
        writer.field("type", "FeatureCollection")
        writer.beginList("features")
        for known in places {
            writer.beginItem("feature")
            writer.field("type", "Feature")
            writer.field("id", known.place.id.rawValue)
            geometry(known.place, &writer)
            writer.beginObject("properties")
            write(known, &writer)
            writer.endObject("properties")
            writer.endItem("feature")
        }
        writer.endList("features")
        writer.endDocument(object: "collection")
        return writer.bytes
    }

    private func geometry(_ place: Place, _ writer: inout JSONWireWriter) {
        writer.beginObject("geometry")
        if let first = place.outline.first {
            writer.field("type", "Polygon")
            writer.ring("coordinates", (place.outline + [first]).map { ($0.longitude, $0.latitude) })
        } else {
            writer.field("type", "Point")
            writer.beginList("coordinates")
            writer.item("long", place.position.longitude)
            writer.item("lat", place.position.latitude)
            writer.endList("coordinates")
        }
        writer.endObject("geometry")
    }
}
