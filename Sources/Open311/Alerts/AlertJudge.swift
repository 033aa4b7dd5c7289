/// What is seen, against the rules: each rule's condition, for the installation and for each tenant.
public struct AlertJudge: Sendable {
    private let rules: AlertRules

    public init(rules: AlertRules = AlertRules()) { self.rules = rules }

    public func observations(
        _ installation: InstallationSigns, _ tenants: [TenantSigns], at now: Timestamp, deadSince: [TenantID: Timestamp] = [:]
    ) -> [AlertKey: AlertObservation] {
        var found: [AlertKey: AlertObservation] = [:]
        for (code, observation) in self.installation(installation) { found[AlertKey(code)] = observation }
        for tenant in tenants {
            for (code, observation) in self.tenant(tenant, at: now, deadSince: deadSince[tenant.tenant]) {
                found[AlertKey(code, tenant.tenant)] = observation
            }
        }
        return found
    }

    private static func when(
        _ isBad: Bool, _ severity: AlertSeverity = .critical, _ facts: [AlertFact: Int64] = [:], names: [String] = []
    ) -> AlertObservation { AlertObservation(isBad ? .bad(severity) : .clear, facts, names: names) }

    // MARK: The installation

    private func installation(_ signs: InstallationSigns) -> [AlertCode: AlertObservation] {
        var found: [AlertCode: AlertObservation] = [:]
        if let isReachable = signs.isBrokerReachable {
            let hasNoMajority = signs.broker?.hasNoMajority == true
            found[.brokerDown] = Self.when(
                !isReachable || hasNoMajority, .critical, names: isReachable && hasNoMajority ? signs.broker?.nodesDown ?? [] : [])
        }
        if let age = signs.outboxAge {
            found[.outboxAge] = AlertObservation(Double(age), rules[.outboxAge], [.ageSeconds: age, .messages: signs.outboxPending])
        }
        if let shards = signs.shardsWithoutLeader { found[.relayDown] = Self.when(shards > 0, .critical, [.shards: Int64(shards)]) }
        if let arrives = signs.heartbeatArrives { found[.deadman] = Self.when(!arrives, .warning) }
        found[.disk] = disk(signs)
        guard let broker = signs.broker else { return found }
        found[.nodeDown] = Self.when(!broker.nodesDown.isEmpty, .critical, names: broker.nodesDown)
        found[.brokerAlarm] = Self.when(broker.hasAlarm)
        found[.quorumCritical] = Self.when(broker.isQuorumCritical)
        let days = Double(broker.certificateDaysLeft ?? .max)
        let rule = rules[.certExpiry]
        found[.certExpiry] = AlertObservation(
            days <= rule.critical ? .bad(.critical) : days <= rule.warning ? .bad(.warning) : .clear,
            broker.certificateDaysLeft.map { [.days: Int64($0)] } ?? [:])
        let logins = Int64(broker.failedLogins)
        found[.repeatedFailures] = AlertObservation(
            failing(Double(logins), rules[.repeatedFailures].warning), [.failedLogins: logins])
        return found
    }

    private func disk(_ signs: InstallationSigns) -> AlertObservation? {
        guard let fullest = signs.disks.max(by: { $0.used < $1.used }) else {
            return signs.broker.map { Self.when(!$0.nodesShortOfDisk.isEmpty, .warning, names: $0.nodesShortOfDisk) }
        }
        var observation = AlertObservation(Double(fullest.used), rules[.disk], [.percent: Int64(fullest.used)])
        observation.names = signs.disks.filter { Double($0.used) >= rules[.disk].clear }.map(\.path)
        if let short = signs.broker?.nodesShortOfDisk, !short.isEmpty {
            observation.names += short
            if observation.level == .clear || observation.level == .between { observation.level = .bad(.warning) }
        }
        return observation
    }

    // MARK: A tenant

    private func tenant(_ signs: TenantSigns, at now: Timestamp, deadSince: Timestamp?) -> [AlertCode: AlertObservation] {
        var found: [AlertCode: AlertObservation] = [:]
        if let queue = signs.queue {
            found[.noConsumer] = noConsumer(queue, signs, at: now)
            found[.consumerStuck] = stuck(queue, signs, at: now)
            let fill = max(queue.fill, signs.isRefused ? 100 : 0)
            found[.queueFill] = AlertObservation(Double(fill), rules[.queueFill], [.percent: Int64(fill), .messages: Int64(queue.depth)])
            found[.deadLetters] = deadLetters(queue, signs.deadLetterKinds, since: deadSince, at: now)
            found[.backlogAge] = backlog(queue, signs, at: now)
        }
        found[.repeatedFailures] = failures(signs)
        found[.purgeSuspected] = Self.when(
            signs.lossIncident != nil, .critical, signs.lossIncident.map { [.incident: $0, .messages: signs.lostMessages] } ?? [:])
        found[.configDrift] = Self.when(signs.hasDrift, .warning)
        guard let history = signs.history else { return found }
        found[.responseDelayAck] = Self.when(
            Double(history.unacknowledged) >= rules[.responseDelayAck].warning, .warning, [.requests: history.unacknowledged])
        found[.responseDelayProgress] = Self.when(
            Double(history.unprogressed) >= rules[.responseDelayProgress].warning, .warning, [.requests: history.unprogressed])
        found[.statusSilent] = statusSilent(history, signs, at: now)
        found[.feedEmpty] = feedEmpty(history, at: now)
        return found
    }

    /// Nobody connected, or connected and not consuming: the facts tell which.
    private func noConsumer(_ queue: QueueSigns, _ signs: TenantSigns, at now: Timestamp) -> AlertObservation? {
        let facts: [AlertFact: Int64] = [
            .consumers: Int64(queue.consumers), .connections: Int64(queue.connections), .messages: Int64(queue.depth),
        ]
        guard queue.consumers == 0 else { return AlertObservation(.clear, facts) }
        // Outside of the hours nobody has to be there, and that nobody is says nothing.
        guard signs.terms.calendar.isInService(at: now, in: signs.clock) else { return nil }
        return AlertObservation(.bad(.critical), facts)
    }

    /// Connected, and not acknowledging.
    private func stuck(_ queue: QueueSigns, _ signs: TenantSigns, at now: Timestamp) -> AlertObservation? {
        let facts: [AlertFact: Int64] = [
            .consumers: Int64(queue.consumers), .messages: Int64(queue.depth), .unacknowledged: Int64(queue.unacknowledged),
        ]
        if queue.consumers == 0 || queue.depth == 0 || (queue.acknowledged ?? 0) > 0 { return AlertObservation(.clear, facts) }
        guard queue.acknowledged != nil, signs.terms.calendar.isInService(at: now, in: signs.clock) else { return nil }
        return AlertObservation(.bad(.critical), facts)
    }

    /// Only the time in which somebody has to be there makes a message late; outside of it nothing becomes bad.
    private func backlog(_ queue: QueueSigns, _ signs: TenantSigns, at now: Timestamp) -> AlertObservation? {
        let facts: [AlertFact: Int64] = [.messages: Int64(queue.depth), .consumers: Int64(queue.consumers)]
        guard queue.depth > 0 else { return AlertObservation(.clear, facts.merging([.ageSeconds: 0]) { $1 }) }
        guard let oldest = signs.oldestInQueue else { return nil }
        let late = signs.terms.calendar.serviceSeconds(from: oldest, to: now, in: signs.clock)
        var observation = AlertObservation(
            Double(late), rules[.backlogAge], facts.merging([.ageSeconds: max(0, now.seconds - oldest.seconds)]) { $1 })
        if case .bad = observation.level, !signs.terms.calendar.isInService(at: now, in: signs.clock) { observation.level = .between }
        return observation
    }

    private func deadLetters(_ queue: QueueSigns, _ kinds: [String], since: Timestamp?, at now: Timestamp) -> AlertObservation {
        guard Double(queue.dead) >= rules[.deadLetters].warning else { return AlertObservation(.clear) }
        let age = since.map { now.seconds - $0.seconds } ?? 0
        return AlertObservation(
            .bad(Double(age) >= rules[.deadLetters].critical ? .critical : .warning), [.deadLetters: Int64(queue.dead)],
            names: kinds)
    }

    /// Publishing fails twice as early as refused statuses: five and ten to start with.
    private func failures(_ signs: TenantSigns) -> AlertObservation {
        let limit = rules[.repeatedFailures].warning
        let publishing = failing(Double(signs.publishFailures), limit / 2)
        let rejecting = failing(Double(signs.rejections), limit)
        let level: AlertObservation.Level =
            [publishing, rejecting].contains(.bad(.warning))
            ? .bad(.warning) : [publishing, rejecting].contains(.between) ? .between : .clear
        return AlertObservation(
            level, [.publishFailures: signs.publishFailures, .rejections: signs.rejections],
            concernsTenant: rejecting == .bad(.warning))
    }

    /// A few failures raise nothing, and are no quiet either.
    private func failing(_ count: Double, _ limit: Double) -> AlertObservation.Level {
        count >= limit ? .bad(.warning) : count > 0 ? .between : .clear
    }

    /// Acknowledging, and never a status: only when there is something to speak of. Silence counts on open days.
    ///
    /// Only a status ends it: that nobody knows any more how often they came is no status.
    private func statusSilent(_ history: TenantHistory, _ signs: TenantSigns, at now: Timestamp) -> AlertObservation {
        let statuses = history.statuses
        guard let since = history.deliveredSince else { return AlertObservation(statuses.last == nil ? .between : .clear) }
        let silence = signs.terms.calendar.openSeconds(from: max(since, statuses.last ?? since), to: now, in: signs.clock)
        // A CRM that has never spoken is expected to within the least; one that speaks now and then, as often as it usually does.
        let usual = statuses.last == nil ? 0 : statuses.usualInterval
        return silent(silence, usual: usual, rules[.statusSilent])
    }

    /// Our own feed: citizens usually write, and nothing comes.
    private func feedEmpty(_ history: TenantHistory, at now: Timestamp) -> AlertObservation {
        guard let last = history.requests.last else { return AlertObservation(.between) }
        return silent(max(0, now.seconds - last.seconds), usual: history.requests.usualInterval, rules[.feedEmpty])
    }

    /// - Parameter usual: nil for too few to tell.
    private func silent(_ silence: Int64, usual: Int64?, _ rule: AlertRule) -> AlertObservation {
        let least = Int64(rule.warning)
        let level: AlertObservation.Level =
            if silence < least { .clear } else if let usual, silence >= 3 * usual { .bad(.warning) } else { .between }
        return AlertObservation(level, [.silenceSeconds: silence])
    }
}
