import ArgumentParser
import Bus
import Open311
import Storage

/// Whose dead letters a name on the command line means: a tenant's key, or a queue's name as `dead-letters list` prints it.
struct DeadLetterPlace {
    /// On the broker.
    let queue: String
    let virtualHost: String
    /// Whose events they are; nil for statuses, which those of a virtual host have together.
    let tenant: Tenant?
    /// Only statuses of this one.
    let sender: TenantKey?

    /// A tenant's.
    init(_ tenant: Tenant) {
        self.init(queue: Topology(tenant: tenant.key).deadQueue, virtualHost: tenant.virtualHost, tenant: tenant)
    }

    private init(queue: String, virtualHost: String, tenant: Tenant? = nil, sender: TenantKey? = nil) {
        self.queue = queue
        self.virtualHost = virtualHost
        self.tenant = tenant
        self.sender = sender
    }

    /// - Parameters:
    ///   - virtualHost: of a queue that several may have; nil where that is no question.
    ///   - tenants: all there are.
    /// - Throws: a `ValidationError` that says which names there are.
    init(_ name: String, virtualHost: String?, among tenants: [Tenant]) throws {
        let owner = tenants.first { tenant in
            let names = Topology(tenant: tenant.key)
            return [tenant.key.rawValue, names.deadQueue, names.requestQueue].contains(name)
        }
        if let owner {
            guard virtualHost == nil || virtualHost == owner.virtualHost else {
                throw ValidationError("\(name) is in the virtual host \(owner.virtualHost): leave out --virtual-host.")
            }
            self.init(owner)
            return
        }
        guard Self.holdsStatuses(name) else {
            throw ValidationError(
                "There is no tenant \(name). List them: bus311 tenant list. Queues beside theirs: \(SharedTopology.statusDeadQueue), "
                    + "\(SharedTopology.strayQueue), and o311.<tenant>.status-in for one tenant's statuses.")
        }
        let sender = Topology.owner(ofStatusQueue: name)
        let all = Set(tenants.map(\.virtualHost)).sorted()
        let known = virtualHost ?? tenants.first { $0.key == sender }?.virtualHost
        guard let host = known ?? (all.count == 1 ? all.first : nil) else {
            throw ValidationError("Name the virtual host of \(name) with --virtual-host: \(all.joined(separator: ", ")).")
        }
        guard all.contains(host) else {
            throw ValidationError("No tenant is in the virtual host \(host). There are: \(all.joined(separator: ", ")).")
        }
        self.init(
            queue: name == SharedTopology.strayQueue ? name : SharedTopology.statusDeadQueue, virtualHost: host, sender: sender)
    }

    /// Whether a queue of this name holds, or loses to the dead letters, what CRMs sent.
    static func holdsStatuses(_ name: String) -> Bool {
        [SharedTopology.statusDeadQueue, SharedTopology.strayQueue].contains(name) || Topology.owner(ofStatusQueue: name) != nil
    }

    /// Every place where there may be dead letters.
    static func all(of tenants: [Tenant]) -> [DeadLetterPlace] {
        tenants.map { DeadLetterPlace($0) }
            + Set(tenants.map(\.virtualHost)).sorted().flatMap { host in
                [SharedTopology.statusDeadQueue, SharedTopology.strayQueue].map { DeadLetterPlace(queue: $0, virtualHost: host) }
            }
    }
}

extension Administration {
    /// The place of that name, noted for the audit.
    func deadLetterPlace(_ name: String, virtualHost: String?) async throws -> DeadLetterPlace {
        let tenants = try await store.tenants()
        let place = try DeadLetterPlace(name, virtualHost: virtualHost, among: tenants)
        if let owner = place.tenant ?? tenants.first(where: { $0.key == place.sender }) { AdministrationTrail.current?.note(owner.id) }
        return place
    }

    func deadLetters(at place: DeadLetterPlace) throws -> DeadLetterBox {
        try DeadLetterBox(broker: try settings.redriveBroker, queue: place.queue, virtualHost: place.virtualHost)
    }

    /// Opens dead letters to send them back or to remove them: by one command at a time, or each would have a part of them.
    func alone<Value>(at place: DeadLetterPlace, _ work: (DeadLetterBox, ReplayStore) async throws -> Value) async throws -> Value {
        try await using(try ReplayStore(configuration: try settings.database(.admin))) { store in
            guard try await store.takeDeadLetters(of: place.tenant?.id) else {
                throw ValidationError(
                    "Another command is at work on the dead letters of \(place.tenant?.key.rawValue ?? place.queue), and holds them: "
                        + "repeat this one when it is done.")
            }
            return try await using(try deadLetters(at: place)) { try await work($0, store) }
        }
    }
}
