import HTTPTypes
import Hummingbird
import Open311
import Storage

/// The objects that requests may be about, as citizens' apps find them.
extension GeoReportGateway {
    /// `GET service_objects`: those near a place, of a kind, of a category.
    func serviceObjects(_ reading: Reading) async throws(GeoReportError) -> Response {
        let (tenant, language) = (reading.tenant, reading.languages.wanted)
        let query: PlaceQuery
        do {
            query = try PlaceQuery(reading.query, now: .now, namespaces: namespaces(of: tenant))
        } catch {
            throw GeoReportError(error, language: language)
        }
        let (tree, used) = try await read(language) { () async throws(StorageError) in try await places.categories(of: tenant.id) }
        var filter = query.filter
        if !query.categories.isEmpty { filter.categories = tree.ids(matching: query.categories, used: used) }
        let page = try await read(language) { [filter] () async throws(StorageError) in try await places.search(filter, of: tenant.id) }
        var response = documents(tree, page.places, reading, hasDistances: filter.origin != nil).response(page.places, reading)
        PlacePageHeaders(filter: filter, page: page, reading: reading, root: configuration.rootURL).write(into: &response)
        return response
    }

    /// `GET service_objects/{id}`: one, also when it is gone, because requests may point to it.
    func serviceObject(_ text: String, _ reading: Reading) async throws(GeoReportError) -> Response {
        let (tenant, language) = (reading.tenant, reading.languages.wanted)
        let found: KnownPlace?
        if let id = PlaceID(text) {
            found = try await read(language) { () async throws(StorageError) in try await places.find(id, of: tenant.id) }
        } else {
            found = nil
        }
        guard let found else {
            throw GeoReportError(
                404, language, french: "service_object_id est inconnu : voyez la liste service_objects.",
                english: "service_object_id is unknown: see the list of service_objects.")
        }
        let (tree, _) = try await read(language) { () async throws(StorageError) in try await places.categories(of: tenant.id) }
        return documents(tree, [found], reading, hasDistances: false).response([found], reading)
    }

    func namespaces(of tenant: Tenant) -> PlaceNamespaces { PlaceNamespaces(root: configuration.rootURL, tenant: tenant) }

    private func documents(
        _ tree: PlaceCategoryTree, _ places: [KnownPlace], _ reading: Reading, hasDistances: Bool
    ) -> ServiceObjectDocuments {
        let available = Set(tree.categories.flatMap(\.label.translations.keys)).union(places.flatMap(\.place.name.translations.keys))
            .union(reading.tenant.languages)
        return ServiceObjectDocuments(
            namespaces: namespaces(of: reading.tenant),
            base: "\(configuration.rootURL)/\(reading.tenant.key)\(reading.tenant.id.isTest ? "/test" : "")/open311/v2", tree: tree,
            languages: reading.languages.order(among: available), now: .now, hasDistances: hasDistances)
    }

    /// Whose places a call by CitySDK's own ways in reads, once it may be answered at all.
    ///
    /// - Parameter text: the tenant's key, from the path.
    /// - Returns: nil when there is no such tenant.
    func reader(
        _ request: Request, of text: String, _ caller: ClientAddress?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Tenant? {
        guard request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "Places are read here, and published by the city's own system: use GET.")
            refusal.allow = "GET, HEAD, OPTIONS"
            throw refusal
        }
        _ = try limits.admit(caller, nil, in: directory.current)
        let key = try? TenantKey(validating: text)
        let tenant = await lookUp { snapshot in key.flatMap { snapshot.tenant($0) } }
        if let tenant { trail.note(tenant) }
        return tenant
    }

    /// What is known of the object that a form names. Only one of the city's own is looked up.
    func state(of fields: FormFields, _ tenant: Tenant, _ language: Language) async throws(GeoReportError) -> ObjectState {
        guard let type = fields["service_object_type"], let text = fields["service_object_id"],
            let kinds = namespaces(of: tenant).kinds(of: CleanText.singleSpaced(type))
        else { return .foreign }
        guard let id = PlaceID(CleanText.singleSpaced(text)) else { return .unknown(isRetired: false) }
        let found = try await read(language) { () async throws(StorageError) in try await places.find(id, of: tenant.id) }
        guard let found, kinds.contains(found.kind) else { return .unknown(isRetired: false) }
        return found.retiredAt == nil ? .known(found.place.position) : .unknown(isRetired: true)
    }
}

extension ServiceObjectDocuments {
    fileprivate func response(_ places: [KnownPlace], _ reading: Reading) -> Response {
        PreparedAnswer(
            bytes(places, reading.format), contentType: reading.format.contentType, lastModified: nil, language: languages.first,
            cacheControl: "no-cache"
        ).response(to: reading.request)
    }
}

/// Where a page of service objects stands among the others.
struct PlacePageHeaders {
    let filter: PlaceFilter
    let page: PlacePage
    let reading: Reading
    let root: String

    func write(into response: inout Response) {
        response.headers[PageHeaders.pageSize] = String(filter.limit)
        let number = filter.offset / filter.limit + 1
        response.headers[PageHeaders.pageNumber] = String(number)
        if let count = page.count {
            response.headers[PageHeaders.resultCount] = String(count)
            response.headers[PageHeaders.pageCount] = String((count + filter.limit - 1) / filter.limit)
        }
        var links: [String] = []
        if number > 1 {
            response.headers[PageHeaders.previousPage] = url(number - 1)
            links.append("<\(url(number - 1))>; rel=\"prev\"")
        }
        if let count = page.count, filter.offset + page.places.count < count {
            response.headers[PageHeaders.nextPage] = url(number + 1)
            links.append("<\(url(number + 1))>; rel=\"next\"")
        }
        if !links.isEmpty { response.headers[PageHeaders.link] = links.joined(separator: ", ") }
    }

    /// The same search elsewhere, without the caller's key.
    private func url(_ page: Int) -> String {
        let replaced: Set<String> = ["page", "page_size", "per_page", "max_requests", "api_key", "callback"]
        let kept = reading.query.all.filter { !replaced.contains($0.name) && !$0.value.isEmpty }
        let all = kept + [(name: "page_size", value: String(filter.limit)), (name: "page", value: String(page))]
        return root + reading.request.uri.path + "?"
            + all.map { "\(FormWriter.escaped($0.name))=\(FormWriter.escaped($0.value))" }.joined(separator: "&")
    }
}
