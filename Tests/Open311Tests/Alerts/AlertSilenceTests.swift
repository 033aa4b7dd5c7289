import Open311
import Testing

private let now = Timestamp(seconds: 1_790_000_000)
private let tenant = TenantID(1)

@Suite("Silences: a CRM that says nothing, an app that sends nothing")
struct AlertSilenceTests {
    private func level(of code: AlertCode, _ sign: TenantSigns) -> AlertObservation.Level? {
        AlertJudge().observations(InstallationSigns(), [sign], at: now)[AlertKey(code, tenant)]?.level
    }

    /// Of a CRM that spoke in so many hours from `first` to `last` days ago, and has had something to speak of since.
    private func statusSilent(_ last: Double, _ first: Double, _ count: Int64) -> AlertObservation.Level? {
        let sign = TenantSigns.with {
            $0.history = .with {
                let moment = now.adding(seconds: -Int64(last * 86_400))
                $0.statuses = Rhythm(count: count, first: now.adding(seconds: -Int64(first * 86_400)), last: moment)
                $0.deliveredSince = moment.adding(seconds: 1)
            }
            $0.terms.calendar.holidays = .none
        }
        return level(of: .statusSilent, sign)
    }

    @Test("a CRM is silent after 48 hours, and after three of its usual intervals where those are longer")
    func silence() {
        #expect(statusSilent(1.9, 4, 25) == .clear)
        #expect(statusSilent(2.1, 4, 25) == .bad(.warning))
        // Once in five days: three days of silence are usual, fifteen are not. Between the two nothing begins and nothing ends.
        #expect(statusSilent(1, 26, 6) == .clear)
        #expect(statusSilent(3, 28, 6) == .between)
        #expect(statusSilent(14.9, 39.9, 6) == .between)
        #expect(statusSilent(15.1, 40.1, 6) == .bad(.warning))
        // Once in twelve days.
        #expect(statusSilent(35, 83, 5) == .between)
        #expect(statusSilent(37, 85, 5) == .bad(.warning))
    }

    @Test("a silence ends by a word only: neither by lasting for longer than a month, nor because nobody knows any more how it was before")
    func silenceLasts() throws {
        for code in [AlertCode.statusSilent, .feedEmpty] {
            let key = AlertKey(code, tenant)
            var open: [AlertEpisode] = []
            var told: [AlertNotice.Kind] = []
            var context = AlertEngine.Context(now: now)
            /// A look, so many days after the last word; `count` is what is known of the rhythm.
            func look(_ silentDays: Int64, count: Int64) {
                context.now = now.adding(days: silentDays)
                let rhythm = Rhythm(count: count, first: count > 0 ? now.adding(days: -20) : nil, last: count > 0 ? now : nil)
                let sign = TenantSigns.with {
                    $0.history = .with {
                        $0.statuses = code == .statusSilent ? rhythm : Rhythm()
                        $0.requests = code == .feedEmpty ? rhythm : Rhythm()
                        $0.deliveredSince = code == .statusSilent ? now.adding(seconds: 60) : nil
                    }
                    $0.terms.calendar.holidays = .none
                }
                let seen = AlertJudge().observations(InstallationSigns(), [sign], at: context.now)
                let outcome = AlertEngine().step(open, seen.filter { $0.key == key }, context)
                open = outcome.episodes.filter { $0.phase != .ended }
                told += outcome.notices.filter { $0.audience == .administrator }.map(\.kind)
            }
            look(1, count: 25)
            #expect(told.isEmpty)
            for days in stride(from: Int64(3), through: 400, by: 1) { look(days, count: 25) }
            // Of the year before nothing is left.
            for days in stride(from: Int64(401), through: 420, by: 1) { look(days, count: 2) }
            if code == .feedEmpty { for days in stride(from: Int64(421), through: 430, by: 1) { look(days, count: 0) } }
            #expect(told.first == .fired && !told.contains(.recovered) && open.first?.phase == .firing, "\(code)")
            // The next word: one alone says nothing of a rhythm, and ends it all the same.
            context.now = now.adding(days: 431)
            let word = TenantSigns.with {
                $0.history = .with {
                    $0.statuses = Rhythm(count: 3, first: now, last: context.now)
                    $0.requests = Rhythm(count: 3, first: now, last: context.now)
                }
            }
            let seen = AlertJudge().observations(InstallationSigns(), [word], at: context.now).filter { $0.key == key }
            #expect(AlertEngine().step(open, seen, context).notices.contains { $0.kind == .recovered }, "\(code)")
        }
    }

    @Test("too few to tell: nothing is raised, however long the silence")
    func tooFew() {
        #expect(statusSilent(20, 29, 4) == .between)
        #expect(statusSilent(1, 29, 4) == .clear)
        let sign = TenantSigns.with {
            $0.history = .with { $0.requests = Rhythm(count: 4, first: now.adding(days: -60), last: now.adding(days: -50)) }
        }
        #expect(level(of: .feedEmpty, sign) == .between)
    }
}
