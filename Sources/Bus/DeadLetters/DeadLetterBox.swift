import AMQP

/// A dead-letter queue opened by an operator: its messages are held while the box is open, and all that were not removed are back
/// in the queue when it is closed.
public actor DeadLetterBox {
    public nonisolated let queue: String
    private let channel: AMQPChannel
    /// What ``remove(_:)`` was answered with, to be looked at next.
    private var ahead: [Delivery] = []

    /// - Parameters:
    ///   - broker: of the user for dead letters.
    ///   - queue: a tenant's dead queue, or the installation's for statuses or strays.
    /// - Throws: an ``AMQPError``.
    public init(broker: AMQPConfiguration, queue: String, virtualHost: String) throws {
        var broker = broker
        broker.virtualHost = virtualHost
        broker.connectionName = "bus311 dead-letters"
        channel = try AMQPChannel(configuration: broker)
        self.queue = queue
    }

    /// Takes out what matches, oldest first.
    ///
    /// - Parameters:
    ///   - limit: messages looked at; bounds the memory.
    ///   - keepsBodies: bodies are read past otherwise.
    public func open(
        _ filter: DeadLetterFilter = DeadLetterFilter(), limit: Int, keepsBodies: Bool = false
    ) async throws -> [DeadLetter] {
        try await next(filter, limit: limit, keepsBodies: keepsBodies).letters
    }

    /// The same, a part at a time: none comes twice while the box is open.
    ///
    /// - Returns: what matches of the next `limit` messages, and whether there are no more.
    public func next(
        _ filter: DeadLetterFilter, limit: Int, keepsBodies: Bool
    ) async throws -> (letters: [DeadLetter], isLast: Bool) {
        var letters: [DeadLetter] = []
        for _ in 0..<limit {
            let delivery = ahead.isEmpty ? try await channel.get(queue: queue) : ahead.removeFirst()
            guard let delivery else { return (letters, true) }
            let letter = DeadLetter(delivery, from: queue, keepsBody: keepsBodies)
            if filter.matches(letter) { letters.append(letter) }
        }
        return (letters, false)
    }

    /// Removes letters for good; none of them is in the queue any more when this returns.
    ///
    /// The broker's channel passes on only so many words to a quorum queue at once (32, seen on RabbitMQ 3.10), keeps the others to
    /// itself until the queue has answered, and forgets them when the connection is closed: their letters would be back in the queue.
    /// So each few are followed by a question to the queue itself, which is answered behind them. What it answers with, if anything came
    /// meanwhile, is held like the rest.
    public func remove(_ letters: [DeadLetter]) async throws {
        for start in stride(from: 0, to: letters.count, by: Self.atOnce) {
            for letter in letters[start..<min(start + Self.atOnce, letters.count)] { try await channel.acknowledge(letter.tag) }
            if let delivery = try await channel.get(queue: queue), ahead.count < Self.atMostAhead { ahead.append(delivery) }
        }
    }

    private static let atOnce = 8
    /// As many as follow the removal of a hundred; more are only held.
    private static let atMostAhead = 16

    public func close() async { await channel.close() }
}
