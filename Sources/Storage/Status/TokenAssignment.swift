import Open311
import Postgres

/// What became of a token.
public struct AssignedToken: Sendable, Equatable {
    /// False when it was so already.
    public let isChange: Bool
    public let view: LifecycleView
}

/// Why a token was not given an id; nothing has changed then.
public enum TokenRefusal: Error, Sendable {
    case unknownToken
    case erasedRequest
    /// Citizens know it under this id already.
    case resolved(String)
    /// Another request of the tenant has the id.
    case identifierInUse
    /// Another request of the tenant has the reference.
    case referenceInUse
    case storage(StorageError)
}

extension StatusUpdateStore {
    /// Gives the request behind a token its id: the CRM's, or ours when it gives none. That is an acknowledgement too.
    ///
    /// - Parameter reference: the CRM's own, where it tells one; it has its place in the request's history, as in any other update.
    public func assign(
        _ given: GivenID?, reference: String?, toToken token: String, of tenant: TenantID
    ) async throws(TokenRefusal) -> AssignedToken {
        let outcome: Result<Bool, TokenRefusal>
        let view: LifecycleView?
        do {
            outcome = try await pool.run { (session) throws(PostgresError) in
                try session.transaction { (session) throws(PostgresError) in
                    try Self.assign(given, reference, token, tenant, session)
                }
            }
            _ = try outcome.get()
            view = try await self.view(ofToken: token, tenant: tenant)
        } catch let error as TokenRefusal {
            throw error
        } catch let error as PostgresError {
            throw .storage(StorageError(error))
        } catch let error as StorageError {
            throw .storage(error)
        } catch {
            throw .storage(StorageError(.internalFault))
        }
        guard let view, case .success(let isChange) = outcome else { throw .unknownToken }
        return AssignedToken(isChange: isChange, view: view)
    }

    private static func assign(
        _ given: GivenID?, _ reference: String?, _ token: String, _ tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> Result<Bool, TokenRefusal> {
        let found = try session.pipeline([
            RequestSQL.tenant(tenant), (TokenSQL.lock, [.int32(tenant.rawValue), .text(token)]),
        ])
        guard let row = found[1].first else { return .failure(.unknownToken) }
        guard try !row.bool(3) else { return .failure(.erasedRequest) }
        let id = try row.int64(0)
        let (isResolved, current) = (try row.bool(1), row.optionalText(2))
        if isResolved, let given, given.text != current { return .failure(.resolved(current ?? String(id))) }
        let names = [("given", given?.text), ("reference", reference)].compactMap { kind, name in name.map { (kind: kind, name: $0) } }
        var missing = names
        if !names.isEmpty {
            let taken = try session.execute(
                StatusSQL.names, [.int32(tenant.rawValue), .texts(names.map(\.kind)), .texts(names.map(\.name))])
            for index in 0..<taken.count {
                let (kind, name) = (try taken[index].text(0), try taken[index].text(1))
                guard try taken[index].int64(2) == id else { return .failure(kind == "given" ? .identifierInUse : .referenceInUse) }
                missing.removeAll { $0.kind == kind && $0.name == name }
            }
        }
        if !missing.isEmpty {
            let kept = try session.execute(
                StatusSQL.keepNames,
                [
                    .int32(tenant.rawValue), .texts(missing.map(\.kind)), .texts(missing.map(\.name)), .int64s(missing.map { _ in id }),
                ])
            guard kept.count == missing.count else {
                throw PostgresError(.refused, sqlState: "40001", statement: StatusSQL.keepNames.name, detail: "a name was taken meanwhile")
            }
        }
        let isNew = !missing.isEmpty
        guard !isResolved || isNew else { return .success(false) }
        _ = try session.execute(TokenSQL.assign, [.int32(tenant.rawValue), .int64(id), .text(given?.text)])
        if let reference, missing.contains(where: { $0.kind == "reference" }) {
            try remember(reference, of: ServiceRequestID(stored: id), tenant, session)
        }
        return .success(true)
    }

    /// An update without a name of the CRM's own: what is older and comes later does not take the reference away.
    private static func remember(
        _ reference: String, of request: ServiceRequestID, _ tenant: TenantID, _ session: Session
    ) throws(PostgresError) {
        let now = Timestamp.now
        var update = StatusUpdate(
            id: "token.\(EventID(at: now))", occurredAt: now, namesItsMoment: false, status: nil, statusNotes: nil, agencyResponsible: nil,
            expectedAt: nil, serviceNotice: nil, externalReference: reference)
        update.isAcknowledgement = true
        var judge = LifecycleJudge(tenant: tenant, door: .rest)
        let outcomes = try judge.apply([AddressedUpdate(update, to: .number(request))], session)
        guard case .success? = outcomes.first else {
            throw PostgresError(.refused, sqlState: "40001", detail: "the reference of a token was refused")
        }
    }
}
