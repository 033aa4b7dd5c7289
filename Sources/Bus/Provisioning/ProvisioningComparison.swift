extension ProvisioningPlan {
    /// The changes from what is found to what is wanted, in the order to make them.
    init(from live: LiveTopology, to wanted: BrokerTopology) {
        let comparison = ProvisioningComparison(wanted: wanted, live: live)
        virtualHost = wanted.virtualHost
        changes =
            comparison.virtualHost + comparison.policies + comparison.operatorPolicies + comparison.exchanges + comparison.queues
            + comparison.bindings + comparison.users + comparison.permissions + comparison.topicPermissions + comparison.limits
            + comparison.shadows
    }
}

/// Compares kind by kind. Pure: it asks nobody.
private struct ProvisioningComparison {
    let wanted: BrokerTopology
    let live: LiveTopology

    var virtualHost: [ProvisioningChange] {
        live.virtualHostExists ? [] : [ProvisioningChange(.create, .virtualHost, wanted.virtualHost, step: .putVirtualHost)]
    }

    var policies: [ProvisioningChange] {
        compare(wanted.policies, with: live.policies, as: .policy) { .putPolicy($0) } + outdatedOverrides
    }

    /// Overrides that bear a queue's name are ours, and go with the limit that asked for them.
    private var outdatedOverrides: [ProvisioningChange] {
        let queues = Set(wanted.queues.map(\.name))
        let kept = Set(wanted.policies.map(\.name))
        return live.policies.filter { queues.contains($0.name) && !kept.contains($0.name) }.map { found in
            ProvisioningChange(
                .delete, .policy, found.name, details: ["the tenant has no limit of its own there"], step: .deletePolicy(found.name))
        }
    }

    /// Policies of somebody else that are in force in place of ours. A person may have good reasons, for a while.
    var shadows: [ProvisioningChange] {
        shadows(of: wanted.policies, in: live.policies, as: .policy, clear: "clear_policy")
            + shadows(of: wanted.operatorPolicies, in: live.operatorPolicies, as: .operatorPolicy, clear: "clear_operator_policy")
    }

    private func shadows(
        of wantedPolicies: [Policy], in livePolicies: [Policy], as object: ProvisioningChange.Object, clear: String
    ) -> [ProvisioningChange] {
        let known = Set(wantedPolicies.map(\.name)).union(wanted.queues.map(\.name))
        return livePolicies.filter { !known.contains($0.name) }.compactMap { foreign in
            let names =
                (foreign.appliesTo == "exchanges" ? [] : wanted.queues.map(\.name))
                + (["all", "exchanges"].contains(foreign.appliesTo) ? wanted.exchanges.map(\.name) : [])
            let ruled = names.filter { name in
                guard foreign.matches(name) else { return false }
                let ours = wantedPolicies.filter { $0.matches(name) }.map(\.priority).max() ?? .min
                return foreign.priority >= ours
            }
            guard !ruled.isEmpty else { return nil }
            return ProvisioningChange(
                .notice, object, foreign.name,
                details: ["it is not ours and is in force on \(ruled.joined(separator: ", ")): \(foreign.definition.readable)"],
                remedy: "rabbitmqctl \(clear) -p \(wanted.virtualHost) \(foreign.name) gives way to ours", step: .none)
        }
    }

    var operatorPolicies: [ProvisioningChange] {
        compare(wanted.operatorPolicies, with: live.operatorPolicies, as: .operatorPolicy) { .putOperatorPolicy($0) }
    }

    private func compare(
        _ wanted: [Policy],
        with live: [Policy],
        as object: ProvisioningChange.Object,
        step: (Policy) -> ProvisioningStep
    ) -> [ProvisioningChange] {
        wanted.compactMap { policy in
            guard let found = live.first(where: { $0.name == policy.name }) else {
                return ProvisioningChange(.create, object, policy.name, step: step(policy))
            }
            let details = found.properties.differences(from: policy.properties) + found.definition.differences(from: policy.definition)
            return details.isEmpty ? nil : ProvisioningChange(.update, object, policy.name, details: details, step: step(policy))
        }
    }

    var exchanges: [ProvisioningChange] {
        wanted.exchanges.compactMap { exchange in
            guard let found = live.exchanges.first(where: { $0.name == exchange.name }) else {
                return ProvisioningChange(.create, .exchange, exchange.name, step: .putExchange(exchange))
            }
            let details = found.properties.differences(from: exchange.properties)
            return details.isEmpty
                ? nil
                : ProvisioningChange(
                    .conflict,
                    .exchange,
                    exchange.name,
                    details: details,
                    remedy: "An exchange cannot be changed: delete it in the virtual host \(wanted.virtualHost), then apply again;"
                        + " the relay holds what it publishes meanwhile",
                    step: .none
                )
        }
    }

    var queues: [ProvisioningChange] {
        wanted.queues.compactMap { queue in
            guard let found = live.queues.first(where: { $0.name == queue.name }) else {
                return ProvisioningChange(.create, .queue, queue.name, step: .putQueue(queue))
            }
            let details = found.properties.differences(from: queue.properties)
            return details.isEmpty
                ? nil
                : ProvisioningChange(
                    .conflict,
                    .queue,
                    queue.name,
                    details: details,
                    remedy: "A queue's arguments cannot be changed: let its consumers empty it, delete it with"
                        + " rabbitmqctl delete_queue -p \(wanted.virtualHost) \(queue.name), then apply again",
                    step: .none
                )
        }
    }

    var bindings: [ProvisioningChange] {
        let missing = wanted.bindings.filter { binding in !live.bindings.contains { $0.matches(binding) } }
        let unwanted = live.bindings.filter { found in !wanted.bindings.contains { found.matches($0) } }
        return missing.map { ProvisioningChange(.create, .binding, $0.readable, step: .addBinding($0)) }
            + unwanted.map { ProvisioningChange(.delete, .binding, $0.readable, details: ["it is not ours"], step: .deleteBinding($0)) }
    }

    var users: [ProvisioningChange] {
        wanted.users.compactMap { user in
            guard let found = live.users.first(where: { $0.user.name == user.name })?.user else {
                return ProvisioningChange(
                    .create,
                    .user,
                    user.name,
                    details: ["without a password: a credential has to be issued"],
                    step: .putUser(user.name)
                )
            }
            guard !found.foreignTags.isEmpty else { return nil }
            let tags = "it has the tags \(found.foreignTags.joined(separator: ", ")), wanted none"
            return ProvisioningChange(.update, .user, user.name, details: [tags], step: .clearTags(user: user.name))
        }
    }

    /// Of tenants' users, in this virtual host and in every other; of service accounts, in this one only: they serve several.
    var permissions: [ProvisioningChange] {
        let missing: [ProvisioningChange] = wanted.permissions.compactMap { permission in
            let found = live.permissions.first { $0.value.user == permission.user && $0.virtualHost == wanted.virtualHost }?.value
            guard let found else {
                return ProvisioningChange(.create, .permission, permission.user, step: .putPermission(permission))
            }
            let details = found.properties.differences(from: permission.properties)
            return details.isEmpty
                ? nil : ProvisioningChange(.update, .permission, permission.user, details: details, step: .putPermission(permission))
        }
        let unwanted = live.permissions.filter { isTenantUser($0.value.user) && $0.virtualHost != wanted.virtualHost }
        return missing
            + unwanted.map { found in
                ProvisioningChange(
                    .delete,
                    .permission,
                    found.value.user,
                    details: ["in the virtual host \(found.virtualHost)"],
                    step: .deletePermission(user: found.value.user, virtualHost: found.virtualHost)
                )
            }
    }

    var topicPermissions: [ProvisioningChange] {
        wanted.users.map(\.name).flatMap { user in
            let found = live.topicPermissions.filter { $0.value.user == user }
            let elsewhere = Set(found.map(\.virtualHost)).subtracting([wanted.virtualHost]).sorted()
            return topicPermissions(of: user, found: found.filter { $0.virtualHost == wanted.virtualHost }.map(\.value))
                + elsewhere.map { virtualHost in
                    ProvisioningChange(
                        .delete,
                        .topicPermission,
                        user,
                        details: ["in the virtual host \(virtualHost)"],
                        step: .setTopicPermissions(user: user, virtualHost: virtualHost, [], clearsFirst: true)
                    )
                }
        }
    }

    /// Of one user in the wanted virtual host.
    private func topicPermissions(of user: String, found: [TopicPermission]) -> [ProvisioningChange] {
        let expected = wanted.topicPermissions.filter { $0.user == user }
        let unwanted = found.filter { found in !expected.contains { $0.exchange == found.exchange } }
        let details =
            expected.flatMap { permission -> [String] in
                guard let same = found.first(where: { $0.exchange == permission.exchange }) else {
                    return ["none on \(permission.exchange)"]
                }
                return same.properties.differences(from: permission.properties)
            } + unwanted.map { "one on \($0.exchange), wanted none" }
        guard !details.isEmpty else { return [] }
        let step = ProvisioningStep.setTopicPermissions(
            user: user,
            virtualHost: wanted.virtualHost,
            expected,
            clearsFirst: !unwanted.isEmpty
        )
        return found.isEmpty
            ? [ProvisioningChange(.create, .topicPermission, user, step: step)]
            : [ProvisioningChange(.update, .topicPermission, user, details: details, step: step)]
    }

    var limits: [ProvisioningChange] {
        wanted.limits.compactMap { limits in
            let found = live.users.first { $0.user.name == limits.user }?.limits
            guard let found else { return ProvisioningChange(.create, .limits, limits.user, step: .putLimits(limits)) }
            let details = found.properties.differences(from: limits.properties)
            return details.isEmpty ? nil : ProvisioningChange(.update, .limits, limits.user, details: details, step: .putLimits(limits))
        }
    }

    private func isTenantUser(_ name: String) -> Bool { wanted.users.contains { $0.name == name } }
}

/// What is compared of each object, under the broker's names.
extension Policy {
    fileprivate var properties: BrokerArguments {
        ["pattern": .text(pattern), "apply-to": .text(appliesTo), "priority": .integer(priority)]
    }
}

extension Exchange {
    fileprivate var properties: BrokerArguments {
        arguments.merging(
            ["type": .text(type), "durable": .bool(durable), "auto_delete": .bool(autoDelete), "internal": .bool(isInternal)]
        ) { _, own in own }
    }
}

extension Queue {
    fileprivate var properties: BrokerArguments {
        arguments.merging(["durable": .bool(durable), "auto_delete": .bool(autoDelete)]) { _, own in own }
    }
}

extension Permission {
    fileprivate var properties: BrokerArguments { ["configure": .text(configure), "write": .text(write), "read": .text(read)] }
}

extension TopicPermission {
    fileprivate var properties: BrokerArguments { ["write": .text(write), "read": .text(read)] }
}

extension UserLimits {
    fileprivate var properties: BrokerArguments {
        ["max-connections": .integer(maximumConnections), "max-channels": .integer(maximumChannels)]
    }
}

extension Binding {
    fileprivate var readable: String { "\(exchange) → \(queue) (\(routingKey))" }
}

extension FoundBinding {
    fileprivate var readable: String {
        destinationType == "queue" ? binding.readable : "\(binding.exchange) → exchange \(binding.queue) (\(binding.routingKey))"
    }

    fileprivate func matches(_ wanted: Binding) -> Bool { destinationType == "queue" && binding == wanted }
}
