/// The statistics as a few lines for a terminal.
public enum UsageSummary {
    public static func text(_ report: UsageReport) -> String {
        let words = UsageWords(report.language)
        let (now, before) = (report.current, report.before)
        var lines = [
            "\(report.city) (\(report.tenant.rawValue)), \(report.period.from) – \(report.period.to.adding(-1)), \(report.timeZone)",
            words("compté jusqu'à ", "counted to ") + report.countedTo.iso8601, "",
        ]
        func line(_ name: String, _ value: String, _ past: String) {
            lines.append(padded(name, 34) + leading(value, 14) + leading(past, 14))
        }
        line("", words("période", "period"), words("un an avant", "year before"))
        for (name, measure) in [
            (words("Demandes", "Requests"), UsageMeasure.requests), (words("  avec photo", "  with a photo"), .withPhoto),
            (words("  avec un nom", "  with a name"), .identified), (words("  anonymes", "  anonymous"), .anonymous),
            (words("Mises à jour du CRM", "The CRM's updates"), .updates), (words("Appels", "Calls"), .calls),
            (words("Refus", "Refusals"), .refusals), (words("Répétitions", "Repetitions"), .duplicates),
        ] { line(name, words.number(now[measure]), words.number(before[measure])) }
        if let (now, before, isWhole) = report.comparison(.requests), !isWhole {
            line(words("Demandes avant aujourd'hui", "Requests before today"), words.number(now), words.number(before))
        }
        line(words("Photos reçues (volume)", "Photos received (size)"), words.bytes(now[.photoBytes]), words.bytes(before[.photoBytes]))
        for measure in UsageMeasure.durations {
            func half(_ figures: UsageFigures) -> String { figures.histogram(measure).percentile(0.5).map { words.duration($0) } ?? "–" }
            line(words.duration(of: measure) + words(" (médiane)", " (median)"), half(now), half(before))
        }
        func share(_ figures: UsageFigures) -> String { figures.availability.map { words.percent($0) } ?? "–" }
        line(words("CRM à l'écoute", "CRM listening"), share(now), share(before))
        let services = UsageReport.sorted(now.by(.service, .requests)).prefix(10)
        if !services.isEmpty { lines.append("") }
        for (code, count) in services {
            line("  " + (report.serviceNames[code] ?? code), words.number(count), words.number(before.by(.service, .requests)[code] ?? 0))
        }
        return lines.joined(separator: "\n")
    }

    private static func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
    private static func leading(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(1, width - text.count)) + text }
}
