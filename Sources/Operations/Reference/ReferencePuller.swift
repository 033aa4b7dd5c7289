import Curl
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Fetches tenants' reference data from where they say, or asks their CRMs, each at its own pace; several may run at once.
public struct ReferencePuller: ServiceLifecycle.Service {
    private let store: ReferenceStore
    private let fetch: ReferenceFetch
    private let origin: ServiceRequestEvent.Origin
    private let logger: Logger

    /// Longer than the longest fetch with all its redirects.
    private static let lease: Int32 = 300
    private static let interval = Duration.seconds(1)
    /// Seconds until the second try; each further one waits twice as long, up to the usual pace.
    static let firstPause: Int32 = 60

    /// - Parameters:
    ///   - store: of the watch or the administration role.
    ///   - allowed: private addresses that may be asked all the same.
    ///   - authorities: PEM file of the authorities to trust instead of the system's.
    public init(
        store: ReferenceStore, allowed: Set<LinkGuard.Endpoint>, authorities: String?, origin: ServiceRequestEvent.Origin, logger: Logger
    ) throws {
        self.store = store
        fetch = ReferenceFetch(
            client: try HTTPClient(name: "bus311-refdata", certificateAuthorityFile: authorities), linkGuard: LinkGuard(allowed: allowed))
        self.origin = origin
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var worked = false
                do {
                    if let pull = try await store.takePull(lease: Self.lease) {
                        worked = true
                        _ = try await work(pull)
                    }
                } catch {
                    // The lease ends, and somebody tries again.
                    logger.warning("reference data not fetched", metadata: ["error": "\(error)"])
                }
                if !worked { try? await Task.sleep(for: Self.interval) }
            }
        }
        await close()
        await store.close()
    }

    public func close() async { await fetch.client.close() }

    /// Fetches one now, due or not.
    ///
    /// - Returns: nil when none is set, or somebody is at it.
    public func now(_ kind: ReferenceKind, of tenant: TenantID) async throws(StorageError) -> PullResult? {
        guard let pull = try await store.takePull(kind, of: tenant, lease: Self.lease) else { return nil }
        return try await work(pull)
    }

    private func work(_ pull: ReferencePull) async throws(StorageError) -> PullResult {
        let result = try await result(of: pull)
        Counter(label: "o311_reference_pulls_total", dimensions: [("kind", pull.kind.rawValue), ("outcome", result.outcome.rawValue)])
            .increment()
        if result.outcome.isFailure {
            logger.warning(
                "reference data not fetched",
                metadata: [
                    "tenant_number": "\(pull.tenant.rawValue)", "kind": "\(pull.kind.rawValue)", "outcome": "\(result.outcome.rawValue)",
                ])
        }
        try await store.settle(pull, result, nextIn: Self.pause(after: result.outcome, of: pull))
        return result
    }

    /// Seconds until the next fetch.
    static func pause(after outcome: ReferencePull.Outcome, of pull: ReferencePull) -> Int32 {
        pause(isFailure: outcome.isFailure, failures: pull.failures, everySeconds: pull.everySeconds)
    }

    /// - Parameter failures: before this one.
    static func pause(isFailure: Bool, failures: Int32, everySeconds: Int32) -> Int32 {
        guard isFailure else { return everySeconds }
        return min(everySeconds, firstPause << min(max(failures, 0), 16))
    }

    private func result(of pull: ReferencePull) async throws(StorageError) -> PullResult {
        guard let tenant = try await store.tenant(pull.tenant) else { return PullResult(.invalid, "the tenant is gone") }
        guard let url = pull.url else {
            let what: OperatorNotice.ReferenceData = pull.kind == .catalogue ? .services : .pointsOfInterest
            try await store.send(.refresh([what], because: "As scheduled.", of: tenant.key, origin: origin), to: tenant)
            return PullResult(.asked)
        }
        let fetched = await OutgoingCalls.$tenant.withValue(pull.tenant.rawValue) {
            await fetch.fetch(url, allowsCleartext: pull.allowsCleartext, etag: pull.etag, lastModified: pull.lastModified)
        }
        switch fetched {
        case .notModified: return PullResult(.notModified)
        case .failed(let failure, let detail):
            let outcome: ReferencePull.Outcome =
                switch failure {
                case .unreachable: .unreachable
                case .notAllowed: .notAllowed
                case .tooLarge: .tooLarge
                case .invalid: .invalid
                }
            return PullResult(outcome, detail)
        case .document(let bytes, let format, let etag, let lastModified):
            return try await publish(bytes, format, pull, tenant, from: url, etag, lastModified)
        }
    }

    /// How many there are, and the first three.
    private static func told(_ faults: [ReferenceFault], of count: Int, _ word: String) -> String {
        let first = faults.prefix(3).map(\.description).joined(separator: " ")
        return "\(count) \(word)\(count == 1 ? "" : "s"): \(first)"
    }

    private func publish(
        _ bytes: [UInt8], _ format: ReferenceSource.Format, _ pull: ReferencePull, _ tenant: Tenant, from url: String, _ etag: String?,
        _ lastModified: String?
    ) async throws(StorageError) -> PullResult {
        let kind = pull.kind
        let body: [UInt8]
        let advice: [ReferenceFault]
        do {
            let candidate = try await ReferenceStore.aside { () throws(ReferenceFaults) in
                try ReferenceSource(bytes, format, kind: kind, tenant: tenant).whole()
            }
            let findings = try await store.findings(on: candidate.document, of: kind, tenant: tenant.id)
            (body, advice) = try await ReferenceStore.aside { () throws(ReferenceFaults) in
                let checked = try candidate.checked(of: tenant, with: findings.faults)
                return (checked.value.canonicalBytes, checked.advice + candidate.placed(findings.advice))
            }
        } catch let error as StorageError {
            throw error
        } catch {
            let faults = error as? ReferenceFaults
            return PullResult(.invalid, Self.told(faults?.listed ?? [], of: faults?.count ?? 1, "fault"))
        }
        let host = LinkAddress(url)?.host ?? "?"
        do throws(ReferenceRefusal) {
            let change = try await store.put(NewReference(kind: kind, body: body, author: "pull:" + host), of: pull.tenant)
            return PullResult(
                change.outcome == .published ? .published : .unchanged,
                advice.isEmpty ? nil : Self.told(advice, of: advice.count, "remark"), version: change.number, etag: etag ?? "",
                lastModified: lastModified ?? "")
        } catch {
            switch error {
            case .storage(let error): throw error
            case .idsTaken: return PullResult(.invalid, "an id is that of a place of another kind")
            case .tooMany: return PullResult(.invalid, "500 versions were made within a day")
            case .stale, .unknownVersion, .superseded: return PullResult(.invalid, "another version is live")
            }
        }
    }
}
