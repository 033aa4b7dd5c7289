import Open311

/// Linked Data's documents: GeoJSON, or the same tree with a JSON-LD context (CitySDK reference, 3.4).
struct LinkedDocuments {
    /// Without a slash at its end.
    let base: String
    let tenant: Tenant
    let format: LinkedQuery.Format

    private var isLinked: Bool { format == .jsonld }

    // MARK: Collections

    private func collection(capacity: Int, _ features: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(capacity: capacity)
        writer.beginObject()
        if isLinked { context(&writer) }
        writer.name("type")
        writer.value("FeatureCollection")
        writer.name("features")
        writer.beginArray()
        features(&writer)
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// What the terms mean. Relative ids are addresses that answer.
    private func context(_ writer: inout JSONWriter) {
        writer.name("@context")
        writer.beginObject()
        for (name, value) in [("@base", base + "/"), ("@vocab", base + "/"), ("cdk", base + "/")] + Self.prefixes {
            writer.name(escaping: name)
            writer.value(value)
        }
        writer.name("title")
        writer.value("dc:title")
        writer.name("layer")
        term("createdOnLayer", "@type", "@id", &writer)
        writer.name("layers")
        term("layerOnObject", "@container", "@index", &writer)
        writer.name("data")
        writer.value("layerData")
        writer.name("owner")
        term("cdk:owner", "@type", "@id", &writer)
        writer.name("fields")
        term("cdk:field", "@type", "@id", &writer)
        writer.name("features")
        writer.value("_:features")
        writer.name("properties")
        writer.value("_:properties")
        writer.name("geometry")
        writer.null()
        writer.name("type")
        writer.null()
        writer.endObject()
    }

    private static let prefixes = [
        ("dc", "http://purl.org/dc/elements/1.1/"), ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
        ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"), ("owl", "http://www.w3.org/2002/07/owl#"),
        ("xsd", "http://www.w3.org/2001/XMLSchema#"), ("org", "http://www.w3.org/ns/org#"), ("foaf", "http://xmlns.com/foaf/0.1/"),
        ("dcat", "http://www.w3.org/ns/dcat#"), ("geos", "http://www.opengis.net/ont/geosparql#"),
        ("dbpedia", "http://dbpedia.org/resource/"), ("dbpedia-owl", "http://dbpedia.org/ontology/"),
    ]

    private func term(_ id: String, _ key: String, _ value: String, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("@id")
        writer.value(id)
        writer.name(escaping: key)
        writer.value(value)
        writer.endObject()
    }

    private func identity(_ id: String, _ types: [String], _ writer: inout JSONWriter) {
        guard isLinked else { return }
        writer.name("@id")
        writer.value(id)
        guard let first = types.first else { return }
        writer.name("@type")
        guard types.count > 1 else { return writer.value(first) }
        writer.beginArray()
        for type in types { writer.value(type) }
        writer.endArray()
    }

    // MARK: Objects

    func id(of place: KnownPlace) -> String {
        "\(LinkedLayer.of(place.kind).name(tenant)).\(LinkedPlaceFilter.linkedID(place.place.id))"
    }

    /// - Parameters:
    ///   - hasData: whether data stand with them.
    ///   - hasGeometry: whether they say where they are.
    func objects(_ places: [LinkedPlace], hasData: Bool, hasGeometry: Bool) -> [UInt8] {
        collection(capacity: 1_024 + places.count * 512) { writer in
            // The first of a layer says what its keys mean, the others where that stands.
            var known: Set<String> = []
            for place in places {
                let layer = LinkedLayer.of(place.known.kind)
                let id = id(of: place.known)
                writer.beginObject()
                identity("objects/" + id, ["Object"], &writer)
                writer.name("type")
                writer.value("Feature")
                writer.name("properties")
                writer.beginObject()
                identity("objects/" + id, [], &writer)
                writer.name("cdk_id")
                writer.value(id)
                writer.name("title")
                writer.value(place.title)
                writer.name("layer")
                writer.value((isLinked ? "layers/" : "") + layer.name(tenant))
                if hasData { layers(place, layer, id, isFirst: known.insert(layer.word).inserted, &writer) }
                writer.endObject()
                writer.name("geometry")
                if hasGeometry { geometry(place.known.place, &writer) } else { nothing(&writer) }
                writer.endObject()
            }
        }
    }

    private func nothing(_ writer: inout JSONWriter) {
        writer.beginObject()
        writer.endObject()
    }

    private func layers(_ place: LinkedPlace, _ layer: LinkedLayer, _ id: String, isFirst: Bool, _ writer: inout JSONWriter) {
        let name = layer.name(tenant)
        writer.name("layers")
        writer.beginObject()
        writer.name(escaping: name)
        writer.beginObject()
        identity("layers/\(name)/objects/\(id)", ["LayerOnObject"], &writer)
        if isLinked {
            writer.name("layer")
            writer.value("layers/" + name)
        }
        writer.name("data")
        writer.beginObject()
        identity("objects/\(id)/layers/\(name)", ["LayerData", layer.rdfType], &writer)
        if isLinked {
            writer.name("@context")
            if isFirst { meaning(of: name, &writer) } else { writer.value("\(base)/layers/\(name)/context") }
        }
        members(place.data, &writer)
        writer.endObject()
        writer.endObject()
        writer.endObject()
    }

    private func members(_ data: [(key: String, value: String)], _ writer: inout JSONWriter) {
        for (key, value) in data {
            writer.name(escaping: key)
            writer.value(value)
        }
    }

    /// Each key of a layer means its field, which has an address.
    private func meaning(of layer: String, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("@vocab")
        writer.value("\(base)/layers/\(layer)/fields/")
        writer.endObject()
    }

    private func geometry(_ place: Place, _ writer: inout JSONWriter) {
        func position(_ point: Coordinate) {
            writer.beginArray()
            for number in [point.longitude, point.latitude] { writer.value((number * 1e7).rounded() / 1e7) }
            writer.endArray()
        }
        writer.beginObject()
        writer.name("type")
        writer.value(place.outline.isEmpty ? "Point" : "Polygon")
        writer.name("coordinates")
        if let first = place.outline.first {
            writer.beginArray()
            writer.beginArray()
            for corner in place.outline + [first] { position(corner) }
            writer.endArray()
            writer.endArray()
        } else {
            position(place.position)
        }
        writer.endObject()
    }

    /// The data of an object alone.
    func data(_ place: LinkedPlace) -> [UInt8] {
        let layer = LinkedLayer.of(place.known.kind)
        let name = layer.name(tenant)
        var writer = JSONWriter(capacity: 512)
        writer.beginObject()
        if isLinked {
            writer.name("@context")
            meaning(of: name, &writer)
            identity("\(base)/objects/\(id(of: place.known))/layers/\(name)", ["\(base)/LayerData", layer.rdfType], &writer)
        }
        members(place.data, &writer)
        writer.endObject()
        return writer.bytes
    }

    func moments(_ place: LinkedPlace) -> [UInt8] {
        let known = place.known
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.name("created_at")
        writer.value(known.createdAt)
        writer.name("updated_at")
        writer.value(max(known.updatedAt, known.count?.receivedAt ?? known.updatedAt))
        writer.endObject()
        return writer.bytes
    }

    // MARK: Layers

    func layers(_ layers: [LinkedLayer]) -> [UInt8] {
        collection(capacity: 1_024 + layers.count * 1_024) { writer in
            for layer in layers {
                let name = layer.name(tenant)
                writer.beginObject()
                identity("layers/" + name, ["Layer", "dcat:Dataset"], &writer)
                writer.name("type")
                writer.value("Feature")
                writer.name("properties")
                writer.beginObject()
                identity("layers/" + name, [], &writer)
                let linked = isLinked
                for (key, value) in [
                    ("name", name), ("title", layer.title), ("description", layer.description + " (" + tenant.name + ")"),
                    ("category", (linked ? "cdk:Category" : "") + layer.category), ("subcategory", layer.word), ("rdf_type", layer.rdfType),
                    ("licence", "open-data"), ("organization", tenant.name),
                    ("owner", (linked ? "owners/" : "") + tenant.key.rawValue),
                ] {
                    writer.name(escaping: key)
                    writer.value(value)
                }
                writer.name("data_sources")
                writer.beginArray()
                writer.value(tenant.name)
                writer.endArray()
                writer.name("fields")
                writer.beginArray()
                for field in layer.fields { writer.value((linked ? "layers/\(name)/fields/" : "") + field.name) }
                writer.endArray()
                writer.endObject()
                writer.name("geometry")
                nothing(&writer)
                writer.endObject()
            }
        }
    }

    func fields(_ layer: LinkedLayer, only name: String? = nil) -> [UInt8] {
        list("fields") { writer in
            for field in layer.fields where name == nil || field.name == name {
                writer.beginObject()
                identity("layers/\(layer.name(tenant))/fields/\(field.name)", ["Field"], &writer)
                writer.name("name")
                writer.value(field.name)
                writer.name(escaping: isLinked ? "cdk:datatype" : "type")
                writer.value(field.type)
                if let unit = field.unit {
                    writer.name("unit")
                    writer.value(unit)
                }
                writer.name("description")
                writer.value(field.description)
                writer.endObject()
            }
        }
    }

    /// Nobody's address is in it.
    func owners() -> [UInt8] {
        list("owners") { writer in
            writer.beginObject()
            identity("owners/" + tenant.key.rawValue, ["Owner"], &writer)
            writer.name("name")
            writer.value(tenant.key.rawValue)
            writer.name("fullname")
            writer.value(tenant.name)
            writer.name("organization")
            writer.value(tenant.name)
            writer.name("admin")
            writer.value(false)
            writer.endObject()
        }
    }

    private func list(_ name: StaticString, _ items: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(capacity: 1_024)
        writer.beginObject()
        if isLinked { context(&writer) }
        writer.name(name)
        writer.beginArray()
        items(&writer)
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    func context(of layer: LinkedLayer) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("@context")
        meaning(of: layer.name(tenant), &writer)
        writer.endObject()
        return writer.bytes
    }

    // MARK: Endpoint

    func endpoint() -> [UInt8] {
        collection(capacity: 1_024) { writer in
            writer.beginObject()
            identity(base + "/", ["Endpoint"], &writer)
            writer.name("type")
            writer.value("Feature")
            writer.name("properties")
            writer.beginObject()
            for (key, value) in [
                ("url", base), ("swagger", base + "/swagger"), ("base_uri", base + "/"), ("endpoint_code", tenant.key.rawValue),
                ("title", tenant.name),
                ("description", "Places of \(tenant.name), as CitySDK Linked Data"), ("organization", tenant.name),
            ] {
                writer.name(escaping: key)
                writer.value(value)
            }
            writer.name("urls")
            writer.beginObject()
            for (key, value) in [("layers", "/layers{/layer}"), ("owners", "/owners{/owner}"), ("objects", "/objects{/cdk_id}")] {
                writer.name(escaping: key)
                writer.value(value)
            }
            writer.endObject()
            writer.endObject()
            writer.name("geometry")
            nothing(&writer)
            writer.endObject()
        }
    }

    // MARK: Errors

    static func bytes(of error: GeoReportError) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("error")
        writer.value(error.descriptions.joined(separator: " "))
        writer.endObject()
        return writer.bytes
    }
}
