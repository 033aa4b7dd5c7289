import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Open311
import Storage

/// Tenants' reference data by REST, below `/v1/reference-data`.
extension StatusIngestService {
    /// - Parameter words: of the path, after `v1/reference-data`.
    func reference(_ request: Request, _ words: some Collection<Substring>, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard let route = ReferenceRoute(words) else {
            let kinds = ReferenceKind.allCases.filter { $0.rules != nil }.map(\.pathName).joined(separator: ", ")
            throw Problem(
                404, "no-such-resource", "No such resource",
                "Use /v1/reference-data/{kind}, or versions, versions/{number}, versions/{number}/difference, versions/{number}/publication "
                    + "or rollback below it. Kinds: \(kinds).")
        }
        guard route.methods.contains(request.method) else {
            throw Self.notAllowed(route.methods.map(\.rawValue).joined(separator: ", "))
        }
        trail.route = "reference-data"
        let (tenant, key) = try await identified(request, trail)
        let query = try ReferenceQuery(request.uri.query, knowing: route.parameters(of: request.method))
        switch (route, request.method) {
        case (.kinds, _): return try await kinds(of: tenant)
        case (.document(let kind), .get): return try await live(kind, request, tenant)
        case (.document(let kind), _):
            trail.objects = kind.pathName
            return try await send(kind, request, query, tenant, key, trail)
        case (.versions(let kind), _): return try await versions(kind, query, tenant)
        case (.version(let kind, let number), _): return try await version(kind, number, tenant)
        case (.difference(let kind, let number), _): return try await difference(kind, number, query, tenant)
        case (.publication(let kind, let number), let method):
            return try await publish(kind, number, request, query, method == .delete, tenant)
        case (.rollback(let kind), _): return try await rollBack(kind, request, query, tenant, key, trail)
        }
    }

    // MARK: Reading

    func stored<Value>(_ work: () async throws(StorageError) -> Value) async throws(Problem) -> Value {
        do { return try await work() } catch { throw Self.problem(.storage(error)) }
    }

    private func kinds(of tenant: Tenant) async throws(Problem) -> Response {
        var found: [(ReferenceKind, [ReferenceVersion])] = []
        for kind in ReferenceKind.allCases where kind.rules != nil {
            found.append(
                (
                    kind,
                    try await stored { () async throws(StorageError) in try await references.notable(kind, of: tenant.id) }
                ))
        }
        return ReferenceDocuments.answer { writer in
            writer.name("kinds")
            writer.beginArray()
            for (kind, versions) in found {
                writer.beginObject()
                writer.name("kind")
                writer.value(kind.pathName)
                writer.name("live_version")
                if let live = versions.first(where: { $0.state == .published }) { writer.value(Int64(live.number)) } else { writer.null() }
                writer.name("scheduled")
                writer.beginArray()
                for version in versions where version.state == .scheduled {
                    writer.beginObject()
                    ReferenceDocuments.version(version, in: &writer)
                    writer.endObject()
                }
                writer.endArray()
                writer.endObject()
            }
            writer.endArray()
        }
    }

    private func live(_ kind: ReferenceKind, _ request: Request, _ tenant: Tenant) async throws(Problem) -> Response {
        guard let live = try await stored({ () async throws(StorageError) in try await references.live(kind, of: tenant.id) }) else {
            throw Problem(
                404, "nothing-published", "Nothing published",
                "No version of \(kind.pathName) is live yet. Send one with PUT to this address.")
        }
        var headers = HTTPFields()
        headers[.eTag] = live.version.entityTag
        headers[.cacheControl] = "no-cache"
        headers[.vary] = "Accept"
        if Conditional.isKnown(to: request, tags: [live.version.entityTag], lastModified: nil) {
            return Response(status: .notModified, headers: headers)
        }
        let accepted = (request.headers[.accept] ?? "").lowercased()
        if accepted.contains("text/csv") {
            if let value = try? JSONReader.value(live.body), let table = kind.rules?.csv(value) {
                headers[.contentType] = "text/csv; charset=utf-8"
                return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: table)))
            }
            guard ["json", "application/*", "*/*"].contains(where: accepted.contains) else {
                throw Problem(
                    406, "not-acceptable", "Not acceptable", "\(kind.pathName) is no table: leave Accept out, or send application/json.")
            }
        }
        headers[.contentType] = "application/json; charset=utf-8"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: live.body)))
    }

    private func versions(_ kind: ReferenceKind, _ query: ReferenceQuery, _ tenant: Tenant) async throws(Problem) -> Response {
        let versions = try await stored { () async throws(StorageError) in
            try await references.versions(kind, of: tenant.id, below: query.below, limit: query.limit)
        }
        return ReferenceDocuments.answer { writer in
            writer.name("kind")
            writer.value(kind.pathName)
            writer.name("versions")
            writer.beginArray()
            for version in versions {
                writer.beginObject()
                ReferenceDocuments.version(version, in: &writer)
                writer.endObject()
            }
            writer.endArray()
        }
    }

    private func found(_ kind: ReferenceKind, _ number: Int32, _ tenant: Tenant) async throws(Problem) -> ReferenceDocument {
        guard let found = try await stored({ () async throws(StorageError) in try await references.document(kind, number, of: tenant.id) })
        else { throw ReferenceDocuments.unknownVersion(kind) }
        return found
    }

    private func version(_ kind: ReferenceKind, _ number: Int32, _ tenant: Tenant) async throws(Problem) -> Response {
        let found = try await found(kind, number, tenant)
        return ReferenceDocuments.answer { writer in
            writer.name("kind")
            writer.value(kind.pathName)
            ReferenceDocuments.version(found.version, in: &writer)
            writer.name("document")
            writer.json(found.body)
        }
    }

    private func difference(_ kind: ReferenceKind, _ number: Int32, _ query: ReferenceQuery, _ tenant: Tenant) async throws(Problem)
        -> Response
    {
        let wanted = try await found(kind, number, tenant)
        let base: ReferenceDocument?
        if let from = query.from {
            base = try await found(kind, from, tenant)
        } else {
            base = try await stored { () async throws(StorageError) in try await references.live(kind, of: tenant.id) }
        }
        let differences = try await Self.aside(kind) { () -> [ReferenceDifference] in
            ReferenceDifference.between(
                base.flatMap { try? JSONReader.value($0.body) }, (try? JSONReader.value(wanted.body)) ?? .null, key: kind.entryKey)
        }
        return ReferenceDocuments.answer { writer in
            writer.name("kind")
            writer.value(kind.pathName)
            writer.name("from")
            if let base { writer.value(Int64(base.version.number)) } else { writer.null() }
            writer.name("to")
            writer.value(Int64(number))
            ReferenceDocuments.differences(differences, in: &writer)
        }
    }

    /// `GET /v1/service-requests/{id}/service`: the service as the catalogue had it when the request was made.
    func requestedService(_ request: Request, _ segment: Substring, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard request.method == .get else { throw Self.notAllowed("GET") }
        trail.route = "service"
        let tenant = try await identified(request, trail).tenant
        let id = try await number(segment, tenant)
        trail.request = id
        let service = try await stored { () async throws(StorageError) in try await references.service(of: id, tenant: tenant.id) }
        guard let service else { throw Problem(404, .unknownRequest) }
        return ReferenceDocuments.answer { writer in
            writer.name("service_request_id")
            writer.quoted(id.rawValue)
            writer.name("service_code")
            writer.value(service.code)
            writer.name("catalogue_version")
            if let version = service.catalogueVersion { writer.value(Int64(version)) } else { writer.null() }
            writer.name("service")
            if let definition = service.definition { writer.json(definition) } else { writer.null() }
        }
    }

    // MARK: Changing

    private func publish(
        _ kind: ReferenceKind, _ number: Int32, _ request: Request, _ query: ReferenceQuery, _ isWithdrawn: Bool, _ tenant: Tenant
    ) async throws(Problem) -> Response {
        let expected = try await expectation(kind, request, tenant)
        let change: ReferenceChange
        do {
            change = try await references.publish(
                kind, number, at: isWithdrawn ? .never : query.moment, expecting: expected, of: tenant.id)
        } catch {
            throw ReferenceDocuments.problem(error, kind: kind)
        }
        await show(change, kind)
        return Self.answer(change, kind, query)
    }

    private func rollBack(
        _ kind: ReferenceKind, _ request: Request, _ query: ReferenceQuery, _ tenant: Tenant, _ key: String, _ trail: RequestTrail
    ) async throws(Problem) -> Response {
        let body = try? JSONReader.value(try await collect(request, trail))
        guard let to = body?["to"]?.number.flatMap({ Int32(exactly: $0) }), to > 0 else {
            throw Problem(400, "invalid-parameter", "Invalid parameter", "Send the version to go back to as {\"to\": 7}.")
        }
        let expected = try await expectation(kind, request, tenant)
        if query.isDryRun { return try await previewRollBack(kind, to, tenant) }
        let change: ReferenceChange
        do {
            change = try await references.rollBack(kind, to: to, by: "crm:" + key, note: query.note, expecting: expected, of: tenant.id)
        } catch {
            throw ReferenceDocuments.problem(error, kind: kind)
        }
        await show(change, kind)
        return Self.answer(change, kind, query)
    }

    /// What going back would change, or why it could not be done; nothing is.
    private func previewRollBack(_ kind: ReferenceKind, _ number: Int32, _ tenant: Tenant) async throws(Problem) -> Response {
        let wanted = try await found(kind, number, tenant)
        guard [.published, .superseded].contains(wanted.version.state) else { throw ReferenceDocuments.unknownVersion(kind) }
        let live = try await stored { () async throws(StorageError) in try await references.live(kind, of: tenant.id) }
        let document = (try? JSONReader.value(wanted.body)) ?? .null
        let findings = try await stored { () async throws(StorageError) in
            try await references.findings(on: document, of: kind, tenant: tenant.id)
        }
        guard findings.faults.isEmpty else { throw ReferenceDocuments.problem(ReferenceRefusal.idsTaken, kind: kind) }
        let differences = try await Self.aside(kind) { () -> [ReferenceDifference] in
            ReferenceDifference.between(live.flatMap { try? JSONReader.value($0.body) }, document, key: kind.entryKey)
        }
        return Self.preview(differences, findings.advice, kind, live?.version.number)
    }

    /// What was published holds for the next update that comes to this process, before its sender has his answer: of all kinds the
    /// mapping alone is what updates are read by.
    func show(_ change: ReferenceChange, _ kind: ReferenceKind) async {
        guard kind == .statusMapping else { return }
        switch change.outcome {
        // The publication stands whether this succeeds or not: the directory is read again every few seconds.
        case .published: try? await directory.load()
        // Somebody else may have published the same a moment ago.
        case .unchanged: _ = await directory.refreshAfterMiss()
        case .scheduled, .draft: break
        }
    }

    /// The live version's number when the caller says which one he knows; nil when he does not say.
    private func expectation(_ kind: ReferenceKind, _ request: Request, _ tenant: Tenant) async throws(Problem) -> Int32? {
        let precondition = ReferencePrecondition(request)
        guard precondition.isThere else { return nil }
        let live = try await stored { () async throws(StorageError) in
            try await references.notable(kind, of: tenant.id).first { $0.state == .published }
        }
        try precondition.check(live, kind)
        return live?.number ?? 0
    }

    static func answer(
        _ change: ReferenceChange, _ kind: ReferenceKind, _ query: ReferenceQuery, live: Int32? = nil,
        differences: [ReferenceDifference]? = nil, advice: [ReferenceFault] = []
    ) -> Response {
        let status: HTTPResponse.Status =
            switch change.outcome {
            case .published, .draft: .created
            case .scheduled: .accepted
            case .unchanged: .ok
            }
        var response = ReferenceDocuments.answer(status) { writer in
            writer.name("kind")
            writer.value(kind.pathName)
            writer.name("outcome")
            writer.value(change.outcome.rawValue)
            writer.name("version")
            writer.value(Int64(change.number))
            if change.outcome == .scheduled, case .at(let moment) = query.moment {
                writer.name("publish_datetime")
                writer.value(moment)
            }
            if let differences { ReferenceDocuments.differences(differences, in: &writer) }
            ReferenceDocuments.advice(advice, in: &writer)
        }
        if change.number > 0 {
            response.headers[.location] = "/v1/reference-data/\(kind.pathName)/versions/\(change.number)"
            if change.outcome == .published || change.outcome == .unchanged {
                response.headers[.eTag] = "\"\(kind.pathName)-\(change.number)\""
            }
        }
        return response
    }

    // MARK: Work

    /// Runs long computations away from the threads on which every other call is answered.
    static func aside<Value: Sendable>(_ kind: ReferenceKind, _ work: @escaping @Sendable () throws(ReferenceFaults) -> Value)
        async throws(Problem) -> Value
    {
        do { return try await ReferenceStore.aside(work) } catch { throw ReferenceDocuments.problem(error, kind: kind) }
    }
}
