/// Carries alerts from one look to the next: `ok → pending → firing → resolving → ok`. Knows no clock, no database and no broker.
public struct AlertEngine: Sendable {
    /// What holds at a look besides what is seen.
    public struct Context: Sendable {
        public var now: Timestamp
        /// Tenants whose maintenance is announced; nil in it is the installation.
        public var maintenance: Set<TenantID?> = []
        public var muted: Set<AlertKey> = []
        /// How often each fired within the last hour, without what is open.
        public var recentFirings: [AlertKey: Int] = [:]

        public init(now: Timestamp) { self.now = now }
    }

    public struct Outcome: Sendable, Equatable {
        /// Open ones and those that have just ended; one that only was pending is gone without a word.
        public var episodes: [AlertEpisode] = []
        public var notices: [AlertNotice] = []
        /// Stored ones that were pending and came to nothing.
        public var dropped: [AlertEpisode] = []
        /// As they stood: acknowledged, and grown since. The acknowledgement no longer holds.
        public var reopened: [AlertEpisode] = []
    }

    /// What nobody could see for longer than this does not count as having lasted.
    static let longestGap: Int64 = 120
    /// What followed from another alert gets so long to go with it.
    static let graceAfterHold: Int64 = 120
    static let calmOfUnstable: Int64 = 1_800
    /// Coming and going once is two changes; the fifth within an hour is one too many.
    static let firingsBeforeUnstable = 2

    private let rules: AlertRules

    public init(rules: AlertRules = AlertRules()) { self.rules = rules }

    /// - Parameters:
    ///   - open: everything that has not ended.
    ///   - observations: what could be told at this look; what is absent is not known.
    public func step(_ open: [AlertEpisode], _ observations: [AlertKey: AlertObservation], _ context: Context) -> Outcome {
        var outcome = Outcome()
        let known = Dictionary(open.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        // Causes first: what follows from one that appears in this very look is held back too.
        let keys = Set(known.keys).union(observations.keys).sorted { Self.order($0) < Self.order($1) }
        // One that is over, though nobody may say so yet, holds nothing back; nor does one of which nobody hears.
        func quiet(_ key: AlertKey) -> AlertEpisode.Silence? {
            if context.maintenance.contains(key.tenant) || context.maintenance.contains(nil) { return .maintenance }
            return context.muted.contains(key) ? .muted : nil
        }
        var present = Set(open.filter { $0.phase != .resolving && quiet($0.key) == nil }.map(\.key))
        for key in keys {
            let rule = rules[key.code]
            let cause = key.code.inhibitors.first { present.contains(AlertKey($0, key.tenant)) || present.contains(AlertKey($0)) }
            let own = quiet(key)
            guard
                var episode = Self.moved(
                    known[key], key, observations[key], rule, isHeld: cause != nil || own == .maintenance,
                    recent: context.recentFirings[key] ?? 0, context.now)
            else {
                present.remove(key)
                if let gone = known[key], gone.number != nil { outcome.dropped.append(gone) }
                continue
            }
            episode.silence = cause.map { .follows($0) } ?? own
            if (episode.phase == .pending || episode.phase == .firing) && own == nil { present.insert(key) } else { present.remove(key) }
            let hasGrown = episode.hasGrown(context.now)
            let told = Self.tell(&episode, rule, hasGrown: hasGrown, context.now)
            if !told.isEmpty || episode.toldValue == nil { episode.countTold() }
            if hasGrown, !told.isEmpty, episode.acknowledgedAt != nil, let before = known[key] {
                outcome.reopened.append(before)
                episode.acknowledgedAt = nil
            }
            outcome.notices += told
            outcome.episodes.append(episode)
        }
        return outcome
    }

    private static func order(_ key: AlertKey) -> (Int, Int32, String) {
        let causes: [AlertCode] = [.brokerDown, .brokerAlarm, .relayDown, .noConsumer]
        return (causes.firstIndex(of: key.code) ?? causes.count, key.tenant?.rawValue ?? 0, key.code.rawValue)
    }

    // MARK: Phases

    /// - Returns: nil for nothing wrong.
    private static func moved(
        _ before: AlertEpisode?, _ key: AlertKey, _ observation: AlertObservation?, _ rule: AlertRule, isHeld: Bool, recent: Int,
        _ now: Timestamp
    ) -> AlertEpisode? {
        guard let observation else { return before.flatMap { unseen($0, now) } }
        guard var episode = before else {
            guard case .bad(let severity) = observation.level else { return nil }
            var fresh = AlertEpisode(key, since: now, severity: severity)
            fresh.see(observation, now)
            return begun(fresh, rule, isHeld: isHeld, recent: recent, now)
        }
        let gap = now.seconds - episode.seenAt.seconds
        let wasUnseen = gap > longestGap || gap < 0
        episode.see(observation, now)
        switch (episode.phase, observation.level) {
        case (.pending, .bad):
            if wasUnseen { episode.since = now }
            return begun(episode, rule, isHeld: isHeld, recent: recent, now)
        case (.pending, _): return nil
        case (.firing, .clear), (.resolving, .clear):
            if episode.clearSince == nil || wasUnseen { episode.clearSince = now }
            episode.phase = .resolving
            let needed = episode.isUnstable ? max(rule.clearAfter, calmOfUnstable) : rule.clearAfter
            if let clear = episode.clearSince, now.seconds - clear.seconds >= needed {
                episode.phase = .ended
                episode.endedAt = now
            }
        case (.firing, _), (.resolving, _):
            episode.phase = .firing
            episode.clearSince = nil
        case (.ended, _): return nil
        }
        return episode
    }

    /// Of something that is bad and has not fired yet.
    private static func begun(_ pending: AlertEpisode, _ rule: AlertRule, isHeld: Bool, recent: Int, _ now: Timestamp) -> AlertEpisode {
        var episode = pending
        guard !isHeld else {
            episode.since = now
            episode.wasHeld = true
            return episode
        }
        let needed = episode.wasHeld ? max(rule.after, graceAfterHold) : rule.after
        guard now.seconds - episode.since.seconds >= needed else { return episode }
        episode.phase = .firing
        episode.firedAt = now
        episode.isUnstable = recent >= firingsBeforeUnstable
        return episode
    }

    /// Nobody could tell at this look.
    private static func unseen(_ before: AlertEpisode, _ now: Timestamp) -> AlertEpisode? {
        guard now.seconds - before.seenAt.seconds > longestGap else { return before }
        var episode = before
        switch episode.phase {
        case .pending: return nil
        case .resolving:
            episode.phase = .firing
            episode.clearSince = nil
        case .firing, .ended: break
        }
        return episode
    }

    // MARK: Words

    private static func tell(
        _ episode: inout AlertEpisode, _ rule: AlertRule, hasGrown: Bool, _ now: Timestamp
    ) -> [AlertNotice] {
        var notices: [AlertNotice] = []
        for audience in AlertAudience.allCases {
            guard let kind = episode.kindDue(for: audience, rule, hasGrown: hasGrown, now) else { continue }
            let before = episode.told[audience]
            episode.told[audience] = AlertEpisode.Told(at: now, count: (before?.count ?? 0) + 1, severity: episode.severity)
            notices.append(AlertNotice(kind, to: audience, of: episode, at: now))
        }
        return notices
    }
}

extension AlertEpisode {
    fileprivate mutating func see(_ observation: AlertObservation, _ now: Timestamp) {
        seenAt = now
        facts = observation.facts
        guard case .bad(let severity) = observation.level else { return }
        peaks.merge(observation.facts) { max($0, $1) }
        names = observation.names
        concernsTenant = observation.concernsTenant
        self.severity = max(self.severity, severity)
    }

    /// Whether there is more than was ever told: twice as much, or anything more once a reminder would be due. So a thousand more are a
    /// handful of messages.
    fileprivate func hasGrown(_ now: Timestamp) -> Bool {
        guard phase == .firing, let fact = key.code.growing, let value = facts[fact], let before = toldValue, value > before else {
            return false
        }
        guard value < 2 * before else { return true }
        return told.contains { audience, last in now.seconds - last.at.seconds >= key.code.pause(for: audience, told: last.count) }
    }

    /// What there was of it when somebody was told.
    fileprivate mutating func countTold() {
        guard let fact = key.code.growing, !told.isEmpty else { return }
        toldValue = max(toldValue ?? 0, facts[fact] ?? 0)
    }

    fileprivate func kindDue(
        for audience: AlertAudience, _ rule: AlertRule, hasGrown: Bool, _ now: Timestamp
    ) -> AlertNotice.Kind? {
        guard phase != .pending else { return nil }
        let last = told[audience]
        // Whoever heard of it hears of its end, whatever else holds.
        if phase == .ended { return last == nil ? nil : .recovered }
        guard silence == nil, let delay = key.code.delay(for: audience, rule), audience != .manager || (concernsTenant && key.tenant != nil)
        else { return nil }
        guard let last else {
            guard phase == .firing, now.seconds - since.seconds >= delay else { return nil }
            return isUnstable ? .unstable : .fired
        }
        if severity > last.severity || hasGrown { return .worsened }
        guard phase == .firing, !isUnstable, acknowledgedAt == nil else { return nil }
        return now.seconds - last.at.seconds >= key.code.pause(for: audience, told: last.count) ? .repeated : nil
    }
}
