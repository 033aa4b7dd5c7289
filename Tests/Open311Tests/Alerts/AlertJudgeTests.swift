import Foundation
import Open311
import Testing

private let now = Timestamp(seconds: 1_790_000_000)
private let tenant = TenantID(1)

private func installation(_ change: (inout InstallationSigns) -> Void) -> InstallationSigns {
    var signs = InstallationSigns()
    change(&signs)
    return signs
}

/// One rule with what raises it and what ends it.
struct AlertRow: Sendable, CustomTestStringConvertible {
    let code: AlertCode
    var installation: (bad: InstallationSigns, good: InstallationSigns)?
    var tenant: (bad: TenantSigns, good: TenantSigns)?
    /// Of the condition, once it has lasted.
    var severity = AlertSeverity.critical
    var testDescription: String { code.rawValue }

    init(
        _ code: AlertCode, _ severity: AlertSeverity = .critical, bad: (inout InstallationSigns) -> Void,
        good: (inout InstallationSigns) -> Void
    ) {
        self.code = code
        self.severity = severity
        installation = (Open311Tests.installation(bad), Open311Tests.installation(good))
    }

    init(
        _ code: AlertCode, _ severity: AlertSeverity = .critical, tenantBad: (inout TenantSigns) -> Void,
        good: (inout TenantSigns) -> Void
    ) {
        self.code = code
        self.severity = severity
        tenant = (TenantSigns.with(tenantBad), TenantSigns.with(good))
    }

    static let all: [AlertRow] = [
        AlertRow(.noConsumer, tenantBad: { $0.queue = QueueSigns() }, good: { $0.queue = QueueSigns(consumers: 1) }),
        AlertRow(
            .consumerStuck, tenantBad: { $0.queue = QueueSigns(consumers: 1, depth: 4, unacknowledged: 4, acknowledged: 0) },
            good: { $0.queue = QueueSigns(consumers: 1, depth: 4, acknowledged: 1) }),
        AlertRow(
            .backlogAge, .warning,
            tenantBad: {
                $0.queue = QueueSigns(consumers: 1, depth: 4, acknowledged: 1)
                $0.oldestInQueue = now.adding(seconds: -1_801)
            },
            good: {
                $0.queue = QueueSigns(consumers: 1, depth: 1, acknowledged: 1)
                $0.oldestInQueue = now.adding(seconds: -599)
            }),
        AlertRow(
            .queueFill, .warning, tenantBad: { $0.queue = QueueSigns(consumers: 1, depth: 9, acknowledged: 1, fill: 50) },
            good: { $0.queue = QueueSigns(consumers: 1, depth: 9, acknowledged: 1, fill: 39) }),
        AlertRow(
            .deadLetters, .warning, tenantBad: { $0.queue = QueueSigns(consumers: 1, dead: 1) },
            good: { $0.queue = QueueSigns(consumers: 1) }),
        AlertRow(.repeatedFailures, .warning, tenantBad: { $0.publishFailures = 5 }, good: { $0.publishFailures = 0 }),
        AlertRow(.repeatedFailures, .warning, tenantBad: { $0.rejections = 10 }, good: { $0.rejections = 0 }),
        AlertRow(
            .responseDelayAck, .warning, tenantBad: { $0.history = TenantHistory.with { $0.unacknowledged = 1 } },
            good: { $0.history = TenantHistory() }),
        AlertRow(
            .responseDelayProgress, .warning, tenantBad: { $0.history = TenantHistory.with { $0.unprogressed = 1 } },
            good: { $0.history = TenantHistory() }),
        AlertRow(
            .statusSilent, .warning, tenantBad: { $0.history = TenantHistory.with { $0.deliveredSince = now.adding(days: -4) } },
            good: {
                $0.history = TenantHistory.with {
                    $0.statuses = Rhythm(count: 1, first: now.adding(days: -1), last: now.adding(days: -1))
                    $0.deliveredSince = now.adding(seconds: -60)
                }
            }),
        AlertRow(
            .feedEmpty, .warning,
            tenantBad: {
                $0.history = TenantHistory.with {
                    $0.requests = Rhythm(count: 25, first: now.adding(days: -20), last: now.adding(days: -3))
                }
            },
            good: {
                $0.history = TenantHistory.with {
                    $0.requests = Rhythm(count: 25, first: now.adding(days: -20), last: now.adding(days: -1))
                }
            }),
        AlertRow(.purgeSuspected, tenantBad: { $0.lossIncident = 7 }, good: { $0.lossIncident = nil }),
        AlertRow(.configDrift, .warning, tenantBad: { $0.hasDrift = true }, good: { $0.hasDrift = false }),
        AlertRow(.outboxAge, .warning, bad: { $0.outboxAge = 60 }, good: { $0.outboxAge = 9 }),
        AlertRow(.relayDown, bad: { $0.shardsWithoutLeader = 1 }, good: { $0.shardsWithoutLeader = 0 }),
        AlertRow(.brokerDown, bad: { $0.isBrokerReachable = false }, good: { $0.isBrokerReachable = true }),
        AlertRow(
            .brokerDown,
            bad: {
                $0.isBrokerReachable = true
                $0.broker = BrokerSigns(nodesDown: ["rabbit@b", "rabbit@c"], hasNoMajority: true)
            },
            good: {
                $0.isBrokerReachable = true
                $0.broker = BrokerSigns(nodesDown: ["rabbit@c"])
            }),
        AlertRow(.brokerAlarm, bad: { $0.broker = BrokerSigns(hasAlarm: true) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(.nodeDown, bad: { $0.broker = BrokerSigns(nodesDown: ["rabbit@b"]) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(.quorumCritical, bad: { $0.broker = BrokerSigns(isQuorumCritical: true) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(.certExpiry, .warning, bad: { $0.broker = BrokerSigns(certificateDaysLeft: 30) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(.certExpiry, bad: { $0.broker = BrokerSigns(certificateDaysLeft: 7) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(
            .repeatedFailures, .warning, bad: { $0.broker = BrokerSigns(failedLogins: 10) },
            good: { $0.broker = BrokerSigns(failedLogins: 0) }),
        AlertRow(
            .disk, .warning, bad: { $0.disks = [DiskSign(path: "/var", used: 90)] }, good: { $0.disks = [DiskSign(path: "/var", used: 87)] }
        ),
        AlertRow(.disk, .warning, bad: { $0.broker = BrokerSigns(nodesShortOfDisk: ["rabbit@a"]) }, good: { $0.broker = BrokerSigns() }),
        AlertRow(.deadman, .warning, bad: { $0.heartbeatArrives = false }, good: { $0.heartbeatArrives = true }),
    ]
}

extension TenantSigns {
    /// Of the tests' tenant.
    static func with(_ change: (inout TenantSigns) -> Void) -> TenantSigns {
        var signs = TenantSigns(tenant: TenantID(1), terms: ServiceTerms(), clock: LocalClock("Europe/Paris"))
        change(&signs)
        return signs
    }
}

extension TenantHistory {
    static func with(_ change: (inout TenantHistory) -> Void) -> TenantHistory {
        var history = TenantHistory()
        change(&history)
        return history
    }
}

@Suite("What raises an alert, and what ends it")
struct AlertJudgeTests {
    private func observations(_ installation: InstallationSigns, _ tenant: TenantSigns?) -> [AlertKey: AlertObservation] {
        AlertJudge().observations(installation, [tenant].compactMap { $0 }, at: now)
    }

    @Test(
        "every rule fires after its time, with a word in French and in English, and clears with a word of its end", arguments: AlertRow.all)
    func firesAndClears(row: AlertRow) throws {
        let key = AlertKey(row.code, row.tenant == nil ? nil : tenant)
        let bad = observations(row.installation?.bad ?? InstallationSigns(), row.tenant?.bad)
        let good = observations(row.installation?.good ?? InstallationSigns(), row.tenant?.good)
        #expect(bad[key]?.level == .bad(row.severity))
        #expect(good[key]?.level == .clear)
        // The engine alone with this rule, look by look.
        let rule = AlertRules()[row.code]
        var open: [AlertEpisode] = []
        var told: [AlertNotice] = []
        var context = AlertEngine.Context(now: now)
        func look(_ observations: [AlertKey: AlertObservation], _ seconds: Int64) {
            for _ in 0...(seconds / 15 + 1) {
                let outcome = AlertEngine().step(open, observations.filter { $0.key == key }, context)
                open = outcome.episodes.filter { $0.phase != .ended }
                told += outcome.notices
                context.now = context.now.adding(seconds: 15)
            }
        }
        if rule.after > 15 {
            look(bad, 0)
            #expect(told.isEmpty, "too early")
        }
        look(bad, max(rule.after, rule.managerAfter))
        #expect(Set(told.map(\.kind)) == [.fired])
        let audiences = Set(told.map(\.audience))
        #expect(!audiences.isEmpty)
        look(good, rule.clearAfter)
        #expect(open.isEmpty)
        #expect(told.count { $0.kind == .recovered } == audiences.count)
        for notice in told {
            for language in [Language.french, .english] {
                let text = AlertText(
                    notice, tenant: key.tenant == nil ? nil : ("Ville de Valmont", "valmont-7f3a9c"), language: language,
                    zone: "Europe/Paris",
                    links: AlertText.Links())
                #expect(text.subject.hasPrefix("[Bus311] ") && text.subject.contains(row.code.rawValue) && !text.subject.contains("\n"))
                #expect(text.body.count > 40)
            }
        }
    }

    @Test("every alert has a row above, and a page for operators that names it")
    func everyAlertIsHere() throws {
        #expect(Set(AlertRow.all.map(\.code)) == Set(AlertCode.allCases))
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/operators/runbooks")
        for code in AlertCode.allCases {
            let page = try? String(contentsOf: folder.appendingPathComponent(code.runbook), encoding: .utf8)
            #expect(page?.contains(code.rawValue) == true, "\(code.runbook) is missing, or does not name \(code.rawValue)")
        }
    }

    @Test("no communication has four faces, and each is told apart")
    func noCommunication() {
        func codes(_ change: @escaping (inout TenantSigns) -> Void) -> [AlertCode: AlertObservation] {
            Dictionary(
                uniqueKeysWithValues: observations(InstallationSigns(), .with(change)).filter {
                    $0.value.level != .clear && $0.value.level != .between
                }.map { ($0.key.code, $0.value) })
        }
        // Nobody connected; connected and not consuming.
        let nobody = codes { $0.queue = QueueSigns(depth: 2) }
        #expect(Set(nobody.keys) == [.noConsumer] && nobody[.noConsumer]?.facts[.connections] == 0)
        let idle = codes { $0.queue = QueueSigns(connections: 1, depth: 2) }
        #expect(Set(idle.keys) == [.noConsumer] && idle[.noConsumer]?.facts[.connections] == 1)
        // Connected, not acknowledging.
        #expect(Set(codes { $0.queue = QueueSigns(consumers: 1, connections: 1, depth: 2, acknowledged: 0) }.keys) == [.consumerStuck])
        // Acknowledging, never a status.
        let silent = codes {
            $0.queue = QueueSigns(consumers: 1, connections: 1, acknowledged: 2)
            $0.history = .with { $0.deliveredSince = now.adding(days: -5) }
        }
        #expect(Set(silent.keys) == [.statusSilent])
        // Our own feed is empty: the CRM is not accused.
        let empty = codes {
            $0.queue = QueueSigns(consumers: 1, connections: 1, acknowledged: 0)
            $0.history = .with {
                $0.requests = Rhythm(count: 25, first: now.adding(days: -30), last: now.adding(days: -6))
                $0.statuses = Rhythm(count: 25, first: now.adding(days: -30), last: now.adding(days: -5))
            }
        }
        #expect(Set(empty.keys) == [.feedEmpty])
        // Idle and healthy: consumers, an empty queue.
        #expect(codes { $0.queue = QueueSigns(consumers: 1, connections: 1, acknowledged: 0) }.isEmpty)
    }

    @Test("outside of service hours nobody is missed, and a wait is not held against the CRM; who is there ends the alert at any time")
    func serviceHours() throws {
        var terms = ServiceTerms()
        terms.calendar.hours = [try #require(ServiceHours("mon-fri 08:00-18:00"))]
        func look(_ text: String, _ queue: QueueSigns) throws -> AlertObservation? {
            var sign = TenantSigns(tenant: tenant, terms: terms, clock: LocalClock("Europe/Paris"))
            sign.queue = queue
            let moment = try #require(Timestamp(parsing: text))
            return AlertJudge().observations(InstallationSigns(), [sign], at: moment)[AlertKey(.noConsumer, tenant)]
        }
        #expect(try look("2026-11-26T10:00:00Z", QueueSigns())?.level == .bad(.critical))
        for text in ["2026-11-26T20:00:00Z", "2026-11-28T10:00:00Z", "2026-11-11T10:00:00Z"] {
            #expect(try look(text, QueueSigns()) == nil)
        }
        #expect(try look("2026-11-28T10:00:00Z", QueueSigns(consumers: 1))?.level == .clear)
    }

    @Test("a message ages while somebody has to be there: what came in the evening is not late at night, and is in the morning")
    func lateInServiceHours() throws {
        var terms = ServiceTerms()
        terms.calendar.hours = [try #require(ServiceHours("mon-fri 08:00-18:00"))]
        func look(_ text: String, since: String, depth: Int = 2) throws -> AlertObservation? {
            var sign = TenantSigns(tenant: tenant, terms: terms, clock: LocalClock("Europe/Paris"))
            sign.queue = QueueSigns(depth: depth)
            sign.oldestInQueue = try #require(Timestamp(parsing: since))
            let moment = try #require(Timestamp(parsing: text))
            return AlertJudge().observations(InstallationSigns(), [sign], at: moment)[AlertKey(.backlogAge, tenant)]
        }
        // Thursday, 17:50 in Paris.
        let evening = "2026-11-26T16:50:00Z"
        #expect(try look("2026-11-26T16:59:00Z", since: evening)?.level == .clear)
        for night in ["2026-11-26T17:30:00Z", "2026-11-26T23:00:00Z", "2026-11-27T06:59:00Z"] {
            #expect(try look(night, since: evening)?.level == .between)
        }
        #expect(try look("2026-11-27T07:19:00Z", since: evening)?.level == .between)
        let morning = try #require(try look("2026-11-27T07:21:00Z", since: evening))
        #expect(morning.level == .bad(.warning) && morning.facts[.ageSeconds] == 14 * 3_600 + 31 * 60)
        #expect(try look("2026-11-27T10:51:00Z", since: evening)?.level == .bad(.critical))
        // Late when the day ends: it stays as it is over night, and is over when the queue is empty.
        #expect(try look("2026-11-27T18:00:00Z", since: evening)?.level == .between)
        #expect(try look("2026-11-27T18:00:00Z", since: evening, depth: 0)?.level == .clear)
    }

    @Test("a certificate is judged by the days that are left and the rule's own numbers")
    func certificates() throws {
        func level(_ days: Int?, _ rules: String = "") throws -> AlertObservation.Level? {
            let signs = installation { $0.broker = BrokerSigns(certificateDaysLeft: days) }
            return AlertJudge(rules: try AlertRules(parsing: rules)).observations(signs, [], at: now)[AlertKey(.certExpiry)]?.level
        }
        #expect(try level(nil) == .clear)
        #expect(try level(30) == .bad(.warning))
        #expect(try level(8) == .bad(.warning))
        #expect(try level(7) == .bad(.critical))
        #expect(try level(0) == .bad(.critical))
        #expect(try level(20, "CERT_EXPIRY.warning=14") == .clear)
        #expect(try level(14, "CERT_EXPIRY.warning=14") == .bad(.warning))
        #expect(try level(55, "CERT_EXPIRY.warning=60") == .bad(.warning))
        #expect(try level(20, "CERT_EXPIRY.critical=21") == .bad(.critical))
    }

    @Test("a few failures are no quiet: they raise nothing, and what was raised goes on")
    func fewFailures() {
        func level(_ publishing: Int64, _ rejections: Int64) -> AlertObservation.Level? {
            let sign = TenantSigns.with {
                $0.publishFailures = publishing
                $0.rejections = rejections
            }
            return observations(InstallationSigns(), sign)[AlertKey(.repeatedFailures, tenant)]?.level
        }
        #expect(level(0, 0) == .clear)
        for (publishing, rejections) in [(4, 0), (0, 9), (4, 9)] as [(Int64, Int64)] { #expect(level(publishing, rejections) == .between) }
        for (publishing, rejections) in [(5, 0), (0, 10), (1, 10)] as [(Int64, Int64)] {
            #expect(level(publishing, rejections) == .bad(.warning))
        }
        let logins = installation { $0.broker = BrokerSigns(failedLogins: 9) }
        #expect(observations(logins, nil)[AlertKey(.repeatedFailures)]?.level == .between)
        // A full queue has its alert; what failed besides is told all the same.
        let sign = TenantSigns.with {
            $0.isRefused = true
            $0.publishFailures = 5
        }
        #expect(observations(InstallationSigns(), sign)[AlertKey(.repeatedFailures, tenant)]?.level == .bad(.warning))
    }

    @Test("what cannot be told is not judged")
    func unknown() {
        #expect(observations(InstallationSigns(), nil).isEmpty)
        let keys = Set(observations(InstallationSigns(), .with { _ in }).keys.map(\.code))
        #expect(keys == [.repeatedFailures, .purgeSuspected, .configDrift])
    }
}
