import Open311
import Testing

/// Time that passes only when told to, and looks at whatever the test says is there.
private struct Simulation {
    var rules = AlertRules()
    var now = Timestamp(seconds: 1_790_000_000)
    var open: [AlertEpisode] = []
    var notices: [AlertNotice] = []
    var context = AlertEngine.Context(now: Timestamp(seconds: 0))
    var ended: [AlertEpisode] = []
    var reopened: [AlertEpisode] = []

    /// One look; what the database would keep is kept.
    @discardableResult
    mutating func look(_ observations: [AlertKey: AlertObservation]) -> [AlertNotice] {
        context.now = now
        let outcome = AlertEngine(rules: rules).step(open, observations, context)
        open = outcome.episodes.filter { $0.phase != .ended }
        for index in open.indices where open[index].number == nil { open[index].number = Int64(index + 1) }
        ended += outcome.episodes.filter { $0.phase == .ended }
        reopened += outcome.reopened
        notices += outcome.notices
        return outcome.notices
    }

    /// Looks every fifteen seconds for so long.
    @discardableResult
    mutating func pass(_ seconds: Int64, _ observations: [AlertKey: AlertObservation]) -> [AlertNotice] {
        var told: [AlertNotice] = []
        let end = now.adding(seconds: seconds)
        while now < end {
            now = min(end, now.adding(seconds: 15))
            told += look(observations)
        }
        return told
    }
}

private let tenant = TenantID(1)
private let noConsumer = AlertKey(.noConsumer, tenant)
private let gone: [AlertKey: AlertObservation] = [noConsumer: AlertObservation(.bad(.critical), [.consumers: 0, .messages: 3])]
private let back: [AlertKey: AlertObservation] = [noConsumer: AlertObservation(.clear, [.consumers: 1])]

@Suite("Alerts over time")
struct AlertEngineTests {
    @Test(
        "ten minutes without a consumer: the administrator hears; thirty: the manager; two of calm: both hear of the end, with its duration"
    )
    func wholeLife() throws {
        var time = Simulation()
        time.look(gone)
        #expect(time.pass(585, gone).isEmpty && time.open.first?.phase == .pending)
        let first = time.pass(15, gone)
        #expect(first.map(\.kind) == [.fired] && first.map(\.audience) == [.administrator])
        #expect(time.pass(1_185, gone).isEmpty)
        let second = time.pass(15, gone)
        #expect(second.map(\.kind) == [.fired] && second.map(\.audience) == [.manager])
        #expect(time.pass(105, back).isEmpty && time.open.first?.phase == .resolving)
        let last = time.pass(30, back)
        #expect(last.map(\.kind) == [.recovered, .recovered] && Set(last.map(\.audience)) == [.administrator, .manager])
        let episode = try #require(last.first?.episode)
        #expect(episode.duration(at: time.now) == 1_815 && episode.peaks[.messages] == 3)
        #expect(time.open.isEmpty)
    }

    @Test("what is over before its time was nothing")
    func shortOnes() {
        var time = Simulation()
        time.look(gone)
        time.pass(570, gone)
        #expect(time.pass(15, back).isEmpty && time.open.isEmpty && time.ended.isEmpty)
        #expect(time.pass(585, gone).isEmpty, "the clock starts anew")
    }

    @Test("between the limits nothing changes: what fires stays, what does not does not begin")
    func hysteresis() {
        let key = AlertKey(.queueFill, tenant)
        func fill(_ level: AlertObservation.Level) -> [AlertKey: AlertObservation] { [key: AlertObservation(level, [.percent: 45])] }
        var time = Simulation()
        #expect(time.pass(600, fill(.between)).isEmpty && time.open.isEmpty)
        #expect(time.pass(15, fill(.bad(.warning))).map(\.kind) == [.fired])
        #expect(time.pass(600, fill(.between)).isEmpty && time.open.first?.phase == .firing)
        #expect(time.pass(15, fill(.bad(.critical))).map(\.kind) == [.worsened])
        #expect(time.pass(15, fill(.bad(.warning))).isEmpty, "less bad is no news")
        #expect(time.pass(15, fill(.clear)).map(\.kind) == [.recovered])
    }

    @Test("reminders come after four hours, then every day; an acknowledgement ends them, and not the word of the end")
    func reminders() throws {
        var time = Simulation()
        time.pass(615, gone)
        time.notices = []
        time.pass(4 * 3_600 - 15, gone)
        #expect(time.notices.filter { $0.audience == .administrator }.isEmpty)
        time.pass(15, gone)
        #expect(time.notices.filter { $0.audience == .administrator }.map(\.kind) == [.repeated])
        time.notices = []
        time.pass(86_400 - 15, gone)
        #expect(time.notices.filter { $0.audience == .administrator }.isEmpty)
        time.pass(15, gone)
        #expect(time.notices.filter { $0.audience == .administrator }.count == 1)
        time.open[0].acknowledgedAt = time.now
        time.notices = []
        time.pass(3 * 86_400, gone)
        #expect(time.notices.isEmpty)
        #expect(Set(time.pass(135, back).map(\.kind)) == [.recovered])
    }

    @Test("what follows from the broker's absence is not told; what is left when it is back is, after its time")
    func grouping() {
        let down = AlertKey(.brokerDown)
        let backlog = AlertKey(.backlogAge, tenant)
        let all: [AlertKey: AlertObservation] = [
            down: AlertObservation(.bad(.critical)), backlog: AlertObservation(.bad(.critical)),
            AlertKey(.outboxAge): AlertObservation(.bad(.critical)),
        ].merging(gone) { first, _ in first }
        var time = Simulation()
        time.look(all)
        time.pass(7_200, all)
        #expect(Set(time.notices.map(\.episode.key.code)) == [.brokerDown])
        #expect(time.open.first { $0.key == backlog }?.silence == .follows(.brokerDown))
        // Back: the queue drains in a minute, the consumers need another.
        time.notices = []
        let recovered = all.merging([down: AlertObservation(.clear)]) { $1 }
        time.pass(60, recovered)
        let drained = recovered.merging([backlog: AlertObservation(.clear), AlertKey(.outboxAge): AlertObservation(.clear)]) { $1 }
        time.pass(60, drained)
        #expect(time.notices.map(\.kind) == [.recovered] && time.notices.map(\.episode.key.code) == [.brokerDown])
        // Nobody has come back to consume: that is news of its own, ten minutes after the broker's return.
        time.notices = []
        time.pass(900, drained)
        #expect(time.notices.map(\.episode.key.code) == [.noConsumer])
    }

    @Test("a cause that shows in the same look holds back what follows from it")
    func causesFirst() {
        var time = Simulation()
        for code in AlertCode.allCases { time.rules[code].after = 0 }
        time.look([AlertKey(.brokerAlarm): AlertObservation(.bad(.critical)), AlertKey(.outboxAge): AlertObservation(.bad(.critical))])
        #expect(time.notices.map(\.episode.key.code) == [.brokerAlarm])
    }

    @Test("one node that is down, or a majority that hangs by one, explains nothing: a CRM that is gone then is told")
    func oneNodeExplainsNothing() {
        for cause in [AlertCode.nodeDown, .quorumCritical] {
            for code in AlertCode.allCases where code != cause {
                let key = AlertKey(code, code.isOfInstallation ? nil : tenant)
                var time = Simulation()
                for every in AlertCode.allCases { time.rules[every].after = 0 }
                time.look([AlertKey(cause): AlertObservation(.bad(.critical)), key: AlertObservation(.bad(.critical))])
                #expect(time.open.first { $0.key == key }?.silence == nil, "\(code) is held back by \(cause)")
            }
        }
    }

    @Test("an alarm stops whoever publishes, and nobody who consumes or writes: that much is held back by it")
    func alarmsExplainPublishing() {
        let held = AlertCode.allCases.filter { $0.inhibitors.contains(.brokerAlarm) }
        #expect(Set(held) == [.outboxAge, .repeatedFailures, .statusSilent])
        #expect(AlertCode.feedEmpty.inhibitors.isEmpty, "what citizens send comes in whatever the broker does")
    }

    @Test("what nobody hears of holds nothing back: a cause that is muted, or whose maintenance is announced")
    func quietCauses() {
        let down = AlertKey(.brokerDown)
        let both = gone.merging([down: AlertObservation(.bad(.critical))]) { $1 }
        var time = Simulation()
        time.context.muted = [down]
        time.look(both)
        time.pass(600, both)
        #expect(time.notices.map(\.episode.key) == [noConsumer])
        #expect(time.open.first { $0.key == down }?.silence == .muted)
        // Muted while it holds something back: that is told after its time.
        var later = Simulation()
        later.look(both)
        later.pass(900, both)
        #expect(Set(later.notices.map(\.episode.key)) == [down])
        later.context.muted = [down]
        later.notices = []
        later.pass(615, both)
        #expect(Set(later.notices.map(\.episode.key)) == [noConsumer])
        // A tenant's own cause, in its own announced work: both are quiet, and nothing follows from what is quiet.
        var work = Simulation()
        work.context.maintenance = [tenant]
        let backlog = AlertKey(.backlogAge, tenant)
        let late = gone.merging([backlog: AlertObservation(.bad(.critical))]) { $1 }
        work.look(late)
        work.pass(900, late)
        #expect(work.notices.isEmpty && work.open.first { $0.key == backlog }?.silence == .maintenance)
    }

    @Test(
        "dead letters that grow are told again, acknowledged or not: at twice as many, or when a reminder would be due; a thousand are a few messages"
    )
    func growth() throws {
        let dead = AlertKey(.deadLetters, tenant)
        func letters(_ count: Int64) -> [AlertKey: AlertObservation] { [dead: AlertObservation(.bad(.warning), [.deadLetters: count])] }
        func heard(_ notices: [AlertNotice]) -> [AlertNotice.Kind] { notices.filter { $0.audience == .manager }.map(\.kind) }
        var time = Simulation()
        #expect(heard(time.look(letters(4))) == [.fired])
        let acknowledged = time.now
        time.open[0].acknowledgedAt = acknowledged
        #expect(time.pass(600, letters(7)).isEmpty)
        #expect(heard(time.pass(15, letters(8))) == [.worsened])
        #expect(time.reopened.map(\.acknowledgedAt) == [acknowledged] && time.open[0].acknowledgedAt == nil)
        #expect(time.notices.last?.episode.facts[.deadLetters] == 8)
        // A few more: no news before a reminder is due, and then they are.
        time.open[0].acknowledgedAt = time.now
        #expect(time.pass(4 * 3_600 - 60, letters(9)).filter { $0.kind != .repeated }.isEmpty)
        time.pass(86_400, letters(9))
        #expect(heard(time.notices).filter { $0 == .worsened }.count == 2 && time.open[0].acknowledgedAt == nil)
        // As many as were told are no growth, nor are fewer.
        time.open[0].acknowledgedAt = time.now
        time.notices = []
        time.pass(3 * 86_400, letters(9))
        time.pass(3 * 86_400, letters(2))
        time.pass(3 * 86_400, letters(9))
        #expect(time.notices.isEmpty)
        for count in stride(from: Int64(10), through: 5_000, by: 10) { time.pass(15, letters(count)) }
        #expect((8...11).contains(heard(time.notices).count), "\(heard(time.notices).count)")
        // Muted, it is told when that is over.
        time.notices = []
        time.context.muted = [dead]
        time.pass(600, letters(50_000))
        #expect(time.notices.isEmpty)
        time.context.muted = []
        #expect(heard(time.pass(15, letters(50_000))) == [.worsened])
    }

    @Test("a dead letter that an earlier version told of is no growth")
    func growthOfBefore() {
        let dead = AlertKey(.deadLetters, tenant)
        var time = Simulation()
        time.look([dead: AlertObservation(.bad(.warning), [.deadLetters: 300])])
        time.open[0].toldValue = nil
        time.notices = []
        time.pass(60, [dead: AlertObservation(.bad(.warning), [.deadLetters: 300])])
        #expect(time.notices.isEmpty && time.open[0].toldValue == 300)
    }

    @Test("a cause that is over but not yet told as over holds nothing back: of a CRM that comes and goes, delays are told")
    func resolvingHoldsNothing() {
        let delay = AlertKey(.responseDelayAck, tenant)
        var time = Simulation()
        time.rules[.noConsumer].after = 30
        time.context.recentFirings = [noConsumer: 2]
        let late: [AlertKey: AlertObservation] = [delay: AlertObservation(.bad(.warning))]
        time.look(gone.merging(late) { $1 })
        time.pass(60, gone.merging(late) { $1 })
        #expect(time.open.first { $0.key == delay }?.silence == .follows(.noConsumer))
        time.notices = []
        time.pass(180, back.merging(late) { $1 })
        #expect(
            time.open.first { $0.key == noConsumer }?.phase == .resolving && time.open.first { $0.key == noConsumer }?.isUnstable == true)
        #expect(Set(time.notices.map(\.episode.key)) == [delay])
    }

    @Test("one tenant's silence does not hold back another's")
    func tenantsApart() {
        var time = Simulation()
        let other = AlertKey(.backlogAge, TenantID(2))
        let both = gone.merging([other: AlertObservation(.bad(.warning))]) { $1 }
        time.look(both)
        #expect(Set(time.notices.map(\.episode.key)) == [other])
    }

    @Test("announced work: nothing new is told; when it is over, what is left has to last again")
    func maintenance() {
        var time = Simulation()
        time.context.maintenance = [tenant]
        time.look(gone)
        time.pass(3_600, gone)
        #expect(time.notices.isEmpty && time.open.first?.silence == .maintenance)
        time.context.maintenance = []
        time.pass(585, gone)
        #expect(time.notices.isEmpty)
        time.pass(30, gone)
        #expect(time.notices.map(\.kind) == [.fired])
        // Work on the whole installation holds every tenant.
        var whole = Simulation()
        whole.context.maintenance = [nil]
        whole.look(gone)
        whole.pass(3_600, gone)
        #expect(whole.notices.isEmpty)
    }

    @Test("a muted alert fires in the list; when the time is over it is told, and its end only to those who heard")
    func muting() {
        var time = Simulation()
        time.context.muted = [noConsumer]
        time.look(gone)
        time.pass(1_200, gone)
        #expect(time.notices.isEmpty && time.open.first?.phase == .firing && time.open.first?.silence == .muted)
        time.context.muted = []
        #expect(time.pass(15, gone).map(\.kind) == [.fired])
        #expect(time.pass(150, back).map(\.audience) == [.administrator])
    }

    @Test("the third time within an hour it is unstable: told once, and over only after half an hour of calm")
    func flapping() {
        var time = Simulation()
        time.rules[.noConsumer].after = 30
        time.context.recentFirings = [noConsumer: 2]
        time.look(gone)
        #expect(time.pass(30, gone).map(\.kind) == [.unstable])
        for _ in 0..<6 {
            #expect(time.pass(240, back).isEmpty)
            #expect(time.pass(60, gone).allSatisfy { $0.audience == .manager })
        }
        // The manager, who hears after half an hour, heard once too.
        #expect(time.notices.map(\.kind) == [.unstable, .unstable])
        time.notices = []
        time.pass(1_785, back)
        #expect(time.notices.isEmpty)
        #expect(time.pass(60, back).map(\.kind) == [.recovered, .recovered])
    }

    @Test("what nobody could see does not count: neither as lasting nor as over; a clock that jumps raises nothing")
    func blindness() {
        var time = Simulation()
        time.look(gone)
        time.pass(300, gone)
        // The watch was away for an hour, and the pending alert is older than its limit.
        time.now = time.now.adding(seconds: 3_600)
        #expect(time.look(gone).isEmpty && time.pass(570, gone).isEmpty)
        #expect(time.pass(30, gone).map(\.kind) == [.fired])
        // Nothing is known for an hour: it still fires, and is not over.
        #expect(time.pass(3_600, [:]).filter { $0.kind == .recovered }.isEmpty && time.open.first?.phase == .firing)
        time.now = time.now.adding(seconds: -3_600)
        #expect(time.look(gone).isEmpty)
        // A short gap, as a restart makes it, changes nothing.
        var restarted = Simulation()
        restarted.look(gone)
        restarted.pass(540, gone)
        restarted.now = restarted.now.adding(seconds: 60)
        #expect(restarted.look(gone).map(\.kind) == [.fired])
    }

    @Test("a delay's digest: the manager every day, the administrator once a week, of progress never")
    func digests() {
        var time = Simulation()
        let late: [AlertKey: AlertObservation] = [
            AlertKey(.responseDelayAck, tenant): AlertObservation(.bad(.warning), [.requests: 4]),
            AlertKey(.responseDelayProgress, tenant): AlertObservation(.bad(.warning), [.requests: 2]),
        ]
        time.look(late)
        for _ in 0..<(8 * 24 * 4) {
            time.now = time.now.adding(seconds: 900)
            // Seen in between as well, so that nothing is a gap.
            for index in time.open.indices { time.open[index].seenAt = time.now }
            time.look(late)
        }
        func count(_ code: AlertCode, _ audience: AlertAudience) -> Int {
            time.notices.count { $0.episode.key.code == code && $0.audience == audience }
        }
        #expect(count(.responseDelayAck, .manager) == 9 && count(.responseDelayAck, .administrator) == 2)
        #expect(count(.responseDelayProgress, .manager) == 9 && count(.responseDelayProgress, .administrator) == 0)
    }
}
