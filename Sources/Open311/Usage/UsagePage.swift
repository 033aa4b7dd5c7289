/// The statistics as one HTML page: no script, no other host's file, charts as SVG with a table under each.
public enum UsagePage {
    /// What a browser is told when the page comes from a server.
    public static let contentSecurityPolicy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// - Parameter isPublic: whether the report was made for anybody (``UsageReport/forPublic(other:)``): what is left out has no section.
    public static func html(_ report: UsageReport, isPublic: Bool = false) -> String {
        UsagePageWriter(report: report, isPublic: isPublic).page()
    }
}

struct UsagePageWriter {
    let report: UsageReport
    let isPublic: Bool
    let words: UsageWords
    let charts: UsageCharts

    init(report: UsageReport, isPublic: Bool) {
        self.report = report
        self.isPublic = isPublic
        words = UsageWords(report.language)
        charts = UsageCharts(words: words)
    }

    var now: UsageFigures { report.current }
    var before: UsageFigures { report.before }

    func page() -> String {
        let title = words("Statistiques d’usage", "Statistics of use") + " – " + report.city
        let last = report.period.to.adding(-1)
        var html = "<!doctype html>\n<html lang=\"\(words.isFrench ? "fr" : "en")\">\n<head><meta charset=\"utf-8\">"
        html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        if !isPublic { html += "<meta name=\"robots\" content=\"noindex\">" }
        html += "<title>\(HTMLText.escaped(title))</title>\n<style>\(Self.style)</style></head>\n<body>\n"
        html +=
            "<header><p class=\"o\">\(words("Signalements des citoyens", "Citizens’ service requests"))</p><h1>\(HTMLText.escaped(report.city))</h1><p>"
        html += words("Du ", "From ") + "<strong>\(words.day(report.period.from))</strong>" + words(" au ", " to ")
        html += "<strong>\(words.day(last))</strong>. "
        html +=
            words(
                "À côté, ou marqué d’un trait\u{202F}: la même période un an avant.",
                "Beside, or marked by a stroke: the same days a year before.") + "</p></header>\n<main>\n"
        html += cards()
        html += requests()
        if !isPublic || now.profile.contains(where: { $0 > 0 }) { html += rhythm() }
        html += services()
        html += apps()
        html += delays()
        html += statuses()
        if !isPublic { html += exchange() }
        html += "</main>\n<footer><p>" + notes() + "</p></footer>\n</body></html>\n"
        return html
    }

    // MARK: Parts

    private func cards() -> String {
        var html = "<section class=\"k\" aria-label=\"\(words("L’essentiel", "In short"))\">"
        func card(_ name: String, _ value: String, _ note: String) {
            html +=
                "<div><p class=\"n\">\(HTMLText.escaped(name))</p><p class=\"big\">\(HTMLText.escaped(value))</p><p class=\"d\">\(note)</p></div>"
        }
        let total = now[.requests]
        let fewest = UsageFigures.smallestPublic
        card(
            words("Demandes", "Requests"),
            isPublic && total == 0 ? words("moins de \(fewest)", "fewer than \(fewest)") : words.number(total),
            change(.requests))
        if let share = UsageFigures.share(now[.withPhoto], of: total), !isPublic || now.totals[.withPhoto] != nil {
            card(
                words("Avec photo", "With a photo"), words.percent(share),
                past(UsageFigures.share(before[.withPhoto], of: before[.requests])))
        }
        if let share = UsageFigures.share(now[.identified], of: total), !isPublic || now.totals[.identified] != nil {
            card(
                words("Déposées avec un nom", "With a name"), words.percent(share),
                past(UsageFigures.share(before[.identified], of: before[.requests])))
        }
        if let half = now.histogram(.closing).percentile(0.5) {
            card(
                words("Closes en (médiane)", "Closed in (median)"), words.duration(half),
                before.histogram(.closing).percentile(0.5).map { words("un an avant\u{202F}: ", "a year before: ") + words.duration($0) }
                    ?? "")
        }
        if now.histogram(.closing).count > 0 {
            card(
                words("Clôtures", "Closed"), words.number(now.histogram(.closing).count),
                change(.closing))
        }
        if !isPublic, let share = now.availability {
            card(words("CRM à l’écoute", "CRM listening"), words.percent(share), past(before.availability))
        }
        return html + "</section>\n"
    }

    private func requests() -> String {
        let months = report.period.months
        let past = report.period.yearBefore.months
        var values: [(label: String, title: String, now: Int64, before: Int64)] = []
        for (index, month) in months.enumerated() {
            let earlier = index < past.count ? sum(before, past[index], report.period.yearBefore) : 0
            values.append((words.shortMonth(month), words.month(month), sum(now, month, report.period), earlier))
        }
        guard !isPublic || values.contains(where: { $0.now > 0 }) else { return "" }
        let label = words(
            "Demandes par mois, \(words.number(now[.requests])) en tout, \(words.number(before[.requests])) un an avant",
            "Requests by month, \(words.number(now[.requests])) in all, \(words.number(before[.requests])) a year before")
        var html = figure(
            words("Demandes par mois", "Requests by month"), charts.columns(values, label: label),
            [words("Mois", "Month"), words("Demandes", "Requests"), words("Un an avant", "A year before")],
            values.map { [$0.title, words.number($0.now), words.number($0.before)] }, "w mo")
        if !isPublic, report.period.to.number - report.period.from.number <= 372 {
            html += figure(
                words("Jour par jour", "Day by day"),
                charts.calendar(report.period, { now.days[$0]?[.requests] ?? 0 }, label: busiest()),
                [words("Jour", "Day"), words("Demandes", "Requests")],
                (report.period.from.number..<report.period.to.number).map { CivilDay(number: $0) }.compactMap { day in
                    now.days[day]?[.requests].map { [words.day(day), words.number($0)] }
                }, "w cal")
        }
        return html
    }

    private func sum(_ figures: UsageFigures, _ month: CivilDay, _ period: UsagePeriod) -> Int64 {
        figures.sum(.requests, from: max(month, period.from), to: min(month.addingMonths(1), period.to))
    }

    private func busiest() -> String {
        guard let most = now.days.max(by: { ($0.value[.requests] ?? 0, $1.key) < ($1.value[.requests] ?? 0, $0.key) }) else {
            return words("Demandes par jour\u{202F}: aucune", "Requests by day: none")
        }
        let count = words.number(most.value[.requests] ?? 0)
        return words(
            "Demandes par jour\u{202F}; le plus\u{202F}: \(count), le \(words.day(most.key))",
            "Requests by day; most: \(count), on \(words.day(most.key))")
    }

    private func rhythm() -> String {
        let hours = (0..<24).map { hour in (0..<7).reduce(Int64(0)) { $0 + now.profile[$1 * 24 + hour] } }
        let top = hours.indices.max { (hours[$0], $1) < (hours[$1], $0) } ?? 0
        let label = words(
            "Demandes par heure de la semaine\u{202F}; surtout vers \(top) h", "Requests by hour of the week; most around \(top):00")
        return figure(
            words("Heures de la semaine", "Hours of the week"), charts.week(now.profile, label: label),
            [words("Jour", "Day")] + (0..<24).map { "\($0)\u{202F}h" },
            (0..<7).map { day in [words.weekdays[day]] + (0..<24).map { words.number(now.profile[day * 24 + $0]) } }, "")
    }

    private func services() -> String {
        let counts = now.by(.service, .requests)
        guard !counts.isEmpty else { return "" }
        let past = before.by(.service, .requests)
        func half(_ code: String) -> String { now.histogram(.closing, service: code).percentile(0.5).map { words.duration($0) } ?? "–" }
        let sorted = UsageReport.sorted(counts)
        var shown = sorted.prefix(12).map { (name: name($0.key), now: $0.value, before: past[$0.key], note: "") }
        let rest = sorted.dropFirst(12)
        if !rest.isEmpty {
            shown.append(
                (
                    words("\(rest.count) autres services", "\(rest.count) other services"), rest.reduce(0) { $0 + $1.value },
                    rest.reduce(0) { $0 + (past[$1.key] ?? 0) }, ""
                ))
        }
        let label = words("Demandes par service\u{202F}; d’abord \(shown[0].name)", "Requests by service; first \(shown[0].name)")
        return figure(
            words("Services", "Services"), charts.bars(shown, label: label),
            [
                words("Service", "Service"), words("Demandes", "Requests"), words("Un an avant", "A year before"),
                words("Closes en (médiane)", "Closed in (median)"),
            ],
            sorted.map { [name($0.key), words.number($0.value), past[$0.key].map { words.number($0) } ?? "–", half($0.key)] }, "tall")
    }

    private func name(_ code: String) -> String {
        code == UsageFigures.others ? words("Autres", "Others") : report.serviceNames[code] ?? code
    }

    private func delays() -> String {
        let measures: [UsageMeasure] = isPublic ? [.acknowledgement, .firstStatus, .closing] : UsageMeasure.durations
        let values = measures.map { (name: words.duration(of: $0), histogram: now.histogram($0), before: before.histogram($0)) }
        guard values.contains(where: { $0.histogram.count > 0 }) else { return "" }
        let label = values.compactMap { value in
            value.histogram.percentile(0.5).map { "\(value.name)\u{202F}: \(words("médiane", "median")) \(words.duration($0))" }
        }.joined(separator: "\u{202F}; ")
        func cells(_ histogram: DurationHistogram) -> [String] {
            [0.5, 0.9, 0.95, 0.99].map { rank in histogram.percentile(rank).map { words.duration($0) } ?? "–" }
        }
        return figure(
            words("Délais\u{202F}: la moitié, 90\u{202F}%, 99\u{202F}%", "Delays: half, 90%, 99%"), charts.delays(values, label: label),
            [
                words("Délai depuis le dépôt", "Delay since submission"), words("Nombre", "Count"), "50\u{202F}%", "90\u{202F}%",
                "95\u{202F}%", "99\u{202F}%", words("50\u{202F}% un an avant", "50% a year before"),
            ],
            values.map { [$0.name, words.number($0.histogram.count)] + cells($0.histogram) + [cells($0.before)[0]] }, "w")
    }

    private func apps() -> String {
        list(words("Applications", "Apps"), now.by(.channel, .requests), before.by(.channel, .requests)) {
            $0 == UsageFigures.others ? words("Autres", "Others") : $0
        }
    }

    private func statuses() -> String {
        list(words("Statuts donnés par le CRM", "Statuses given by the CRM"), now.by(.detail, .statuses), before.by(.detail, .statuses)) {
            words.status($0)
        }
    }

    /// Bars of one dimension; nothing when there is nothing.
    private func list(_ title: String, _ counts: [String: Int64], _ past: [String: Int64], _ name: (String) -> String) -> String {
        guard !counts.isEmpty else { return "" }
        let sorted = UsageReport.sorted(counts)
        let shown = sorted.prefix(10).map { (name: name($0.key), now: $0.value, before: past[$0.key], note: "") }
        return figure(
            title,
            charts.bars(
                Array(shown), label: "\(title)\u{202F}: \(shown.map { "\($0.name) \(words.number($0.now))" }.joined(separator: ", "))"),
            [title, words("Nombre", "Count"), words("Un an avant", "A year before")],
            sorted.map { [name($0.key), words.number($0.value), past[$0.key].map { words.number($0) } ?? "–"] }, "")
    }

    private func exchange() -> String {
        var html = list(words("Refus", "Refusals"), now.by(.detail, .refusals), before.by(.detail, .refusals)) { words.refusal($0) }
        let keys = UsageReport.sorted(now.by(.key, .calls))
        if !keys.isEmpty {
            html +=
                "<section class=\"w\"><h2>\(words("Appels par clé", "Calls by key"))</h2>"
                + table(
                    [
                        words("Clé", "Key"), words("Nom", "Name"), words("Appels", "Calls"), words("Un an avant", "A year before"),
                        words("Demandes prises", "Requests taken"), words("Répétitions", "Repetitions"), words("Refus", "Refusals"),
                        words("Pannes", "Failures"),
                    ],
                    keys.prefix(30).map { key, count in
                        [key, report.keyLabels[key] ?? (key == "crm" ? words("CRM, par AMQP", "CRM, over AMQP") : ""), words.number(count)]
                            + [
                                before.by(.key, .calls), now.by(.key, .taken), now.by(.key, .duplicates), now.by(.key, .refusals),
                                now.by(.key, .failures),
                            ].map { words.number($0[key] ?? 0) }
                    } + withoutKey()) + "</section>\n"
        }
        let rows: [(String, UsageMeasure, Bool)] = [
            (words("Messages remis à la file du CRM", "Messages handed to the CRM’s queue"), .messages, false),
            (words("Essais de remise refusés", "Refused deliveries"), .messageFailures, false),
            (words("Mises à jour du CRM", "The CRM’s updates"), .updates, false),
            (words("Répétitions reconnues, comptées une fois", "Repetitions recognised, counted once"), .duplicates, false),
            (words("Photos reçues", "Photos received"), .photos, false),
            (words("Volume des photos reçues", "Size of photos received"), .photoBytes, true),
            (words("Volume des photos servies", "Size of photos served"), .mediaServed, true),
            (words("Octets reçus", "Bytes received"), .bytesIn, true),
            (words("Octets envoyés", "Bytes sent"), .bytesOut, true),
        ]
        html +=
            "<section><h2>\(words("Échanges", "Exchanges"))</h2>"
            + table(
                ["", words("Période", "Period"), words("Un an avant", "A year before")],
                rows.map { name, measure, isBytes in
                    [name] + [now[measure], before[measure]].map { isBytes ? words.bytes($0) : words.number($0) }
                }) + "</section>\n"
        return html + presence()
    }

    /// The calls that no key explains, as a row beside those of the keys.
    private func withoutKey() -> [[String]] {
        func rest(_ figures: UsageFigures, _ measure: UsageMeasure) -> Int64 {
            max(0, figures[measure] - figures.by(.key, measure).values.reduce(0, +))
        }
        let calls = rest(now, .calls)
        guard calls > 0 else { return [] }
        let others = [rest(before, .calls)] + [.taken, .duplicates, .refusals, .failures].map { rest(now, $0) }
        return [["–", words("sans clé", "without a key"), words.number(calls)] + others.map { words.number($0) }]
    }

    /// The CRM's consumer by month.
    private func presence() -> String {
        guard now[.watched] > 0 else { return "" }
        let rows = report.period.months.compactMap { month -> (CivilDay, Double)? in
            let (from, to) = (max(month, report.period.from), min(month.addingMonths(1), report.period.to))
            return UsageFigures.share(now.sum(.consuming, from: from, to: to), of: now.sum(.watched, from: from, to: to)).map {
                (month, $0)
            }
        }
        let bars = rows.map {
            (name: words.month($0.0), now: Int64(($0.1 * 1_000).rounded()), before: Int64?.none, note: words.percent($0.1))
        }
        var drawing = SVGDrawing(width: 520, height: 26 * Double(max(1, bars.count)) + 4)
        for (index, bar) in bars.enumerated() {
            let y = Double(index) * 26 + 4
            drawing.text(bar.name, 0, y + 13, style: "t n")
            drawing.bar(140, y + 3, 310, 12, "tr", radius: 4)
            drawing.bar(
                140, y + 3, 310 * Double(bar.now) / 1_000, 12, bar.now >= 990 ? "ok" : "wa", title: "\(bar.name)\u{202F}: \(bar.note)",
                radius: 4)
            drawing.text(bar.note, 520, y + 13, "end", style: "t v")
        }
        let title = words("CRM à l’écoute de sa file", "CRM listening to its queue")
        return figure(
            title, drawing.svg(label: "\(title)\u{202F}: \(now.availability.map { words.percent($0) } ?? "–")"),
            [words("Mois", "Month"), words("Part du temps", "Share of the time")],
            bars.map { [$0.name, $0.note] }, "")
    }

    private func notes() -> String {
        let local = LocalClock(report.timeZone).local(report.countedTo)
        let minute = local.minute % 60
        let time = "\(local.minute / 60):\(minute < 10 ? "0" : "")\(minute)"
        let error = words.percent(DurationHistogram.largestError)
        var text = words(
            "Compté jusqu’au \(words.day(local.day)) à \(time) (\(report.timeZone)). Un percentile s’écarte de moins de \(error) de la durée mesurée. Aucune donnée personnelle.",
            "Counted to \(words.day(local.day)), \(time) (\(report.timeZone)). A percentile is less than \(error) away from what was measured. No personal data."
        )
        if isPublic {
            text +=
                " "
                + words(
                    "Rien de ce qui est montré ne porte sur moins de \(UsageFigures.smallestPublic) demandes.",
                    "Nothing that is shown is about fewer than \(UsageFigures.smallestPublic) requests.")
        }
        return HTMLText.escaped(text)
    }

    // MARK: Pieces

    private func change(_ measure: UsageMeasure) -> String {
        guard let (now, before, isWhole) = report.comparison(measure) else {
            return words("un an avant\u{202F}: ", "a year before: ") + words.number(self.before[measure])
        }
        guard before > 0 else { return words("rien un an avant", "nothing a year before") }
        let share = Double(now - before) / Double(before)
        let sign = share > 0 ? "+" : share < 0 ? "−" : "±"
        let number = words.number(before)
        return "\(sign)\(words.percent(min(999, abs(share))))"
            + (isWhole
                ? words(" sur un an (\(number))", " in a year (\(number))")
                : words(" sur un an (\(number) au même jour)", " in a year (\(number) by the same day)"))
    }

    private func past(_ share: Double?) -> String {
        share.map { words("un an avant\u{202F}: ", "a year before: ") + words.percent($0) } ?? ""
    }

    private func figure(_ title: String, _ chart: String, _ heading: [String], _ rows: [[String]], _ style: String) -> String {
        "<section class=\"\(style)\"><figure><figcaption><h2>\(HTMLText.escaped(title))</h2></figcaption>\(chart)</figure>"
            + "<details><summary>\(words("Les chiffres", "The numbers"))</summary>\(table(heading, rows))</details></section>\n"
    }

    private func table(_ heading: [String], _ rows: [[String]]) -> String {
        var html =
            "<div class=\"tb\" tabindex=\"0\" role=\"region\" aria-label=\"\(HTMLText.escaped(heading.first { !$0.isEmpty } ?? ""))\"><table><thead><tr>"
        for cell in heading { html += cell.isEmpty ? "<td></td>" : "<th scope=\"col\">\(HTMLText.escaped(cell))</th>" }
        html += "</tr></thead><tbody>"
        for row in rows {
            html += "<tr>"
            for (index, cell) in row.enumerated() {
                html += index == 0 ? "<th scope=\"row\">\(HTMLText.escaped(cell))</th>" : "<td>\(HTMLText.escaped(cell))</td>"
            }
            html += "</tr>"
        }
        return html + "</tbody></table></div>"
    }
}
