import HTTPTypes
import Hummingbird
import Open311
import Storage

extension StatusIngestService {
    /// `PUT /v1/tokens/{token}` with `{"service_request_id": "…"}`: the id that the citizen will know; without one it is ours. GET says how
    /// things stand.
    func token(_ request: Request, _ token: String, _ tenant: Tenant, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard token.utf8.count == 32, token.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            throw Self.problem(TokenRefusal.unknownToken)
        }
        if request.method == .get {
            let view: LifecycleView?
            do { view = try await updates.view(ofToken: token, tenant: tenant.id) } catch {
                throw Self.problem(StatusUpdateRefusal.storage(error))
            }
            guard let view else { throw Self.problem(TokenRefusal.unknownToken) }
            return Self.answer(view, outcome: view.isResolved ? "resolved" : "pending")
        }
        let (given, reference) = try await names(request, trail)
        let assigned: AssignedToken
        do {
            assigned = try await updates.assign(given, reference: reference, toToken: token, of: tenant.id)
        } catch {
            throw Self.problem(error)
        }
        trail.request = assigned.view.id
        return Self.answer(assigned.view, outcome: assigned.isChange ? "applied" : "repeated")
    }

    /// Of the body: the id that the CRM gives and its own reference, each absent or right.
    private func names(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> (GivenID?, String?) {
        let body = try await collect(request, trail)
        guard !body.isEmpty else { return (nil, nil) }
        try Self.requireJSON(request)
        let members = try Self.object(in: body)
        var faults: [StatusUpdateFault.Member] = []
        func text(_ name: String) -> String? {
            guard let value = members[name], value != .null else { return nil }
            if let text = value.string { return text }
            faults.append(StatusUpdateFault.Member(pointer: "/\(name)", text: "\(name) must be a string."))
            return nil
        }
        var given: GivenID?
        if let id = text("service_request_id") {
            do { given = try GivenID(validating: id) } catch {
                faults.append(StatusUpdateFault.Member(pointer: "/service_request_id", text: "\(error)."))
            }
        }
        let reference = text("external_reference").map { CleanText.withoutControls($0) }
        if let reference, !(1...255).contains(reference.unicodeScalars.count) {
            faults.append(
                StatusUpdateFault.Member(pointer: "/external_reference", text: "external_reference must have 1 to 255 characters."))
        }
        guard faults.isEmpty else {
            throw Problem(
                400,
                StatusUpdateFault(
                    "invalid-identifier", "Invalid identifier", "Nothing was changed: correct the members listed.", members: faults))
        }
        return (given, reference)
    }

    private static func answer(_ view: LifecycleView, outcome: String) -> Response {
        var response = json(.ok) { writer in
            writer.name("outcome")
            writer.value(outcome)
            LifecycleDocuments.write(view, &writer)
        }
        response.headers[.eTag] = "\"\(view.version)\""
        return response
    }

    private static func problem(_ refusal: TokenRefusal) -> Problem {
        switch refusal {
        case .unknownToken:
            Problem(404, "unknown-token", "Unknown token", "No service request of your tenant was answered with this token.")
        case .erasedRequest: Problem(410, .erasedRequest)
        case .resolved(let id):
            Problem(
                409, "token-resolved", "Token resolved",
                "Citizens know this request as \(id) already: by an earlier PUT, by an update of yours, or because its time was over.")
        case .identifierInUse:
            Problem(409, "identifier-in-use", "Identifier in use", "Another service request of your tenant has this service_request_id.")
        case .referenceInUse: Problem(409, .referenceInUse)
        case .storage(let error): problem(StatusUpdateRefusal.storage(error))
        }
    }
}
