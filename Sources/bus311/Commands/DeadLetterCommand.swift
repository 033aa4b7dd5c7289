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
                Examples: bus311 dead-letters list
                          bus311 dead-letters list valmont-7f3a9c --format json
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String?

        func run() async throws {
            try await common.administer { administration in
                var groups: [DeadLetterGroup] = []
                for (box, tenant) in try await boxes(administration) {
                    let letters = try await using(box) { try await $0.open(limit: DeadLetterCommand.maximum) }
                    let consumers = try await DeadLetterConsumers(of: letters, tenant, administration.store)
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

        private func boxes(_ administration: Administration) async throws -> [(DeadLetterBox, Tenant?)] {
            if let tenant {
                let tenant = try await administration.tenant(tenant)
                return [(try administration.deadLetters(of: tenant), tenant)]
            }
            let tenants = try await administration.store.tenants()
            return try tenants.map { (try administration.deadLetters(of: $0), $0) }
                + Set(tenants.map(\.virtualHost)).sorted().flatMap { host in
                    try [SharedTopology.statusDeadQueue, SharedTopology.strayQueue].map {
                        (try administration.deadLetters(in: $0, virtualHost: host), nil)
                    }
                }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A tenant's dead letters one by one; the bodies, which may hold personal data, only when asked for.",
            discussion: "Example: bus311 dead-letters show valmont-7f3a9c --reason rejected --limit 10 --bodies")
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
                let tenant = try await administration.tenant(chosen.tenant)
                let letters = try await using(try administration.deadLetters(of: tenant)) { box in
                    try await box.open(chosen.filter, limit: DeadLetterCommand.maximum, keepsBodies: bodies).prefix(limit)
                }
                let consumers = try await DeadLetterConsumers(of: Array(letters), tenant, administration.store)
                let views = letters.map { View($0, consumer: consumers.name($0)) }
                try common.show(text: views.map(\.text).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Return: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send the events of dead letters again, from the database and with their first ids, and remove the letters.",
            discussion: "Example: bus311 dead-letters return valmont-7f3a9c --reason rejected --dry-run")
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
                let tenant = try await administration.tenant(chosen.tenant)
                let outcome = try await administration.alone(with: tenant) { box, store in
                    let letters = try await box.open(chosen.filter, limit: DeadLetterCommand.maximum)
                    let seconds = (letters.count + rate - 1) / rate
                    if dryRun { return Outcome(letters: letters.count, returned: nil, discarded: nil, replay: nil, seconds: seconds) }
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
            abstract: "Remove dead letters for good; the events stay in the database.",
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
                let tenant = try await administration.tenant(chosen.tenant)
                let outcome = try await administration.alone(with: tenant) { box, store in
                    let letters = try await box.open(chosen.filter, limit: DeadLetterCommand.maximum)
                    if dryRun { return Outcome(letters: letters.count, returned: nil, discarded: nil, replay: nil) }
                    // Before, not after: what is removed is in the record even when the command is cut.
                    try await store.record(
                        "dead letters discarded", by: Operator.name, of: tenant.id,
                        detail: "\(letters.count) letters: \(CleanText.singleSpaced(because))")
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
        @Argument var tenant: String
        @Option(help: "Only those that died for this reason.") var reason: Reason?
        @Option(help: "Only this event.") var event: String?
        @Flag(help: "All of them.") var all = false

        /// The broker's words.
        enum Reason: String, ExpressibleByArgument, CaseIterable {
            case rejected, expired, maxlen
            case deliveryLimit = "delivery_limit"
        }

        var filter: DeadLetterFilter {
            DeadLetterFilter(reason: reason?.rawValue, messageID: event.map { EventID(parsing: $0)?.description ?? $0 })
        }

        func check() throws {
            guard all || reason != nil || event != nil else { throw ValidationError("Say which: --event, --reason or --all.") }
            try checkNames()
        }

        func checkNames() throws {
            guard !all || reason == nil && event == nil else {
                throw ValidationError("--all contradicts --event and --reason: say which are meant.")
            }
            if let event, EventID(parsing: event) == nil {
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

    struct Outcome: Encodable {
        /// That match.
        let letters: Int
        let returned: Int?
        let discarded: Int?
        let replay: Int64?
        /// Removed and not returned, because their requests were erased.
        var erased: Int?
        /// A return's duration at the rate asked for.
        var seconds: Int?

        var text: String {
            if let returned, let replay {
                let left = letters - returned - (erased ?? 0)
                return "\(returned) events returned as replay \(replay)."
                    + (erased.map { $0 > 0 ? " \($0) of erased requests removed." : "" } ?? "")
                    + (left > 0 ? " \(left) have no confirmed event in the database and stay where they are." : "")
            }
            if let discarded { return "\(discarded) dead letters removed." }
            return "\(letters) dead letters match" + (seconds.map { ", to be returned in about \(Pace.text(seconds: Int64($0)))" } ?? "")
                + "; nothing was changed."
        }
    }
}

extension Administration {
    func deadLetters(of tenant: Tenant) throws -> DeadLetterBox {
        try deadLetters(in: Topology(tenant: tenant.key).deadQueue, virtualHost: tenant.virtualHost)
    }

    /// Opens a tenant's dead letters to send them back or to remove them: by one command at a time, or each would have a part of them.
    func alone<Value>(with tenant: Tenant, _ work: (DeadLetterBox, ReplayStore) async throws -> Value) async throws -> Value {
        try await using(try ReplayStore(configuration: try settings.database(.admin))) { store in
            guard try await store.takeDeadLetters(of: tenant.id) else {
                throw ValidationError(
                    "Another command is at work on the dead letters of \(tenant.key), and holds them: repeat this one when it is done.")
            }
            return try await using(try deadLetters(of: tenant)) { try await work($0, store) }
        }
    }

    func deadLetters(in queue: String, virtualHost: String) throws -> DeadLetterBox {
        try DeadLetterBox(broker: try settings.redriveBroker, queue: queue, virtualHost: virtualHost)
    }
}
