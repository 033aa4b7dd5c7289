import AMQP
import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

struct DeadLetterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters", abstract: "Messages that a consumer refused, or failed to take too often.",
        subcommands: [List.self, Show.self, Return.self, Discard.self])

    /// More than a dead queue may hold.
    static let maximum = 60_000
    /// Seconds for which letters may be held: `consumer_timeout` is thirty minutes, less what it takes to be sure.
    static let longestHold = 1_500

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How many there are, by queue, reason, type and consumer; of every tenant without one.",
            discussion: """
                RabbitMQ does not write into a dead letter who refused it: the consumer is told by who consumed the queue at that moment,
                as the watch saw it. Several at once are named together; one that was there for less than five seconds may not have
                been seen.
                Each line begins with the queue that lost them; the other commands take that name too, or the tenant's key.
                Examples: bus311 dead-letters list
                          bus311 dead-letters list valmont-7f3a9c --format json
                """)
        @OptionGroup var common: CommonOptions
        @Argument(help: "A tenant's key, or a queue.") var tenant: String?
        @Option(help: "Of a queue that several virtual hosts have.") var virtualHost: String?

        func validate() throws {
            guard tenant != nil || virtualHost == nil else { throw ValidationError("--virtual-host belongs to a queue: name it.") }
        }

        func run() async throws {
            try await common.administer { administration in
                var groups: [DeadLetterGroup] = []
                for place in try await places(administration) {
                    let letters = try await using(try administration.deadLetters(at: place)) {
                        try await $0.open(DeadLetterFilter(sender: place.sender), limit: DeadLetterCommand.maximum)
                    }
                    let consumers = try await DeadLetterConsumers(of: letters, place.tenant, administration.store)
                    groups += DeadLetterGroup.groups(of: letters, consumer: consumers.name)
                }
                let lines = groups.map { group in
                    let oldest = group.oldest.map { ", the oldest from \($0)" } ?? ""
                    let consumer = group.consumer.map { "\n  consumer: \($0)" } ?? ""
                    return "\(group.queue)  \(group.reason)  \(group.type ?? "-")  \(group.count)\(oldest)\(consumer)"
                }
                try common.show(text: lines.isEmpty ? "There are no dead letters." : lines.joined(separator: "\n"), json: groups)
            }
        }

        private func places(_ administration: Administration) async throws -> [DeadLetterPlace] {
            guard let tenant else { return DeadLetterPlace.all(of: try await administration.store.tenants()) }
            return [try await administration.deadLetterPlace(tenant, virtualHost: virtualHost)]
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Dead letters one by one; the bodies, which may hold personal data, only when asked for.",
            discussion: """
                Examples: bus311 dead-letters show valmont-7f3a9c --reason rejected --limit 10 --bodies
                          bus311 dead-letters show o311.status.dead
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var chosen: Choice
        @Option(help: "How many.") var limit = 100
        @Flag(help: "Show the bodies too.") var bodies = false

        func validate() throws {
            try chosen.checkNames()
            guard limit > 0 else { throw ValidationError("--limit must be 1 or more.") }
        }

        func run() async throws {
            try await common.administer { administration in
                let place = try await administration.deadLetterPlace(chosen.tenant, virtualHost: chosen.virtualHost)
                let letters = try await using(try administration.deadLetters(at: place)) { box in
                    try await box.open(chosen.filter(at: place), limit: DeadLetterCommand.maximum, keepsBodies: bodies).prefix(limit)
                }
                let consumers = try await DeadLetterConsumers(of: Array(letters), place.tenant, administration.store)
                let views = letters.map { View($0, consumer: consumers.name($0)) }
                try common.show(text: views.map(\.text).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Return: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send the events of dead letters again, from the database and with their first ids, and remove the letters.",
            discussion: """
                Statuses that a CRM sent are judged once more instead, by the rules of every status: the CRM has its receipt, and what is
                answered leaves the queue.
                Examples: bus311 dead-letters return valmont-7f3a9c --reason rejected --dry-run
                          bus311 dead-letters return o311.valmont-7f3a9c.status-in --all
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var chosen: Choice
        @Option(help: "Events a second.") var rate = 50
        @Flag(help: "Say how many would be returned; change nothing.") var dryRun = false

        func validate() throws {
            try chosen.check()
            guard (1...10_000).contains(rate) else { throw ValidationError("--rate must be 1 to 10000.") }
        }

        func run() async throws {
            try await common.administer { administration in
                let place = try await administration.deadLetterPlace(chosen.tenant, virtualHost: chosen.virtualHost)
                let filter = chosen.filter(at: place)
                let outcome = try await administration.alone(at: place) { box, store in
                    if place.tenant == nil, !dryRun {
                        return try await DeadStatusReturn(administration: administration, place: place, store: store, rate: rate)
                            .run(filter, in: box)
                    }
                    let letters = try await box.open(filter, limit: DeadLetterCommand.maximum)
                    let seconds = (letters.count + rate - 1) / rate
                    guard let tenant = place.tenant, !dryRun else {
                        return Outcome(letters: letters.count, returned: nil, discarded: nil, replay: nil, seconds: seconds)
                    }
                    // The letters are held until their events are on their way, and the broker takes back what is held too long.
                    guard seconds <= DeadLetterCommand.longestHold else {
                        throw ValidationError(
                            "\(letters.count) letters at \(rate) a second take \(Pace.text(seconds: Int64(seconds))), and the broker takes "
                                + "back what is held for 30 minutes: choose --rate \(letters.count / DeadLetterCommand.longestHold + 1) or more."
                        )
                    }
                    return try await DeadLetterReturn(administration: administration, tenant: tenant, store: store, rate: rate)
                        .run(letters, in: box)
                }
                try common.show(text: outcome.text, json: outcome)
            }
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove dead letters for good; events stay in the database, a CRM's statuses are nowhere else.",
            discussion:
                "Example: bus311 dead-letters discard valmont-7f3a9c --event 0192f0a1-7b3c-7d41-9e2f-5a6b7c8d9e0f --because 'a test'")
        @OptionGroup var common: CommonOptions
        @OptionGroup var chosen: Choice
        @Option(help: "Why, for the record.") var because: String
        @Flag(help: "Say how many would be removed; change nothing.") var dryRun = false

        func validate() throws {
            try chosen.check()
            let why = CleanText.singleSpaced(because)
            guard !why.isEmpty, !CleanText.isLonger(why, than: 500) else {
                throw ValidationError("--because must say why, in 500 characters at most: it stays in the record.")
            }
        }

        func run() async throws {
            try await common.administer { administration in
                let place = try await administration.deadLetterPlace(chosen.tenant, virtualHost: chosen.virtualHost)
                let outcome = try await administration.alone(at: place) { box, store in
                    let letters = try await box.open(chosen.filter(at: place), limit: DeadLetterCommand.maximum)
                    if dryRun { return Outcome(letters: letters.count, returned: nil, discarded: nil, replay: nil) }
                    // Before, not after: what is removed is in the record even when the command is cut.
                    try await store.record(
                        "dead letters discarded", by: Operator.name, of: place.tenant?.id,
                        detail: "\(letters.count) letters\(chosen.shared(place)): \(CleanText.singleSpaced(because))")
                    try await box.remove(letters)
                    return Outcome(letters: letters.count, returned: nil, discarded: letters.count, replay: nil)
                }
                try common.show(text: outcome.text, json: outcome)
            }
        }
    }
}

extension DeadLetterCommand {
    /// Which dead letters a command means.
    struct Choice: ParsableArguments {
        @Argument(help: "The tenant's key, or a queue's name as list prints it: o311.status.dead and o311.stray are those of all tenants.")
        var tenant: String
        @Option(help: "Of a queue that several virtual hosts have.") var virtualHost: String?
        @Option(help: "Only those that died for this reason.") var reason: Reason?
        @Option(help: "Only this event, or of statuses only this message_id.") var event: String?
        @Flag(help: "All of them.") var all = false

        /// The broker's words.
        enum Reason: String, ExpressibleByArgument, CaseIterable {
            case rejected, expired, maxlen
            case deliveryLimit = "delivery_limit"
            /// Our word, for what came with a routing key that leads nowhere.
            case unroutable
        }

        func filter(at place: DeadLetterPlace) -> DeadLetterFilter {
            DeadLetterFilter(
                reason: reason?.rawValue,
                messageID: event.map { place.tenant == nil ? $0 : EventID(parsing: $0)?.description ?? $0 }, sender: place.sender)
        }

        /// For the record: which of the shared queues, and whose part of it.
        func shared(_ place: DeadLetterPlace) -> String { place.tenant == nil ? " of \(tenant) in \(place.virtualHost)" : "" }

        func check() throws {
            guard all || reason != nil || event != nil else { throw ValidationError("Say which: --event, --reason or --all.") }
            try checkNames()
        }

        func checkNames() throws {
            guard !all || reason == nil && event == nil else {
                throw ValidationError("--all contradicts --event and --reason: say which are meant.")
            }
            // A CRM calls its statuses what it likes.
            if let event, EventID(parsing: event) == nil, !DeadLetterPlace.holdsStatuses(tenant) {
                throw ValidationError("--event \(event) is no event's id. List them: bus311 dead-letters show \(tenant)")
            }
        }
    }

    struct View: Encodable {
        let queue: String
        let reason: String
        let event: String?
        let service_request_id: String?
        let type: String?
        let at: String?
        let died: String?
        let consumer: String?
        let bytes: Int
        let body: String?

        init(_ letter: DeadLetter, consumer: String?) {
            queue = letter.queue
            reason = letter.reason
            event = letter.messageID
            service_request_id = letter.correlationID
            type = letter.type
            at = letter.timestamp.map { Timestamp(seconds: $0).iso8601 }
            died = letter.diedAt?.iso8601
            self.consumer = consumer
            bytes = letter.size
            body = letter.body.map { String(decoding: $0, as: UTF8.self) }
        }

        var text: String {
            "\(event ?? "-")  \(reason)  \(type ?? "-")  request \(service_request_id ?? "-")  \(at ?? "-")  \(bytes) bytes"
                + (consumer.map { "\n  \(died ?? "-") consumer: \($0)" } ?? "")
                + (body.map { "\n  " + $0 } ?? "")
        }
    }
}
