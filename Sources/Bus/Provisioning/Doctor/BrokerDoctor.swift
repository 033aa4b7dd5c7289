/// Looks at the broker and says what is wrong. Changes nothing.
public struct BrokerDoctor: Sendable {
    private let provisioner: Provisioner
    private var broker: BrokerAdministration { provisioner.broker }

    public init(provisioner: Provisioner) { self.provisioner = provisioner }

    /// Checks the broker, every virtual host with tenants, and every tenant.
    ///
    /// - Parameters:
    ///   - tenants: all of this broker; without any, only `virtualHosts` are checked.
    ///   - virtualHosts: to check besides those of the tenants, as the shared one before its first tenant.
    /// - Returns: the gravest first; empty when all is well. What could not be looked at is a finding too.
    public func examine(_ tenants: [BusTenant], virtualHosts: [String] = []) async -> [Finding] {
        var findings: [Finding] = []
        do {
            findings += try await examineBroker()
        } catch {
            findings.append(Finding(error))
            // Nothing else can be asked of a broker that does not answer: one finding, not twenty of the same.
            if case .unreachable = error { return findings }
            if case .notAuthenticated = error { return findings }
        }
        for virtualHost in Set(tenants.map(\.virtualHost) + virtualHosts).sorted() {
            let own = tenants.filter { $0.virtualHost == virtualHost }
            do {
                findings += try await examine(virtualHost: virtualHost, tenants: own)
            } catch {
                findings.append(Finding(error))
            }
        }
        return findings.sorted { $0.severity > $1.severity }
    }

    // MARK: The broker

    /// Time enough to renew at leisure.
    private static let certificateDays = 30
    private static let neededFlags = ["quorum_queue", "stream_queue", "user_limits"]

    private func examineBroker() async throws(BrokerAdministrationError) -> [Finding] {
        var findings: [Finding] = []
        let alarms = try await broker.check(["health", "checks", "alarms"])
        if !alarms.passed {
            findings.append(
                Finding(
                    .error,
                    .alarm,
                    "the broker has a memory or disk alarm and takes no message from anyone",
                    remedy: "rabbitmq-diagnostics check_alarms shows which; free memory or disk on that node"
                )
            )
        }
        let certificates = try await broker.check(["health", "checks", "certificate-expiration", "\(Self.certificateDays)", "days"])
        if !certificates.passed {
            findings.append(
                Finding(
                    .warning,
                    .certificateExpires,
                    "a certificate of the broker's listeners is over, or will be within \(Self.certificateDays) days",
                    remedy: "replace its files, then rabbitmqctl eval 'ssl:clear_pem_cache().' on each node: docs/operators/tls.md"
                )
            )
        }
        for node in try await broker.get([FoundNode].self, ["nodes"]) ?? [] where !node.running {
            findings.append(
                Finding(.error, .nodeDown, "the broker's node \(node.name) does not run", remedy: "start it; rabbitmqctl cluster_status")
            )
        }
        let flags = try await broker.get([FeatureFlag].self, ["feature-flags"]) ?? []
        for flag in flags where Self.neededFlags.contains(flag.name) && flag.state != "enabled" {
            findings.append(
                Finding(
                    .error,
                    .featureFlagDisabled,
                    "the broker's feature flag \(flag.name) is not enabled, which quorum queues,"
                        + " safe dead-lettering or limits of users need",
                    remedy: "rabbitmqctl enable_feature_flag \(flag.name)"
                )
            )
        }
        if try await broker.user("guest") != nil {
            findings.append(
                Finding(
                    .warning,
                    .defaultUser,
                    "the user guest exists, whose password everybody knows",
                    remedy: "rabbitmqctl delete_user guest"
                )
            )
        }
        for account in ServiceAccount.allCases where try await broker.user(account.rawValue) == nil {
            // Without the redrive account nothing stands still: commands about dead letters and the words of their alert need it.
            findings.append(
                Finding(
                    account == .redrive ? .notice : .error,
                    .serviceAccountMissing,
                    "the user \(account.rawValue) does not exist",
                    remedy: "rabbitmqctl add_user \(account.rawValue), then bus311 tenant apply for its permissions"
                )
            )
        }
        return try await findings + provisioner.foundTags().map(stranger)
    }

    private func stranger(_ change: ProvisioningChange) -> Finding {
        Finding(.warning, .stranger, "\(change.name): \(change.details.joined(separator: "; "))", remedy: change.remedy ?? "")
    }

    // MARK: A virtual host and its tenants

    private func examine(virtualHost: String, tenants: [BusTenant]) async throws(BrokerAdministrationError) -> [Finding] {
        guard try await broker.virtualHostExists(virtualHost) else {
            return [
                Finding(
                    .error,
                    .virtualHostMissing,
                    "the virtual host \(virtualHost) does not exist",
                    remedy: "bus311 tenant apply makes it, with all it needs"
                )
            ]
        }
        var findings: [Finding] = []
        let installation = try await provisioner.comparison(virtualHost: virtualHost)
        let shared = Set(installation.changes)
        findings += installation.changes.filter { $0.action != .notice }.map { change in
            Finding(
                change.action == .conflict ? .error : .warning,
                .installationDrift,
                "the virtual host \(virtualHost) is not as it should be: \(change)",
                remedy: change.remedy ?? "bus311 tenant apply of any of its tenants"
            )
        }
        findings += try await provisioner.found(in: virtualHost, beside: tenants).map(stranger)
        let policies = try await broker.policies(in: virtualHost)
        let operatorsQueues = TopologyPattern.exactly(SharedTopology.statusDeadQueue, SharedTopology.strayQueue)
        for queue in try await broker.queueTotals(matching: operatorsQueues, in: virtualHost) where queue.messages ?? 0 > 0 {
            findings.append(deadLetters(in: queue, virtualHost: virtualHost))
        }
        for tenant in tenants {
            let plan = try await provisioner.comparison(tenant)
            findings += plan.changes.filter { !shared.contains($0) && $0.action != .notice }.map { change in
                Finding(
                    change.action == .conflict ? .error : .warning,
                    .tenantDrift,
                    "tenant \(tenant.key) is not as it should be: \(change)",
                    remedy: change.remedy ?? "bus311 tenant apply \(tenant.key)"
                )
            }
            findings += try await examineQueues(of: tenant, policies: policies)
        }
        return findings
    }

    private func examineQueues(of tenant: BusTenant, policies: [Policy]) async throws(BrokerAdministrationError) -> [Finding] {
        let names = tenant.topology
        var findings: [Finding] = []
        for queue in try await broker.queueTotals(of: names, in: tenant.virtualHost) {
            findings += policyFindings(queue, policies: policies)
            if queue.name == names.deadQueue, queue.messages ?? 0 > 0 {
                findings.append(deadLetters(in: queue, virtualHost: tenant.virtualHost))
            }
        }
        if try await broker.consumerCount(of: names.requestQueue, in: tenant.virtualHost) == 0 {
            findings.append(
                Finding(
                    .warning,
                    .noConsumer,
                    "nobody consumes \(names.requestQueue): the CRM of \(tenant.key) is not connected",
                    remedy: "bus311 credential list \(tenant.key) shows its connections; ask the CRM's operator"
                )
            )
        }
        if try await broker.consumerCount(of: names.statusQueue, in: tenant.virtualHost) == 0 {
            findings.append(
                Finding(
                    .warning,
                    .noConsumer,
                    "nobody consumes \(names.statusQueue): statuses sent over AMQP wait",
                    remedy: "start status-ingest with broker.status in its settings, or ask the CRM's operator to send them by REST"
                )
            )
        }
        return findings
    }

    /// A site may override a policy with one of a higher priority. It then has to repeat what keeps messages from being lost.
    private func policyFindings(_ queue: QueueTotals, policies: [Policy]) -> [Finding] {
        guard let check = PolicyCheck(queue, policies: policies), !check.faults.isEmpty else { return [] }
        let policy = queue.policy.map { "the policy \($0)" } ?? "no policy"
        return [
            Finding(
                .error,
                .policyNotEffective,
                "\(policy) is in force on \(queue.name): \(check.faults.joined(separator: ", "))",
                remedy: "rabbitmqctl list_policies shows which wins; repeat every key of \(check.expected.name) in it, or clear it"
            )
        ]
    }

    private func deadLetters(in queue: QueueTotals, virtualHost: String) -> Finding {
        Finding(
            .warning,
            .deadLetters,
            "\(queue.messages ?? 0) messages wait in \(queue.name)",
            remedy: "bus311 dead-letters list shows why and whose; show, return and discard take the name \(queue.name)"
                + ([SharedTopology.statusDeadQueue, SharedTopology.strayQueue].contains(queue.name) ? " --virtual-host \(virtualHost)" : "")
        )
    }
}

private struct FoundNode: Decodable {
    let name: String
    let running: Bool
}

private struct FeatureFlag: Decodable {
    let name: String
    let state: String
}

extension Finding {
    /// What could not be looked at.
    fileprivate init(_ error: BrokerAdministrationError) {
        switch error {
        case .unreachable:
            self.init(
                .error,
                .brokerUnreachable,
                "\(error)",
                remedy: "start the broker, or correct the address of its management interface in the settings"
            )
        case .notAuthenticated, .notAllowed:
            self.init(.error, .checkRefused, "\(error)", remedy: "rabbitmqctl list_users shows the users and their tags")
        case .refused, .malformedAnswer:
            self.init(.error, .checkRefused, "\(error)", remedy: "the broker's own log says more")
        }
    }
}
