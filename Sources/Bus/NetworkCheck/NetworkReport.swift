import Foundation
import Open311

/// The findings of one run, for people in either language and for scripts.
public struct NetworkReport: Sendable, Hashable {
    public let plan: NetworkPlan
    public let findings: [NetworkFinding]

    public init(plan: NetworkPlan, findings: [NetworkFinding]) {
        self.plan = plan
        self.findings = findings
    }

    /// Whether a CRM can work from here: one way to the broker, and every API.
    public var isOK: Bool {
        let good = { (destination: NetworkPlan.Destination) in self.isGood(destination) }
        return (plan.brokers.isEmpty || plan.brokers.contains(where: good)) && plan.apis.allSatisfy(good)
    }

    private func isGood(_ destination: NetworkPlan.Destination) -> Bool {
        let own = findings.filter { $0.target == destination.name }
        return !own.isEmpty && own.allSatisfy(\.isOK)
    }

    public func text(in language: Language) -> String {
        let isEnglish = language.primary == .english
        var lines: [String] = []
        for destination in plan.destinations {
            let use =
                switch (destination.purpose, isEnglish) {
                case (.broker, false): "le bus de messages"
                case (.broker, true): "the message bus"
                case (.api, false): "l’API des statuts"
                case (.api, true): "the status API"
                }
            lines.append("\(destination.name) — \(use)")
            for finding in findings where finding.target == destination.name {
                let text = NetworkTexts.text(of: finding, in: language)
                let time = finding.milliseconds.map { String(format: " (%.0f ms)", $0) } ?? ""
                lines.append(
                    "  \(finding.isOK ? "ok    " : isEnglish ? "FAILED" : "ÉCHEC ") \(finding.step.rawValue): \(text.found)\(time)")
                if let remedy = text.remedy { lines.append("         → \(remedy)") }
            }
        }
        lines.append(verdict(isEnglish))
        return lines.joined(separator: "\n")
    }

    private func verdict(_ isEnglish: Bool) -> String {
        let hasDetour = isOK && findings.contains { !$0.isOK }
        switch (isOK, isEnglish) {
        case (true, false): return hasDetour ? "Résultat : le CRM peut travailler d’ici ; une voie suffit." : "Résultat : tout est ouvert."
        case (true, true): return hasDetour ? "Result: the CRM can work from here; one way is enough." : "Result: everything is open."
        case (false, false): return "Résultat : le CRM ne peut pas travailler d’ici. Remettre ces lignes au service réseau."
        case (false, true): return "Result: the CRM cannot work from here. Hand these lines to the network team."
        }
    }

    /// One object: `ok`, and the findings with code, texts and time.
    public func json(in language: Language) throws -> String {
        struct Line: Encodable {
            let target: String
            let step: String
            let ok: Bool
            let code: String
            let milliseconds: Double?
            let detail: String
            let remedy: String?
        }
        struct Whole: Encodable {
            let ok: Bool
            let language: String
            let findings: [Line]
        }
        let lines = findings.map { finding in
            let text = NetworkTexts.text(of: finding, in: language)
            return Line(
                target: finding.target, step: finding.step.rawValue, ok: finding.isOK, code: finding.outcome.rawValue,
                milliseconds: finding.milliseconds.map { ($0 * 10).rounded() / 10 }, detail: text.found, remedy: text.remedy)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(Whole(ok: isOK, language: language.rawValue, findings: lines)), as: UTF8.self)
    }
}
