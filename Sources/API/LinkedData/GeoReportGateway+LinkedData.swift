import HTTPTypes
import Hummingbird
import Open311
import Storage

/// CitySDK Linked Data, reading: points of interest, parkings and facilities as layers of objects.
extension GeoReportGateway {
    func answer(
        _ request: Request, _ target: LinkedTarget, _ caller: ClientAddress?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        if request.method == .options { return CrossOrigin.options("GET, HEAD, OPTIONS") }
        guard let resource = target.resource else { throw GeoReportError(404, "No such resource: the base names what there is.") }
        guard let tenant = try await reader(request, of: target.tenant, caller, trail) else {
            throw GeoReportError(404, "Endpoint not found: check its address.")
        }
        let query = try LinkedQuery(request)
        if case .description = resource { return Self.description.response(to: request) }
        let documents = LinkedDocuments(
            base: "\(configuration.rootURL)/\(tenant.key)/ld", tenant: tenant, format: try query.format(request, target))
        let page = try await page(resource, query, documents, tenant)
        let isLinked = documents.format == .jsonld && request.headers[.accept]?.lowercased().contains("ld+json") == true
        var response = PreparedAnswer(
            page.bytes, contentType: isLinked ? "application/ld+json; charset=utf-8" : "application/json; charset=utf-8",
            lastModified: nil, language: nil, cacheControl: "no-cache"
        ).response(to: request)
        if let link = page.link { response.headers[PageHeaders.link] = link }
        if let count = page.count { response.headers[PageHeaders.resultCount] = String(count) }
        return response
    }

    /// The same for every city; made once.
    private static let description = PreparedAnswer(
        PackageResources.linked_data_json, contentType: "application/json; charset=utf-8", lastModified: nil, language: nil,
        cacheControl: "no-cache")

    private struct LinkedPage {
        let bytes: [UInt8]
        var link: String?
        var count: Int?
    }

    private func page(
        _ resource: LinkedTarget.Resource, _ query: LinkedQuery, _ documents: LinkedDocuments, _ tenant: Tenant
    ) async throws(GeoReportError) -> LinkedPage {
        switch resource {
        case .description: return LinkedPage(bytes: PackageResources.linked_data_json)
        case .endpoint: return LinkedPage(bytes: documents.endpoint())
        case .layers: return LinkedPage(bytes: documents.layers(layers(query)))
        case .layer(let name): return LinkedPage(bytes: documents.layers([try layer(name, tenant)]))
        case .fields(let name): return LinkedPage(bytes: documents.fields(try layer(name, tenant)))
        case .field(let name, let field):
            let layer = try layer(name, tenant)
            guard layer.fields.contains(where: { $0.name == field }) else { throw LinkedQuery.unknown("Field", field) }
            return LinkedPage(bytes: documents.fields(layer, only: field))
        case .context(let name): return LinkedPage(bytes: documents.context(of: try layer(name, tenant)))
        case .layerOwners(let name):
            _ = try layer(name, tenant)
            return LinkedPage(bytes: documents.owners())
        case .owners: return LinkedPage(bytes: documents.owners())
        case .owner(let name):
            try owner(name, tenant)
            return LinkedPage(bytes: documents.owners())
        case .ownerLayers(let name):
            try owner(name, tenant)
            return LinkedPage(bytes: documents.layers(layers(query)))
        case .objects: return try await list(query, nil, "\(documents.base)/objects", documents, tenant)
        case .layerObjects(let name):
            return try await list(query, try layer(name, tenant), "\(documents.base)/layers/\(name)/objects", documents, tenant)
        case .object(let id):
            let place = try await linked(id, query, tenant)
            return LinkedPage(bytes: documents.objects([place], hasData: true, hasGeometry: query.hasGeometry))
        case .objectLayers(let id):
            return LinkedPage(bytes: documents.layers([LinkedLayer.of(try await linked(id, query, tenant).known.kind)]))
        case .layerObject(let name, let id):
            return LinkedPage(bytes: documents.moments(try await linked(id, on: name, query, tenant)))
        case .data(let id, let name): return LinkedPage(bytes: documents.data(try await linked(id, on: name, query, tenant)))
        }
    }

    private func layers(_ query: LinkedQuery) -> [LinkedLayer] {
        LinkedLayer.all.filter { layer in
            query.fields["category"].map { $0.lowercased() == layer.category } ?? true
                && query.fields["type"].map { $0 == layer.rdfType } ?? true
        }
    }

    private func layer(_ name: String, _ tenant: Tenant) throws(GeoReportError) -> LinkedLayer {
        guard let layer = LinkedLayer.named(name, of: tenant) else { throw LinkedQuery.unknown("Layer", name) }
        return layer
    }

    private func owner(_ name: String, _ tenant: Tenant) throws(GeoReportError) {
        guard name == tenant.key.rawValue else { throw LinkedQuery.unknown("Owner", name) }
    }

    private func list(
        _ query: LinkedQuery, _ layer: LinkedLayer?, _ address: String, _ documents: LinkedDocuments, _ tenant: Tenant
    ) async throws(GeoReportError) -> LinkedPage {
        var filter = try query.filter(tenant)
        if let layer { filter.kinds.formIntersection(layer.kinds) }
        if let id = query.fields["in"] { filter.touching = try await linked(id, query, tenant).known.place }
        if let id = query.fields["contains"] {
            let inner = try await linked(id, query, tenant).known.place
            guard filter.touching == nil else { throw GeoReportError(422, "in and contains do not go together.") }
            (filter.touching, filter.excluded) = (inner, inner.id)
        }
        let wanted = filter
        let found = try await read(.english) { () async throws(StorageError) in try await places.linked(wanted, of: tenant) }
        let bytes = documents.objects(found.places, hasData: layer != nil || query.showsData, hasGeometry: query.hasGeometry)
        let pages = query.pages(address, count: found.count)
        return LinkedPage(bytes: bytes, link: pages.link, count: pages.count)
    }

    /// The object of that `cdk_id`.
    private func linked(
        _ id: String, on name: String? = nil, _ query: LinkedQuery, _ tenant: Tenant
    ) async throws(GeoReportError) -> LinkedPlace {
        let asked = try name.map { (name) throws(GeoReportError) in try layer(name, tenant) }
        for layer in LinkedLayer.all where id.hasPrefix(layer.name(tenant) + ".") {
            var filter = LinkedPlaceFilter()
            filter.kinds = layer.kinds
            filter.linkedID = String(id.dropFirst(layer.name(tenant).count + 1))
            filter.limit = 1
            let wanted = filter
            let found = try await read(.english) { () async throws(StorageError) in try await places.linked(wanted, of: tenant) }
            guard let place = found.places.first else { break }
            if let asked, asked != layer { throw GeoReportError(404, "Object '\(id.prefix(200))' has no data on this layer.") }
            return place
        }
        throw LinkedQuery.unknown("Object", id)
    }
}
