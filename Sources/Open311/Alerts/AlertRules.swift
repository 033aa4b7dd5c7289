/// The numbers of one rule.
public struct AlertRule: Sendable, Hashable {
    /// Seconds for which the condition must hold before anybody is told.
    public var after: Int64
    /// Seconds for which it must be over.
    public var clearAfter: Int64
    /// Seconds after which the tenant's manager hears of what the administrator heard before.
    public var managerAfter: Int64
    /// Limits of the value that the rule looks at: seconds, per cent or a count. Between `clear` and `warning` nothing changes.
    public var warning: Double
    public var critical: Double
    public var clear: Double

    init(
        after: Int64 = 0, clearAfter: Int64 = 0, managerAfter: Int64 = 0, warning: Double = 0, critical: Double = .infinity,
        clear: Double = 0
    ) {
        self.after = after
        self.clearAfter = clearAfter
        self.managerAfter = managerAfter
        self.warning = warning
        self.critical = critical
        self.clear = clear
    }
}

/// Every rule's numbers: those to start with, some of them changed by the installation.
public struct AlertRules: Sendable, Hashable {
    private var changed: [AlertCode: AlertRule] = [:]

    public init() {}

    public subscript(code: AlertCode) -> AlertRule {
        get { changed[code] ?? Self.standard(code) }
        set { changed[code] = newValue }
    }

    private static let hour: Double = 3_600
    /// Days; no certificate of a public authority lives for longer than a year.
    private static let longestCertificate: Double = 1_000

    static func standard(_ code: AlertCode) -> AlertRule {
        switch code {
        case .noConsumer: AlertRule(after: 600, clearAfter: 120, managerAfter: 1_800)
        case .consumerStuck: AlertRule(after: 900)
        case .backlogAge: AlertRule(warning: 0.5 * hour, critical: 4 * hour, clear: 600)
        case .queueFill: AlertRule(warning: 50, critical: 80, clear: 40)
        // Critical after so many seconds.
        case .deadLetters: AlertRule(warning: 1, critical: 24 * hour)
        case .repeatedFailures: AlertRule(clearAfter: 1_800, warning: 10)
        case .responseDelayAck, .responseDelayProgress: AlertRule(warning: 1)
        // Seconds of silence at least, however often the tenant usually speaks.
        case .statusSilent, .feedEmpty: AlertRule(warning: 48 * hour)
        case .outboxAge: AlertRule(clearAfter: 120, warning: 60, critical: 300, clear: 10)
        case .relayDown: AlertRule(after: 30)
        case .brokerDown, .nodeDown: AlertRule(after: 30, clearAfter: 30)
        case .brokerAlarm: AlertRule(after: 15, clearAfter: 60)
        case .quorumCritical: AlertRule(after: 60, clearAfter: 60)
        // Days that are left.
        case .certExpiry: AlertRule(warning: 30, critical: 7)
        // Per cent in use.
        case .disk: AlertRule(after: 60, warning: 90, critical: 95, clear: 88)
        case .purgeSuspected, .configDrift: AlertRule()
        case .deadman: AlertRule(after: 300)
        }
    }

    // MARK: Reading

    /// Changes some numbers.
    ///
    /// - Parameter text: `NO_CONSUMER.after=20m, BACKLOG_AGE.warning=1h, QUEUE_FILL.critical=90`; `s`, `m`, `h` and `d` make seconds.
    /// - Throws: ``InvalidValue``, naming the entry.
    public init(parsing text: String) throws(InvalidValue) {
        for entry in text.split(separator: ",") {
            let word = entry.filter { $0 != " " }
            let sides = word.split(separator: "=", omittingEmptySubsequences: false)
            let names = sides[0].split(separator: ".", omittingEmptySubsequences: false)
            guard sides.count == 2, names.count == 2, let code = AlertCode(rawValue: String(names[0])) else {
                throw Self.fault(word, "write CODE.number=value, as in NO_CONSUMER.after=20m")
            }
            guard let value = Self.number(sides[1]) else {
                throw Self.fault(word, "the value must be a number, or a time as in 90s, 20m, 4h, 2d")
            }
            let standard = Self.standard(code)
            let isThere =
                switch names[1] {
                case "manager_after": standard.managerAfter > 0
                case "warning": standard.warning > 0
                case "critical": standard.critical.isFinite
                case "clear": standard.clear > 0
                default: true
                }
            guard isThere else { throw Self.fault(word, "\(code.rawValue) has no \(names[1])") }
            switch names[1] {
            case "after": self[code].after = Int64(value)
            case "clear_after": self[code].clearAfter = Int64(value)
            case "manager_after": self[code].managerAfter = Int64(value)
            case "warning": self[code].warning = value
            case "critical": self[code].critical = value
            case "clear": self[code].clear = value
            default: throw Self.fault(word, "the numbers of a rule are after, clear_after, manager_after, warning, critical, clear")
            }
        }
        for code in AlertCode.allCases where changed[code] != nil { try check(code) }
    }

    /// Whether a rule's limits can be together.
    private func check(_ code: AlertCode) throws(InvalidValue) {
        let (rule, standard) = (self[code], Self.standard(code))
        func refuse(_ problem: String) -> InvalidValue { InvalidValue(name: "alerts.rules", problem: "\(code.rawValue): \(problem)") }
        if code == .queueFill || code == .disk {
            guard [rule.warning, rule.critical, rule.clear].allSatisfy({ (0...100).contains($0) }) else {
                throw refuse("warning, critical and clear are per cent, 0 to 100")
            }
        }
        if standard.warning > 0 {
            guard rule.warning > 0 else { throw refuse("warning must be 1 at least") }
        }
        if standard.clear > 0 {
            guard rule.clear <= rule.warning else {
                throw refuse("clear (\(Self.text(rule.clear))) is above warning (\(Self.text(rule.warning)))")
            }
        }
        switch code {
        // A number of letters, and for how long they have lain there.
        case .deadLetters: break
        // Days that are left: fewer are worse.
        case .certExpiry:
            guard rule.warning <= Self.longestCertificate else {
                throw refuse("warning is \(Self.text(rule.warning)) days: \(Self.text(Self.longestCertificate)) at most; write 60, not 60d")
            }
            guard rule.critical <= rule.warning else {
                throw refuse(
                    "critical (\(Self.text(rule.critical))) is above warning (\(Self.text(rule.warning))): these are days that are left")
            }
        default:
            guard rule.critical >= rule.warning else {
                throw refuse("critical (\(Self.text(rule.critical))) is below warning (\(Self.text(rule.warning)))")
            }
        }
    }

    private static func text(_ number: Double) -> String { "\(Int64(min(number, 1e15)))" }

    private static func fault(_ entry: String, _ problem: String) -> InvalidValue {
        InvalidValue(name: "alerts.rules", problem: "has \(String(entry.prefix(80))): \(problem)")
    }

    private static func number(_ text: Substring) -> Double? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text : text.dropLast()
        guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(digits) else {
            return nil
        }
        return Double(value) * (unit ?? 1)
    }
}
