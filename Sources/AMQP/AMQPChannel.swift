import ConnectionThread

/// What a queue holds, counted by the broker at the time of the answer.
public struct QueueDepth: Sendable, Hashable {
    /// Messages ready for delivery.
    public let messages: Int
    public let consumers: Int

    public init(messages: Int, consumers: Int) {
        self.messages = messages
        self.consumers = consumers
    }
}

/// An administrative session for tools and tests: one request, one answer.
///
/// Connects at the first request and again after an error, because an AMQP error ends the channel. What ``get(queue:)`` has taken
/// and nobody acknowledged goes back to its queue then.
public actor AMQPChannel {
    private let configuration: AMQPConfiguration
    private let thread: ConnectionThread
    private let watchdog: Watchdog
    private var connection: BrokerConnection?
    private var isClosed = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts the session's thread; does not connect.
    ///
    /// - Throws: an ``AMQPError`` of kind `invalidConfiguration` or `outOfResources`.
    public init(configuration: AMQPConfiguration) throws(AMQPError) {
        (thread, watchdog) = try makeThreads(named: "amqp-channel", for: configuration)
        self.configuration = configuration
    }

    deinit { thread.stop() }

    /// Counts a queue's ready messages and consumers; `notFound` when it does not exist.
    public func passiveDeclare(queue: String) throws(AMQPError) -> QueueDepth {
        try request { connection throws(AMQPError) in
            try connection.declare(queue: queue, passive: true, durable: true, exclusive: false, arguments: [])
        }
    }

    /// Asks whether an exchange exists; throws `notFound` when it does not.
    public func passiveDeclare(exchange: String) throws(AMQPError) {
        try request { connection throws(AMQPError) in
            try connection.declare(exchange: exchange, type: "", passive: true, durable: true)
        }
    }

    /// Creates a queue, or checks that it has these properties.
    ///
    /// - Parameter arguments: for instance `("x-queue-type", .string("quorum"))`.
    @discardableResult
    public func declare(
        queue: String,
        durable: Bool = true,
        exclusive: Bool = false,
        arguments: [(String, HeaderValue)] = []
    ) throws(AMQPError) -> QueueDepth {
        try request { connection throws(AMQPError) in
            try connection.declare(queue: queue, passive: false, durable: durable, exclusive: exclusive, arguments: arguments)
        }
    }

    /// Creates an exchange, or checks that it has these properties.
    ///
    /// - Parameter type: `direct`, `topic`, `fanout` or `headers`.
    public func declare(exchange: String, type: String, durable: Bool = true) throws(AMQPError) {
        try request { connection throws(AMQPError) in
            try connection.declare(exchange: exchange, type: type, passive: false, durable: durable)
        }
    }

    /// Routes what comes to the exchange with this key to the queue.
    public func bind(queue: String, to exchange: String, routingKey: String) throws(AMQPError) {
        try request { connection throws(AMQPError) in
            try connection.bind(queue: queue, to: exchange, routingKey: routingKey)
        }
    }

    /// Deletes a queue with what it holds; a queue that does not exist is no error.
    public func delete(queue: String) throws(AMQPError) {
        try request { connection throws(AMQPError) in try connection.delete(queue: queue) }
    }

    /// Deletes an exchange; one that does not exist is no error.
    public func delete(exchange: String) throws(AMQPError) {
        try request { connection throws(AMQPError) in try connection.delete(exchange: exchange) }
    }

    /// Drops the ready messages of a queue and answers how many there were.
    public func purge(queue: String) throws(AMQPError) -> Int {
        try request { connection throws(AMQPError) in try connection.purge(queue: queue) }
    }

    /// Takes one message, to be acknowledged or rejected on this session; nil when the queue is empty.
    public func get(queue: String) throws(AMQPError) -> Delivery? {
        try request { connection throws(AMQPError) in
            if case .delivery(let delivery, _) = try connection.get(queue: queue) { delivery } else { nil }
        }
    }

    /// Takes a message off the queue for good, or all up to it.
    public func acknowledge(_ tag: UInt64, multiple: Bool = false) throws(AMQPError) {
        try request { connection throws(AMQPError) in try connection.acknowledge(tag, multiple: multiple) }
    }

    /// Gives a message back to the queue, or to its dead-letter exchange when `requeue` is false.
    public func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        try request { connection throws(AMQPError) in try connection.reject(tag, requeue: requeue) }
    }

    /// Closes the connection and ends the thread.
    public func close() {
        isClosed = true
        thread.unwatch()
        connection?.sayGoodbye()
        connection = nil
        thread.stop()
    }

    private func request<Answer>(_ body: (BrokerConnection) throws(AMQPError) -> Answer) throws(AMQPError) -> Answer {
        let current = try connected()
        do {
            return try body(current)
        } catch {
            drop()
            throw error
        }
    }

    private func connected() throws(AMQPError) -> BrokerConnection {
        guard !isClosed else { throw AMQPError(.closed, server: configuration.server) }
        if let connection { return connection }
        let opened = try BrokerConnection(configuration, watchdog: watchdog)
        connection = opened
        thread.watch(opened.descriptor, every: configuration.watchInterval) { [weak self] _ in
            self?.assumeIsolated { $0.readWhileIdle() }
        }
        return opened
    }

    private func readWhileIdle() {
        guard let connection else { return }
        do {
            while true {
                if case .none = try connection.nextEvent(within: .zero) { return }
            }
        } catch {
            drop()
        }
    }

    private func drop() {
        thread.unwatch()
        connection = nil
    }
}
