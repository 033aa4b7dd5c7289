import HTTPTypes
import Hummingbird
import Open311
import Storage

/// CitySDK Tourism 1.0, reading: the city's points of interest, parkings and facilities as its clients know them.
extension GeoReportGateway {
    func answer(
        _ request: Request, _ target: TourismTarget, _ caller: ClientAddress?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        if request.method == .options { return CrossOrigin.options("GET, HEAD, OPTIONS") }
        guard let tenant = try await reader(request, of: target.tenant, caller, trail) else {
            throw GeoReportError(404, "Unknown tenant in the path: check the endpoint's URL.")
        }
        let query: TourismQuery
        do {
            query = TourismQuery(
                try request.uri.query.map { (text) throws(FormError) in try FormReader.fields(Array(text.utf8)) } ?? FormFields())
        } catch {
            throw GeoReportError(error, .english)
        }
        let documents = TourismDocuments(
            base: "\(configuration.rootURL)/\(tenant.key)/tourism/", requests: "\(configuration.rootURL)/\(tenant.key)/open311/v2",
            tenant: tenant, now: .now)
        let bytes = try await self.bytes(target, query, documents, tenant)
        return PreparedAnswer(
            bytes, contentType: "application/json; charset=utf-8", lastModified: nil, language: nil, cacheControl: "no-cache"
        ).response(to: request)
    }

    private func bytes(
        _ target: TourismTarget, _ query: TourismQuery, _ documents: TourismDocuments, _ tenant: Tenant
    ) async throws(GeoReportError) -> [UInt8] {
        switch target.resource {
        case .entry: return documents.entry()
        case .pois:
            var filter = try query.filter()
            let (tree, used) = try await categories(of: tenant)
            let words = query.list("category")
            if !words.isEmpty { filter.categories = tree.ids(matching: words, used: used) }
            return documents.list(try await found(filter, tenant), tree, isMinimal: query.isMinimal)
        case .poi(let text):
            let place = try await poi(text, tenant)
            var below = PlaceFilter()
            below.parent = place.place.id
            below.limit = TourismQuery.maximumCount
            let children = try await found(below, tenant)
            return documents.one(place, try await categories(of: tenant).tree, children: children.map(\.place.id))
        case .related(let text):
            let place = try await poi(text, tenant).place
            var filter = PlaceFilter()
            (filter.limit, filter.offset) = try query.page()
            switch query.text("relation") {
            case "child": filter.parent = place.id
            case "parent": filter.ids = place.parent.map { [$0] } ?? []
            default: throw GeoReportError(400, "relation must be parent or child.")
            }
            return documents.list(try await found(filter, tenant), try await categories(of: tenant).tree, isMinimal: false)
        case .categories:
            guard let list = query.text("list")?.lowercased(), ["poi", "event", "route"].contains(list) else {
                throw GeoReportError(400, "list must be poi, event or route.")
            }
            var (limit, offset) = try query.page()
            // One client asks so for all of them.
            if limit == 0 { (limit, offset) = (TourismQuery.maximumCount, 0) }
            let (tree, used) = try await categories(of: tenant)
            let roots = list == "poi" ? tree.roots(used: used) : []
            return documents.categories(Array(roots.dropFirst(offset).prefix(limit)), tree)
        case .code:
            var filter = PlaceFilter()
            filter.code = query.text("code")
            guard filter.code != nil else { throw GeoReportError(400, "code is required.") }
            return documents.byCode(try await found(filter, tenant), try await categories(of: tenant).tree)
        case nil: throw GeoReportError(404, "No such resource: see the entry document.")
        }
    }

    private func found(_ filter: PlaceFilter, _ tenant: Tenant) async throws(GeoReportError) -> [KnownPlace] {
        var filter = filter
        filter.kinds = [.pointOfInterest, .parking, .facility]
        return try await read(.english) { [filter] () async throws(StorageError) in try await places.search(filter, of: tenant.id) }.places
    }

    private func poi(_ text: String, _ tenant: Tenant) async throws(GeoReportError) -> KnownPlace {
        if let id = PlaceID(text) {
            let found = try await read(.english) { () async throws(StorageError) in try await places.find(id, of: tenant.id) }
            if let found, found.kind != .object { return found }
        }
        throw GeoReportError(404, "No point of interest has this id.")
    }

    private func categories(of tenant: Tenant) async throws(GeoReportError) -> (tree: PlaceCategoryTree, used: Set<String>) {
        try await read(.english) { () async throws(StorageError) in try await places.categories(of: tenant.id) }
    }
}
