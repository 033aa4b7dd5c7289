import AMQP
import Dispatch
import Foundation

/// A CRM's consumer in Swift, with the AMQP module of this package: copy it, and put your own database in place of the journal.
///
/// Settings, all from the environment: `AMQP_URI` (amqps://user:password@host:5671/open311, as the city's operator gave it), `QUEUE`
/// (o311.<tenant>.requests), `STATUS_EXCHANGE` (o311.<tenant>.status), `STATE` (the folder of journal.jsonl),
/// `AMQP_CA_FILE` (the authority of the bus's certificate, PEM, where those of this machine do not know it; may be left out).
@main
struct ExampleConsumer {
    private static let snapshots: Set = ["service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1"]
    private static let erasure = "service_request.erased.v1"

    private var journal: Journal
    private let stop = StopSign()
    private let configuration: AMQPConfiguration
    private let queue: String
    private let exchange: String

    /// What comes to the desk of the one who works: messages, and the reasons to end.
    private enum Incoming: Sendable {
        case message(Delivery)
        case lost(any Error)
        case stop
    }

    static func main() async throws {
        var consumer = try ExampleConsumer(environment: ProcessInfo.processInfo.environment)
        try await consumer.run()
    }

    private init(environment: [String: String]) throws {
        func setting(_ name: String) throws -> String {
            guard let value = environment[name] else { throw MissingSetting(name: name) }
            return value
        }
        var configuration = try AMQPConfiguration(uri: try setting("AMQP_URI"))
        // Of amqps:// the certificate and the name are verified.
        if let file = environment["AMQP_CA_FILE"], !file.isEmpty { configuration.tls?.caFile = file }
        configuration.heartbeat = 15  // firewalls forget a silent connection
        configuration.connectionName = "example CRM, swift"
        self.configuration = configuration
        queue = try setting("QUEUE")
        exchange = try setting("STATUS_EXCHANGE")
        journal = try Journal(path: try setting("STATE") + "/journal.jsonl")
    }

    private mutating func run() async throws {
        let signals = stop.listen()
        defer { for signal in signals { signal.cancel() } }
        var longest = 2.0
        while !stop.isAsked {
            do {
                try await consume { longest = 2 }
            } catch let error as AMQPError {
                // Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
                var pause = Double.random(in: 1..<longest)
                if error.kind == .authenticationRefused { pause = 300 }  // somebody has to change something
                print("connection lost (\(error)); again in \(Int(pause * 1_000)) ms")
                await stop.sleep(.seconds(pause))
                longest = min(60, longest * 2)
            }
        }
    }

    /// Until the connection is lost (throws) or a stop is asked for (returns).
    private mutating func consume(connected: () -> Void) async throws {
        // Two connections: a broker in alarm stops reading from those who publish, their acknowledgements included.
        let publisher = try ConfirmedPublisher(configuration: configuration)
        let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 20)
        let (desk, tray) = AsyncStream<Incoming>.makeStream()
        do {
            try await publisher.connect()
            try await sendStatuses(publisher)
            // Nothing is declared: the queue is the operator's.
            let deliveries = try await consumer.start()
            connected()
            stop.onStop { tray.yield(.stop) }
            let mail = Task {
                do {
                    for try await delivery in deliveries { tray.yield(.message(delivery)) }
                } catch {
                    tray.yield(.lost(error))
                }
            }
            work: for await incoming in desk {
                switch incoming {
                case .stop: break work
                case .lost(let error): throw error
                case .message(let delivery):
                    try await handle(delivery, of: consumer)
                    try await sendStatuses(publisher)
                }
            }
            // What was delivered and not handled goes back to the queue.
            await consumer.close()
            await publisher.close()
            await mail.value
        } catch {
            await consumer.close()
            await publisher.close()
            throw error
        }
    }

    /// One message: stored then acknowledged, ignored, or rejected for good.
    private mutating func handle(_ delivery: Delivery, of consumer: Consumer) async throws {
        let type = delivery.properties.type ?? ""
        // Any other type is acknowledged and ignored: that is how the contract can grow.
        if Self.snapshots.contains(type) || type == Self.erasure {
            guard let event = try? JSONDecoder().decode(Event.self, from: Data(delivery.body)), event.isUsable else {
                // It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
                print("rejected \(delivery.properties.messageID ?? "a message without an id")")
                try await consumer.reject(delivery.tag, requeue: false)
                return
            }
            while true {
                do {
                    try journal.apply(event, snapshot: type == Self.erasure ? nil : String(decoding: delivery.body, as: UTF8.self))
                    break
                } catch {
                    // The disk is full, or away: not the message's fault. Wait with it in hand; the module's thread sends the heartbeats.
                    print("the journal cannot be written, waiting: \(error)")
                }
                await stop.sleep(.seconds(1))
                if stop.isAsked { return }  // not stored, not acknowledged: it goes back to the queue
            }
        }
        try await consumer.acknowledge(delivery.tag, multiple: false)
    }

    /// Empties the outbox. The update's identifier makes a repetition harmless: a status leaves the outbox after its confirm only.
    private mutating func sendStatuses(_ publisher: ConfirmedPublisher) async throws {
        let tenant = exchange.dropFirst("o311.".count).dropLast(".status".count)
        for (update, request) in journal.outbox {
            let status = Status(service_request_id: request, external_reference: "CRM-\(request)")
            let publication = Publication(
                tag: 1, exchange: exchange, routingKey: "\(tenant).status_update.v1", body: Array(try JSONEncoder().encode(status)),
                properties: MessageProperties(messageID: update, contentType: "application/json"))
            let outcomes = try await publisher.exchange([publication], minimum: 1, wait: .seconds(30)).map(\.outcome)
            guard outcomes == [.confirmed] else {
                print("the status of \(request) was not taken (\(outcomes)), later again")
                return
            }
            do {
                try journal.markSent(update)
            } catch {
                print("the journal cannot be written, statuses later: \(error)")
                return
            }
        }
    }
}

/// Only what this CRM needs; the decoder ignores every other member, those of tomorrow included.
struct Event: Decodable {
    struct Request: Decodable {
        var service_request_id: String
        var sequence: Int
    }

    var id: String
    var source: String
    var data: Request

    var isUsable: Bool { !id.isEmpty && !data.service_request_id.isEmpty && data.sequence > 0 }

    /// After a restore of the bus the source ends with an epoch: `/open311/<tenant>-e2`.
    var version: Journal.Version {
        let mark = source.range(of: "-e[1-9][0-9]{0,8}$", options: .regularExpression)
        return Journal.Version(epoch: mark.flatMap { Int(source[$0].dropFirst(2)) } ?? 1, sequence: data.sequence)
    }
}

struct Status: Encodable {
    var service_request_id: String
    var status = "IN_PROCESS"
    var status_notes = "Pris en charge"
    var external_reference: String
    /// The CRM has it: the delivery ends here.
    var ack = true
}

struct MissingSetting: Error, CustomStringConvertible {
    var name: String
    var description: String { "the environment has no \(name)" }
}
