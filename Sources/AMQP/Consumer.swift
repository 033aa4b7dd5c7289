import ConnectionThread

/// Receives the messages of one queue, or of several, on its own connection, never shared with a publisher: a broker in alarm stops
/// reading from connections that publish, acknowledgements included.
public actor Consumer {
    private let configuration: AMQPConfiguration
    private var queues: [String]
    private let prefetch: UInt16
    private let exclusive: Bool
    private let thread: ConnectionThread
    private let watchdog: Watchdog
    private var connection: BrokerConnection?
    private var ledger = DeliveryLedger()
    private var continuation: AsyncThrowingStream<Delivery, any Error>.Continuation?
    /// Which start the connection belongs to, so that the end of an earlier stream does not end a later one.
    private var generation = 0
    private var isClosed = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts the consumer's thread; does not connect.
    ///
    /// - Parameters:
    ///   - configuration: where the broker is.
    ///   - queue: must exist.
    ///   - prefetch: messages delivered and not yet acknowledged, at most; above zero. It bounds the stream's memory.
    ///   - exclusive: refuse to start beside another consumer, and keep others out. Quorum queues ignore it (seen on RabbitMQ
    ///     3.10): give such a queue `x-single-active-consumer` instead.
    /// - Throws: an ``AMQPError`` of kind `invalidConfiguration` or `outOfResources`.
    public init(
        configuration: AMQPConfiguration,
        queue: String,
        prefetch: UInt16,
        exclusive: Bool = false
    ) throws(AMQPError) {
        try self.init(configuration: configuration, queues: [queue], prefetch: prefetch, exclusive: exclusive)
    }

    /// Starts the consumer's thread; does not connect.
    ///
    /// - Parameters:
    ///   - queues: all of one virtual host; each must exist. A delivery tells by its exchange and routing key where it came from.
    ///   - prefetch: for each queue.
    /// - Throws: an ``AMQPError`` of kind `invalidConfiguration` or `outOfResources`.
    public init(
        configuration: AMQPConfiguration,
        queues: [String],
        prefetch: UInt16,
        exclusive: Bool = false
    ) throws(AMQPError) {
        guard prefetch > 0 else {
            throw AMQPError(.invalidConfiguration("prefetch is 0, which means no limit"), server: configuration.server)
        }
        (thread, watchdog) = try makeThreads(named: "amqp-consumer", for: configuration)
        self.configuration = configuration
        self.queues = queues
        self.prefetch = prefetch
        self.exclusive = exclusive
    }

    deinit { thread.stop() }

    /// Connects and begins to consume. A single queue that the broker refuses is an error here; of several the refusal ends the stream,
    /// because waiting for the answer of one would mean waiting for the deliveries of another.
    ///
    /// The stream ends by throwing an ``AMQPError`` when the broker ends the consumer or the connection is lost; it ends without an
    /// error after ``close()``. Keep the stream for as long as messages are being acknowledged: letting go of it, or cancelling the
    /// task that iterates, drops the connection, and what is not acknowledged goes back to the queue. `start` may be called again
    /// after the stream has ended.
    public func start() throws(AMQPError) -> AsyncThrowingStream<Delivery, any Error> {
        guard !isClosed else { throw AMQPError(.closed, server: configuration.server) }
        guard connection == nil else {
            throw AMQPError(.invalidConfiguration("the consumer has been started already"), server: configuration.server)
        }
        let opened = try BrokerConnection(configuration, watchdog: watchdog)
        try opened.limitPrefetch(to: prefetch)
        for queue in queues {
            do throws(AMQPError) {
                try opened.consume(queue: queue, exclusive: exclusive, waits: queues.count == 1)
            } catch {
                throw error.about(queue)
            }
        }
        // Unbounded in form only: the broker stops at `prefetch` unacknowledged messages.
        let (stream, continuation) = AsyncThrowingStream<Delivery, any Error>.makeStream(bufferingPolicy: .unbounded)
        connection = opened
        ledger = DeliveryLedger()
        self.continuation = continuation
        generation += 1
        continuation.onTermination = { [weak self, generation] termination in
            guard case .cancelled = termination else { return }
            Task { await self?.abandon(generation) }
        }
        thread.watch(opened.descriptor, every: configuration.watchInterval) { [weak self] _ in
            self?.assumeIsolated { $0.receive() }
        }
        // The first deliveries may have come with the answer and sit in the library's buffer.
        receive()
        return stream
    }

    /// Consumes one more queue, now and at every later start. A refusal ends the stream, as every channel error does, with an
    /// ``AMQPError`` whose ``AMQPError/queue`` is this one.
    public func add(queue: String) throws(AMQPError) {
        try onConnection { connection throws(AMQPError) in
            do throws(AMQPError) {
                try connection.consume(queue: queue, exclusive: exclusive, waits: false)
            } catch {
                throw error.about(queue)
            }
        }
        queues.append(queue)
    }

    /// Takes a message off the queue for good, or all up to it.
    public func acknowledge(_ tag: UInt64, multiple: Bool) throws(AMQPError) {
        let frame = ledger.told(tag, multiple: multiple)
        try onConnection { connection throws(AMQPError) in
            try connection.acknowledge(tag, multiple: multiple)
            if let frame { try connection.acknowledge(frame.tag, multiple: frame.multiple) }
        }
    }

    /// Takes messages off their queues for good, with one frame for all that leaves no gap behind the oldest message in hand.
    ///
    /// - Parameters:
    ///   - tags: in any order.
    ///   - limit: how many of those beyond a gap may be held back, for a frame that speaks for them all; none of them is on the queue any
    ///     more when a call with 0 has returned.
    public func acknowledge(_ tags: [UInt64], holding limit: Int) throws(AMQPError) {
        // Never so many that a queue waits for them: the broker sends no more than the prefetch beyond what it was told of.
        let frames = ledger.done(tags, holding: min(limit, Int(prefetch) / 2))
        guard !frames.isEmpty else { return }
        try onConnection { connection throws(AMQPError) in
            for frame in frames { try connection.acknowledge(frame.tag, multiple: frame.multiple) }
        }
    }

    /// Gives a message back to the queue, or to its dead-letter exchange when `requeue` is false.
    public func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        let frame = ledger.told(tag, multiple: false)
        try onConnection { connection throws(AMQPError) in
            try connection.reject(tag, requeue: requeue)
            if let frame { try connection.acknowledge(frame.tag, multiple: frame.multiple) }
        }
    }

    /// Ends the stream, closes the connection and the thread. What is not acknowledged goes back to the queue.
    public func close() {
        isClosed = true
        thread.unwatch()
        connection?.sayGoodbye()
        connection = nil
        continuation?.finish()
        continuation = nil
        thread.stop()
    }

    private func abandon(_ abandoned: Int) {
        guard abandoned == generation, connection != nil else { return }
        end(throwing: nil)
    }

    private func onConnection(_ body: (BrokerConnection) throws(AMQPError) -> Void) throws(AMQPError) {
        guard let connection else { throw AMQPError(isClosed ? .closed : .notConnected, server: configuration.server) }
        do {
            try body(connection)
        } catch {
            end(throwing: error)
            throw error
        }
    }

    private func receive() {
        guard let connection else { return }
        do throws(AMQPError) {
            while true {
                switch try connection.nextEvent(within: .zero) {
                case .none: return
                case .delivery(let delivery, _):
                    ledger.delivered(delivery.tag)
                    continuation?.yield(delivery)
                case .consumerCancelled(let queue): throw AMQPError(.consumerCancelled, server: configuration.server).about(queue)
                case .blocked, .unblocked: continue
                case .acknowledged, .refused, .returned:
                    throw AMQPError(.protocolViolation("a confirm came to a consumer"), server: configuration.server)
                }
            }
        } catch {
            end(throwing: error)
        }
    }

    private func end(throwing error: AMQPError?) {
        thread.unwatch()
        connection = nil
        continuation?.finish(throwing: error)
        continuation = nil
    }
}
