import Bus

extension DeadLetterCommand {
    /// What a return or a removal did.
    struct Outcome: Encodable {
        /// That match.
        let letters: Int
        /// Events that are on their way again; of statuses, those that were judged and answered.
        let returned: Int?
        let discarded: Int?
        let replay: Int64?
        /// Removed and not returned, because their requests were erased.
        var erased: Int?
        /// A return's duration at the rate asked for.
        var seconds: Int?
        /// Of statuses: what became of how many.
        var outcomes: [String: Int]?
        /// Of statuses: ended before all were looked at, for the broker takes back what is held too long.
        var cut: Bool?

        var text: String {
            if let outcomes { return Self.text(outcomes, answered: returned ?? 0, isCut: cut == true) }
            if let returned {
                let left = letters - returned - (erased ?? 0)
                return (replay.map { "\(returned) events returned as replay \($0)." } ?? "\(returned) events returned.")
                    + (erased.map { $0 > 0 ? " \($0) of erased requests removed." : "" } ?? "")
                    + (left > 0 ? " \(left) stay where they are: the database has no confirmed event with content of their ids." : "")
            }
            if let discarded { return "\(discarded) dead letters removed." }
            return "\(letters) dead letters match" + (seconds.map { ", to be returned in about \(Pace.text(seconds: Int64($0)))" } ?? "")
                + "; nothing was changed."
        }

        private static func text(_ outcomes: [String: Int], answered: Int, isCut: Bool) -> String {
            let words = outcomes.filter { $0.key != failed && $0.key != unattributable }.sorted { $0.key < $1.key }
                .map { "\($0.value) \($0.key)" }
            var lines = [
                "\(answered) statuses judged again"
                    + (words.isEmpty ? "." : ": \(words.joined(separator: ", ")); their senders have receipts.")
            ]
            if let count = outcomes[failed] { lines.append("\(count) stay: the database refuses them still; its log says why.") }
            if let count = outcomes[unattributable] {
                lines.append(
                    "\(count) stay: nobody can be answered, for they are of no tenant there or name a user who is not the tenant's. Look, then discard them."
                )
            }
            if isCut { lines.append("Ended after 25 minutes, before the broker takes back what is held: the same command goes on.") }
            return lines.joined(separator: "\n")
        }

        private static let failed = "failed"
        private static let unattributable = "unattributable"
    }
}

extension DeadLetterCommand.Outcome {
    init(statuses: [DeadStatuses.Outcome], isCut: Bool) {
        let words = statuses.map { outcome in
            switch outcome {
            case .answered(let word): word
            case .failed: Self.failed
            case .unattributable: Self.unattributable
            }
        }
        let counts = Dictionary(words.map { ($0, 1) }, uniquingKeysWith: +)
        self.init(
            letters: statuses.count, returned: statuses.count - (counts[Self.failed] ?? 0) - (counts[Self.unattributable] ?? 0),
            discarded: nil, replay: nil, outcomes: counts, cut: isCut ? true : nil)
    }
}
