import Open311

/// Reads the arguments of GET service_objects: places as the arguments of GET requests name them.
struct PlaceQuery {
    var filter: PlaceFilter
    /// Words of categories, to be looked for in their labels.
    let categories: [String]

    /// - Throws: every fault of the query at once.
    init(_ query: FormFields, now: Timestamp, namespaces: PlaceNamespaces) throws(Faults) {
        var reader = SearchQuery(query: query, now: now, timeZone: nil)
        var filter = PlaceFilter()
        filter.circle = reader.circle()
        filter.ground = reader.box()?.corners
        if let latitude = query["lat"].flatMap(DecimalText.number), let longitude = query["long"].flatMap(DecimalText.number) {
            filter.origin = Coordinate(latitude: latitude, longitude: longitude)
        }
        filter.kinds = Self.kinds(&reader, namespaces)
        let ids = reader.list("service_object_id")
        filter.ids = ids.isEmpty ? nil : ids.prefix(PlaceFilter.maximumCount).compactMap { PlaceID($0) }
        filter.tags = Array(reader.list("tag").prefix(20))
        if let name = ["q", "search"].first(where: { query[$0] != nil }) {
            filter.words = [CleanText.singleSpaced(query[name] ?? "")].filter { !$0.isEmpty }
            if filter.words.contains(where: { $0.unicodeScalars.count > 200 }) { reader.refuse(name, .tooLong(maximum: 200)) }
        }
        categories = Array(reader.list("category").prefix(20))
        filter.limit = reader.pageSize()
        if let page = reader.number("page") {
            filter.offset = (max(page, 1) - 1) * filter.limit
            if filter.offset > PlaceFilter.maximumOffset { reader.refuse("page", .pageTooFar(maximum: PlaceFilter.maximumOffset)) }
        }
        if let first = reader.faults.first { throw Faults(first: first, others: Array(reader.faults.dropFirst())) }
        self.filter = filter
    }

    /// Those of `kind`, of the namespace, or of both.
    private static func kinds(_ reader: inout SearchQuery, _ namespaces: PlaceNamespaces) -> Set<PlaceKind> {
        var kinds = Set(PlaceKind.allCases)
        let words = reader.list("kind")
        if !words.isEmpty {
            for word in words where PlaceKind(rawValue: word.lowercased()) == nil {
                reader.refuse("kind", .unknownValue(value: String(word.prefix(64)), allowed: PlaceKind.allCases.map(\.rawValue)))
            }
            kinds = Set(words.compactMap { PlaceKind(rawValue: $0.lowercased()) })
        }
        if let namespace = reader.query["service_object_type"] {
            // Another's objects are not here.
            kinds.formIntersection(namespaces.kinds(of: namespace) ?? [])
        }
        return kinds
    }
}
