import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Open311
import Storage

/// Updates, one by one and many at once, and reading back what they made.
extension StatusIngestService {
    /// - Parameter words: of the path, below `/v1`.
    /// - Returns: nil when the path is none of these.
    func lifecycle(_ words: ArraySlice<Substring>, _ request: Request, _ trail: RequestTrail) async throws(Problem) -> Response? {
        let words = Array(words)
        switch (words.first, words.count) {
        case ("service-requests", 1):
            let tenant = try await enter(request, trail, "service-requests", allowed: [.get])
            return try await search(request, tenant)
        case ("service-requests", 2):
            let tenant = try await enter(request, trail, "service-request", allowed: [.get])
            return try await show(words[1], tenant)
        case ("service-requests", 3) where words[2] == "updates":
            let tenant = try await enter(request, trail, "updates", allowed: [.get])
            return try await received(request, words[1], tenant)
        case ("service-requests", 3) where words[2] == "photos":
            let tenant = try await enter(request, trail, "photos", allowed: [.post])
            return try await addPhoto(request, words[1], tenant, trail)
        case ("service-requests", 4) where words[2] == "updates":
            let tenant = try await enter(request, trail, "updates", allowed: [.put, .get])
            if request.method == .get { return try await received(words[1], try Self.updateID(words[3]), tenant) }
            return try await countingRefusals(tenant) { () async throws(Problem) in
                try await apply(request, words[1], try Self.updateID(words[3]), tenant, trail)
            }
        case ("status-updates", 2) where words[1] == "refused":
            let tenant = try await enter(request, trail, "refused updates", allowed: [.get])
            return try await refused(request, tenant)
        case ("status-updates", 1):
            let tenant = try await enter(request, trail, "status-updates", allowed: [.post])
            return try await countingRefusals(tenant) { () async throws(Problem) in try await applyBatch(request, tenant, trail) }
        case ("tokens", 2):
            let tenant = try await enter(request, trail, "tokens", allowed: [.put, .get])
            return try await token(request, FormReader.pathSegment(words[1]) ?? "", tenant, trail)
        default: return nil
        }
    }

    private func enter(
        _ request: Request, _ trail: RequestTrail, _ route: String, allowed: [HTTPRequest.Method]
    ) async throws(Problem) -> Tenant {
        trail.route = route
        guard allowed.contains(request.method) else { throw Self.notAllowed(allowed.map(\.rawValue).joined(separator: ", ")) }
        return try await authenticated(request, trail)
    }

    static func requireJSON(_ request: Request) throws(Problem) {
        let fault = StatusUpdateForm.fault(type: request.headers[.contentType] ?? "", encoding: request.headers[.contentEncoding])
        if let fault { throw Problem(415, fault) }
    }

    /// A body's members by their names.
    static func object(in body: [UInt8]) throws(Problem) -> [String: JSONValue] {
        do {
            let members = try StatusUpdateFault.object(in: body)
            return Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        } catch {
            throw Problem(400, error)
        }
    }

    private static func updateID(_ segment: Substring) throws(Problem) -> String {
        guard let id = FormReader.pathSegment(segment), StatusUpdateForm.isUpdateID(id) else { throw Problem(400, .invalidUpdateID) }
        return id
    }

    /// A call that is refused whole counts as one update, whatever it was refused for.
    private func countingRefusals(
        _ tenant: Tenant, _ answer: () async throws(Problem) -> Response
    ) async throws(Problem) -> Response {
        do { return try await answer() } catch {
            await count([error.isTheSenders ? "refused" : "failed": 1], tenant)
            throw error
        }
    }

    /// For the metrics, and for the alert on repeated failures: both doors are counted alike.
    private func count(_ results: [String: Int], _ tenant: Tenant) async {
        for (word, count) in results { HTTPMetrics.statusUpdates(count, tenant: tenant.key.rawValue, result: word) }
        guard let refused = results["refused"] else { return }
        do { try await updates.countRefused(refused, tenant: tenant.id) } catch {
            logger.warning("refusals not counted", metadata: ["count": "\(refused)", "error": "\(error)"])
        }
    }

    // MARK: One update

    private func apply(
        _ request: Request, _ segment: Substring, _ updateID: String, _ tenant: Tenant, _ trail: RequestTrail
    ) async throws(Problem) -> Response {
        let address = try address(segment)
        trail.request = address.number
        try Self.requireJSON(request)
        let body = try await collect(request, trail)
        let (update, named): (StatusUpdate, RequestAddress?)
        do {
            let form = try StatusUpdateForm(parsing: body)
            named = try form.namedRequest()
            update = try await read(tenant, isMapped: { $0.unmapped == nil }) { (mapping) throws(StatusUpdateFault) in
                try form.update(id: updateID, receivedAt: .now, mapping: mapping)
            }
        } catch {
            await keep([(updateID, address, error)], tenant)
            throw Problem(400, error)
        }
        if let named, named != address { try await refuse(updateID, naming: named, unlessItIs: address, tenant) }
        let one = AddressedUpdate(update, to: address, expectedVersions: Self.versions(request))
        let applied: AppliedUpdate
        do {
            applied = try await updates.apply(one, of: tenant.id)
        } catch {
            throw Self.problem(error)
        }
        await count([applied.outcome.rawValue: 1], tenant)
        if let delay = applied.firstAfter { HTTPMetrics.acknowledged(tenant: tenant.key.rawValue, after: delay) }
        trail.request = applied.request
        trail.objects = applied.outcome.rawValue
        trail.requestTrace = applied.traceID
        var response = Self.json(applied.outcome == .applied ? .created : .ok) { LifecycleDocuments.write(applied, updateID, &$0) }
        response.headers[.eTag] = "\"\(applied.version)\""
        return response
    }

    /// Reads by the mapping that is known here and, where a code has no meaning by it, once more by the newest: another process may have
    /// published it a moment ago.
    private func read<Value>(
        _ tenant: Tenant, isMapped: (Value) -> Bool, _ read: (StatusMapping) throws(StatusUpdateFault) -> Value
    ) async throws(StatusUpdateFault) -> Value {
        let known = tenant.policies.lifecycle.mapping
        let value = try read(known)
        if isMapped(value) { return value }
        let newest = await directory.refreshAfterMiss().tenant(tenant.id)?.policies.lifecycle.mapping ?? known
        return newest == known ? value : try read(newest)
    }

    /// Two names may be of one request: ours, and the one that the CRM gave.
    private func refuse(
        _ updateID: String, naming named: RequestAddress, unlessItIs address: RequestAddress, _ tenant: Tenant
    ) async throws(Problem) {
        let meant = try await number(of: address, tenant)
        let found: ServiceRequestID?
        do { found = try await updates.number(of: named, tenant: tenant.id) } catch { throw Self.problem(.storage(error)) }
        guard found != meant else { return }
        let fault = StatusUpdateFault.invalid([
            .init(pointer: "/service_request_id", text: "service_request_id names another request than the path. Leave it out.")
        ])
        await keep([(updateID, address, fault)], tenant)
        throw Problem(400, fault)
    }

    /// What `If-Match` lets pass; nil lets everything pass.
    private static func versions(_ request: Request) -> [String]? {
        guard let header = request.headers[.ifMatch] else { return nil }
        let tags = header.split(separator: ",").map { $0.filter { $0 != " " } }
        // A weak validator matches nothing here (RFC 9110, 13.1.1).
        return tags.contains("*") ? nil : tags.map { $0.filter { $0 != "\"" } }
    }

    // MARK: Many updates

    private func applyBatch(_ request: Request, _ tenant: Tenant, _ trail: RequestTrail) async throws(Problem) -> Response {
        try Self.requireJSON(request)
        guard request.headers[.ifMatch] == nil else {
            throw Problem(
                400, "unconditional-batch", "No condition on a batch",
                "A batch is of many requests and has no version that If-Match could name: nothing of it was applied. Send what depends on a "
                    + "version with PUT /v1/service-requests/{id}/updates/{update_id}, or the batch without If-Match.")
        }
        let body = try await collect(request, trail, atMost: StatusBatchForm.maximumSize)
        let items: [StatusBatchForm.Item]
        do {
            let form = try StatusBatchForm(parsing: body)
            items = try await read(tenant, isMapped: { $0.allSatisfy(\.isMapped) }) { (mapping) throws(StatusUpdateFault) in
                form.items(receivedAt: .now, mapping: mapping)
            }
        } catch {
            throw Problem(error.code == "too-many-updates" ? 413 : 400, error)
        }
        var sent: [AddressedUpdate] = []
        for item in items {
            if case .success(let content) = item.content { sent.append(AddressedUpdate(content.update, to: content.address)) }
        }
        let judged: [Result<AppliedUpdate, StatusUpdateRefusal>]
        do { judged = try await updates.apply(sent, of: tenant.id) } catch { throw Self.problem(.storage(error)) }
        await keep(items.compactMap(Self.fault), tenant)
        var next = judged.makeIterator()
        let results = items.enumerated().map { index, item -> Result<AppliedUpdate, Problem> in
            let place = StatusBatchForm.place(of: index)
            switch item.content {
            case .failure(let fault): return .failure(Problem(fault == .unknownRequest ? 404 : 400, fault.placed(at: place)))
            case .success:
                switch next.next() {
                case .success(let applied): return .success(applied)
                case .failure(let refusal): return .failure(Self.problem(refusal, at: place))
                case nil: return .failure(Self.problem(.storage(StorageError(.internalFault))))
                }
            }
        }
        await count(Dictionary(results.map { (Self.word(of: $0), 1) }, uniquingKeysWith: +), tenant)
        for result in results {
            if let delay = (try? result.get())?.firstAfter { HTTPMetrics.acknowledged(tenant: tenant.key.rawValue, after: delay) }
        }
        trail.objects = "updates \(items.count)"
        return Self.json(.ok) { LifecycleDocuments.write(items, results, &$0) }
    }

    private static func word(of result: Result<AppliedUpdate, Problem>) -> String {
        switch result {
        case .success(let applied): applied.outcome.rawValue
        case .failure(let problem): problem.isTheSenders ? "refused" : "failed"
        }
    }

    private static func fault(
        _ item: StatusBatchForm.Item
    ) -> (update: String, request: RequestAddress?, fault: StatusUpdateFault)? {
        guard case .failure(let fault) = item.content, let id = item.updateID, StatusUpdateForm.isUpdateID(id) else { return nil }
        return (id, item.requestText.flatMap { RequestAddress(serviceRequestID: $0) }, fault)
    }

    /// So that their sender can read them back. The refusal stands whether this succeeds or not.
    private func keep(
        _ refusals: [(update: String, request: RequestAddress?, fault: StatusUpdateFault)], _ tenant: Tenant
    ) async {
        do { try await updates.keep(refusals, tenant: tenant.id) } catch {
            logger.warning("refusals not kept", metadata: ["count": "\(refusals.count)", "error": "\(error)"])
        }
    }

    // MARK: Reading

    private func show(_ segment: Substring, _ tenant: Tenant) async throws(Problem) -> Response {
        let address = try address(segment)
        return Self.shown(try await view { () async throws(StorageError) in try await updates.view(of: address, tenant: tenant.id) })
    }

    private static func shown(_ view: LifecycleView) -> Response {
        var response = json(.ok) { LifecycleDocuments.write(view, &$0) }
        response.headers[.eTag] = "\"\(view.version)\""
        return response
    }

    private func view(_ read: () async throws(StorageError) -> LifecycleView?) async throws(Problem) -> LifecycleView {
        let found: LifecycleView?
        do { found = try await read() } catch { throw Self.problem(.storage(error)) }
        guard let found else { throw Problem(404, .unknownRequest) }
        return found
    }

    /// `GET /v1/service-requests?external_reference=…`, or by token: a list of one or none.
    private func search(_ request: Request, _ tenant: Tenant) async throws(Problem) -> Response {
        let query = try FormFields(of: request, knowing: ["external_reference", "token"]) { text in
            Problem(400, "invalid-search", "Invalid search", text)
        }
        let reference = query["external_reference"]
        let token = query["token"]
        let found: LifecycleView?
        do {
            switch (reference, token) {
            case (let reference?, nil) where (1...255).contains(reference.unicodeScalars.count):
                found = try await updates.view(of: .reference(CleanText.withoutControls(reference)), tenant: tenant.id)
            case (nil, let token?): found = try await updates.view(ofToken: CleanText.withoutControls(token), tenant: tenant.id)
            default:
                throw Problem(
                    400, "invalid-search", "Invalid search", "Give one of external_reference (1 to 255 characters) and token.")
            }
        } catch let problem as Problem {
            throw problem
        } catch let error as StorageError {
            throw Self.problem(.storage(error))
        } catch {
            throw Self.problem(.storage(StorageError(.internalFault)))
        }
        return Self.json(.ok) { writer in
            writer.name("service_requests")
            writer.beginArray()
            if let found {
                writer.beginObject()
                LifecycleDocuments.write(found, &writer)
                writer.endObject()
            }
            writer.endArray()
        }
    }

    /// `GET /v1/service-requests/{id}/updates?limit=…&after=…`: a page at a time; `Link` leads to the next one.
    private func received(_ request: Request, _ segment: Substring, _ tenant: Tenant) async throws(Problem) -> Response {
        let (limit, after) = try Self.page(request)
        let id = try await existing(segment, tenant)
        let kept: [KeptUpdate]
        let refused: [KeptRefusal]
        do {
            kept = try await updates.received(for: id, after: after, limit: limit, tenant: tenant.id)
            refused = try await updates.refused(for: id, tenant: tenant.id)
        } catch {
            throw Self.problem(.storage(error))
        }
        var response = Self.json(.ok) { writer in
            writer.name("service_request_id")
            writer.quoted(id.rawValue)
            writer.name("updates")
            writer.beginArray()
            for update in kept {
                writer.beginObject()
                LifecycleDocuments.write(update, &writer)
                writer.endObject()
            }
            writer.endArray()
            writer.name("refused")
            LifecycleDocuments.write(refused, &writer)
        }
        if kept.count == limit, let last = kept.last {
            let path = "/v1/service-requests/\(id)/updates?limit=\(kept.count)&after=\(FormWriter.escaped(last.id))"
            response.headers[Self.link] = "<\(path)>; rel=\"next\""
        }
        return response
    }

    private static func invalidQuery(_ text: String) -> Problem { Problem(400, "invalid-query", "Invalid query", text) }

    /// `limit`, a thousand without it, and `after` of a list that is read a page at a time.
    private static func page(_ request: Request) throws(Problem) -> (limit: Int32, after: String?) {
        let query = try FormFields(of: request, knowing: ["limit", "after"], invalidQuery)
        guard let text = query["limit"] else { return (1_000, query["after"]) }
        guard let number = Int32(text), (1...1_000).contains(number) else { throw invalidQuery("limit must be 1 to 1000.") }
        return (number, query["after"])
    }

    /// `GET /v1/status-updates/refused?limit=…&after=…`: of all requests, the newest first; `Link` leads to the next page.
    private func refused(_ request: Request, _ tenant: Tenant) async throws(Problem) -> Response {
        let (limit, after) = try Self.page(request)
        let below = try after.map { (text) throws(Problem) in
            guard let number = Int64(text), number > 0 else { throw Self.invalidQuery("after must be what the Link header gave.") }
            return number
        }
        let refused: [KeptRefusal]
        do { refused = try await updates.refused(for: nil, below: below, limit: limit, tenant: tenant.id) } catch {
            throw Self.problem(.storage(error))
        }
        var response = Self.json(.ok) { writer in
            writer.name("refused")
            LifecycleDocuments.write(refused, &writer)
        }
        if refused.count == limit, let last = refused.last {
            response.headers[Self.link] = "</v1/status-updates/refused?limit=\(limit)&after=\(last.number)>; rel=\"next\""
        }
        return response
    }

    private func received(_ segment: Substring, _ updateID: String, _ tenant: Tenant) async throws(Problem) -> Response {
        let id = try await existing(segment, tenant)
        let kept: KeptUpdate?
        var refused: KeptRefusal?
        do {
            kept = try await updates.received(for: id, update: updateID, tenant: tenant.id).first
            if kept == nil { refused = try await updates.refused(for: id, update: updateID, tenant: tenant.id).first }
        } catch {
            throw Self.problem(.storage(error))
        }
        if let kept { return Self.json(.ok) { LifecycleDocuments.write(kept, &$0) } }
        if let refused { return Self.json(.ok) { LifecycleDocuments.write(refused, &$0) } }
        throw Problem(
            404, "unknown-update", "Unknown update",
            "No update of this id was accepted or, in the last 60 days, refused for this request: send it.")
    }

    func existing(_ segment: Substring, _ tenant: Tenant) async throws(Problem) -> ServiceRequestID {
        let address = try address(segment)
        return try await view { () async throws(StorageError) in try await updates.view(of: address, tenant: tenant.id) }.id
    }

    static func json(_ status: HTTPResponse.Status, _ members: (inout JSONWriter) -> Void) -> Response {
        var writer = JSONWriter(capacity: 512)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
