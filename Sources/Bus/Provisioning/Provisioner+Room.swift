/// The disk is everybody's: a tenant whose queues fill it would block all others. So the sum of what all queues may hold stays below
/// what the disk has above the broker's limit.
extension Provisioner {
    /// Asks only when the plan lets queues grow.
    ///
    /// - Throws: `noRoom`.
    func requireRoom(for plan: ProvisioningPlan) async throws(ProvisioningError) {
        guard plan.work.contains(where: { $0.object == .queue || $0.object == .policy || $0.object == .operatorPolicy }) else { return }
        let promise: QueuePromise
        let room: Int?
        do {
            promise = try await QueuePromise.read(from: broker)
            room = try await broker.get([NodeDisk].self, ["nodes"])?.compactMap(\.room).min()
        } catch {
            throw .broker(error)
        }
        let needed = promise.after(plan).bytes
        // A broker that does not tell its disk is not asked twice; what does not grow is never refused.
        guard let room, needed > promise.bytes, needed > room else { return }
        throw .noRoom(needed: needed, room: room)
    }
}

private struct NodeDisk: Decodable {
    let room: Int?

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // A node that is down has none, one that just came up has texts in place of numbers.
        let free = try? container.decode(Int.self, forKey: .free)
        let limit = try? container.decode(Int.self, forKey: .limit)
        room = free.flatMap { free in limit.map { free - $0 } }
    }

    enum CodingKeys: String, CodingKey {
        case free = "disk_free"
        case limit = "disk_free_limit"
    }
}

/// What the queues of a broker may grow to: names and policies, and the sum that follows.
struct QueuePromise: Equatable {
    struct QueueName: Decodable, Hashable {
        let name: String
        let vhost: String
    }

    var queues: Set<QueueName>
    /// By virtual host.
    var policies: [String: [Policy]]
    var operatorPolicies: [String: [Policy]]

    static func read(from broker: BrokerAdministration) async throws(BrokerAdministrationError) -> QueuePromise {
        let queues = try await broker.list(QueueName.self, ["queues"], query: [("disable_stats", "true"), ("columns", "name,vhost")])
        let policies = try await broker.get([InVirtualHost<Policy>].self, ["policies"]) ?? []
        let operators = try await broker.get([InVirtualHost<Policy>].self, ["operator-policies"]) ?? []
        return QueuePromise(
            queues: Set(queues), policies: Dictionary(grouping: policies, by: \.virtualHost).mapValues { $0.map(\.value) },
            operatorPolicies: Dictionary(grouping: operators, by: \.virtualHost).mapValues { $0.map(\.value) })
    }

    /// Once the plan is carried out.
    func after(_ plan: ProvisioningPlan) -> QueuePromise {
        var promise = self
        for change in plan.work {
            switch change.step {
            case .putQueue(let queue): promise.queues.insert(QueueName(name: queue.name, vhost: plan.virtualHost))
            case .putPolicy(let policy): Self.replace(policy, in: &promise.policies[plan.virtualHost, default: []])
            case .putOperatorPolicy(let policy): Self.replace(policy, in: &promise.operatorPolicies[plan.virtualHost, default: []])
            case .deletePolicy(let name): promise.policies[plan.virtualHost]?.removeAll { $0.name == name }
            default: break
            }
        }
        return promise
    }

    private static func replace(_ policy: Policy, in list: inout [Policy]) {
        list.removeAll { $0.name == policy.name }
        list.append(policy)
    }

    /// Queues without any bound are not counted: they are not ours, and no sum would hold.
    var bytes: Int {
        var sum = 0
        for (vhost, names) in Dictionary(grouping: queues, by: \.vhost) {
            let own = Ruler(policies[vhost] ?? [])
            let operators = Ruler(operatorPolicies[vhost] ?? [])
            for queue in names {
                let bounds = [own.bound(of: queue.name), operators.bound(of: queue.name)].compactMap { $0 }
                sum = sum.addingReportingOverflow(bounds.min() ?? 0).partialValue
            }
        }
        return sum
    }

    /// Policies for queues, their patterns made ready once: a broker may have thousands of names.
    private struct Ruler {
        private let rules: [(pattern: Regex<AnyRegexOutput>, bound: Int?)]

        init(_ policies: [Policy]) {
            rules = policies.filter { $0.appliesTo != "exchanges" }.sorted { $0.priority > $1.priority }.compactMap { policy in
                guard let pattern = try? Regex(policy.pattern) else { return nil }
                guard case .integer(let bytes) = policy.definition["max-length-bytes"] else { return (pattern, nil) }
                return (pattern, bytes)
            }
        }

        /// Of the highest policy that matches; a lower one counts for nothing.
        func bound(of name: String) -> Int? { rules.first { name.contains($0.pattern) }?.bound }
    }
}
