import Open311

/// Tourism's JSON. What its client libraries need of it stands in the CitySDK reference, 2.3: no null, the same keys always there.
struct TourismDocuments {
    /// Ends in a slash.
    let base: String
    /// GeoReport base of the same city.
    let requests: String
    let tenant: Tenant
    let now: Timestamp

    // MARK: Entry

    func entry() -> [UInt8] {
        var writer = JSONWriter(capacity: 1_024)
        writer.beginObject()
        writer.name("citysdk-tourism")
        writer.beginArray()
        writer.beginObject()
        writer.name("version")
        writer.value("1.0")
        writer.name("_links")
        writer.beginObject()
        for (name, template) in [
            ("find-poi", "pois/search{?category,tag,complete,minimal,coords,limit,offset}"),
            ("find-poi-relation", "pois/{id}/search{?relation}"), ("find-categories", "categories/search{?list,limit,offset}"),
            ("find-code", "search{?code}"),
        ] {
            writer.name(escaping: name)
            writer.beginObject()
            writer.name("href")
            writer.value(base + template)
            writer.name("templated")
            // A text, because one client takes nothing else.
            writer.value("true")
            writer.endObject()
        }
        writer.endObject()
        writer.endObject()
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    // MARK: Points of interest

    func list(_ places: [KnownPlace], _ tree: PlaceCategoryTree, isMinimal: Bool) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + places.count * 1_200)
        writer.beginObject()
        list("poi", places, tree, isMinimal, &writer)
        writer.endObject()
        return writer.bytes
    }

    /// Only what has hits.
    func byCode(_ places: [KnownPlace], _ tree: PlaceCategoryTree) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + places.count * 1_200)
        writer.beginObject()
        if !places.isEmpty { list("poi", places, tree, false, &writer) }
        writer.endObject()
        return writer.bytes
    }

    func one(_ place: KnownPlace, _ tree: PlaceCategoryTree, children: [PlaceID]) -> [UInt8] {
        var writer = JSONWriter(capacity: 2_048)
        TourismPOI(known: place, tree: tree, documents: self, isMinimal: false, children: children).write(&writer)
        return writer.bytes
    }

    private func list(
        _ name: StaticString, _ places: [KnownPlace], _ tree: PlaceCategoryTree, _ isMinimal: Bool, _ writer: inout JSONWriter
    ) {
        writer.name(name)
        writer.beginArray()
        for place in places {
            TourismPOI(known: place, tree: tree, documents: self, isMinimal: isMinimal, children: []).write(&writer)
        }
        writer.endArray()
    }

    // MARK: Categories

    func categories(_ roots: [PlaceCategory], _ tree: PlaceCategoryTree) -> [UInt8] {
        var writer = JSONWriter(capacity: 4_096)
        writer.beginObject()
        categories(roots, tree, depth: 1, &writer)
        writer.endObject()
        return writer.bytes
    }

    private func categories(_ nodes: [PlaceCategory], _ tree: PlaceCategoryTree, depth: Int, _ writer: inout JSONWriter) {
        writer.name("categories")
        writer.beginArray()
        for node in nodes where depth <= PlaceCategoryTree.maximumDepth {
            writer.beginObject()
            writer.name("id")
            writer.value(node.id)
            writer.name("term")
            writer.value("category")
            writer.name("lang")
            writer.value(tenant.language.rawValue)
            writer.name("value")
            writer.value(node.label.text(in: tenant.languages) ?? node.id)
            labels(node.label, or: node.id, &writer)
            writer.name("link")
            writer.beginArray()
            writer.endArray()
            categories(tree.children(of: node.id), tree, depth: depth + 1, &writer)
            writer.endObject()
        }
        writer.endArray()
    }

    func labels(_ text: LocalizedText, or usual: String, _ writer: inout JSONWriter) {
        writer.name("label")
        writer.beginArray()
        for (language, text) in inOrder(text, or: usual) {
            writer.beginObject()
            writer.name("term")
            writer.value("primary")
            writer.name("lang")
            writer.value(language.rawValue)
            writer.name("value")
            writer.value(text)
            writer.endObject()
        }
        writer.endArray()
    }

    /// The tenant's languages first.
    func inOrder(_ text: LocalizedText, or usual: String? = nil) -> [(Language, String)] {
        let own = tenant.languages
        func rank(_ language: Language) -> Int { own.firstIndex(of: language) ?? own.count }
        let sorted = text.translations.sorted { (rank($0.key), $0.key.rawValue) < (rank($1.key), $1.key.rawValue) }.map {
            ($0.key, $0.value)
        }
        return sorted.isEmpty ? usual.map { [(tenant.language, $0)] } ?? [] : sorted
    }

    // MARK: Errors

    /// As the servers of its time answered, for whoever shows the message.
    static func bytes(of error: GeoReportError) -> [UInt8] {
        let codes = [400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed", 429: "TooManyRequests", 503: "ServiceUnavailable"]
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("ResponseStatus")
        writer.beginObject()
        writer.name("ErrorCode")
        writer.value(codes[error.status] ?? "InternalError")
        writer.name("Message")
        writer.value(error.descriptions.joined(separator: " "))
        writer.name("Errors")
        writer.beginArray()
        writer.endArray()
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
