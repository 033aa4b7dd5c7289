import ConnectionThread
import NIOConcurrencyHelpers

/// Publishes on its own connection in confirm mode and says what became of each message.
///
/// All work happens on one thread of its own. Between calls that thread serves heartbeats and reads what the broker says. After an
/// error the connection is gone; ``connect()`` opens a new one. Call ``close()`` when done.
public actor ConfirmedPublisher {
    /// Publications written between two looks at what the broker says.
    private static let stride = 32
    /// Room that is waited for when nothing more may be in flight: one message at a time would be a packet for each.
    private static let room = 16

    private let configuration: AMQPConfiguration
    private let thread: ConnectionThread
    private let watchdog: Watchdog
    private let sharedState = NIOLockedValueBox(PublisherState.disconnected)
    private var connection: BrokerConnection?
    private var tracker = ConfirmTracker()
    private var fields = PublicationFields()
    /// Outcomes that no call has reported yet.
    private var resolutions: [Resolution] = []
    /// A failure met between calls, to be thrown by the next.
    private var pendingFailure: AMQPError?
    private var isClosed = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// What the publisher can do right now. Readable from anywhere, without waiting.
    public nonisolated var state: PublisherState { sharedState.withLockedValue { $0 } }

    /// Starts the publisher's thread; does not connect.
    ///
    /// - Throws: an ``AMQPError`` of kind `invalidConfiguration` or `outOfResources`.
    public init(configuration: AMQPConfiguration) throws(AMQPError) {
        (thread, watchdog) = try makeThreads(named: "amqp-publisher", for: configuration)
        self.configuration = configuration
    }

    deinit { thread.stop() }

    /// Connects, logs in, opens a channel in confirm mode. Does nothing when connected.
    ///
    /// Bounded by the handshake timeout once the host name is resolved, plus the RPC timeout.
    public func connect() throws(AMQPError) {
        guard !isClosed else { throw AMQPError(.closed, server: configuration.server) }
        guard connection == nil else { return }
        let opened = try BrokerConnection(configuration, watchdog: watchdog)
        try opened.selectConfirms()
        connection = opened
        sharedState.withLockedValue { $0 = .connected }
        thread.watch(opened.descriptor, every: configuration.watchInterval) { [weak self] _ in
            self?.assumeIsolated { $0.readWhileIdle() }
        }
    }

    /// Writes publications and collects outcomes, in one go on the publisher's thread.
    ///
    /// Everything is written first, then the broker's answers are read until `minimum` outcomes are there, nothing is in flight, the
    /// state changes between connected and blocked, or `wait` has passed. When the broker has blocked the connection nothing is
    /// written and the publications are ``Resolution/Outcome/withheld``. The caller bounds what is in flight; 256 messages and 1 MiB
    /// are a good window. With `inFlight` it may give more than that: what finds no room is written as confirms come in, so that the
    /// window is full while the caller makes the next ones; what found none within `wait` is withheld too.
    ///
    /// - Parameters:
    ///   - publications: what to write, in order; may be empty.
    ///   - minimum: outcomes to wait for, those of earlier publications included; zero only takes what has arrived.
    ///   - wait: the longest wait for outcomes after writing. Writing itself is bounded by the publish timeout without progress.
    ///   - inFlight: messages without an outcome at one time.
    /// - Returns: all outcomes not reported before.
    /// - Throws: an ``AMQPError`` that lists the unresolved tags, those given here included, and outcomes not reported before.
    public func exchange(
        _ publications: [Publication], minimum: Int, wait: Duration, inFlight: Int = .max
    ) throws(AMQPError) -> [Resolution] {
        if var failure = pendingFailure {
            pendingFailure = nil
            failure.unresolved += publications.map(\.tag)
            throw failure
        }
        var handled = 0
        do throws(AMQPError) {
            guard let connection else { throw AMQPError(isClosed ? .closed : .notConnected, server: configuration.server) }
            let wasBlocked = isBlocked
            try readArrived(from: connection)
            try write(publications, to: connection, inFlight: inFlight, roomBy: .after(wait), handled: &handled)
            try collect(from: connection, minimum: minimum, deadline: .after(wait), whileBlocked: wasBlocked)
        } catch {
            var reported = lose(error)
            reported.unresolved += publications[handled...].map(\.tag)
            throw reported
        }
        defer { resolutions.removeAll(keepingCapacity: true) }
        return resolutions
    }

    /// Closes the connection and ends the thread. What is in flight has an unknown fate. Further calls throw.
    public func close() {
        isClosed = true
        thread.unwatch()
        connection?.sayGoodbye()
        connection = nil
        sharedState.withLockedValue { $0 = .disconnected }
        thread.stop()
    }

    // MARK: Writing

    private func write(
        _ publications: [Publication], to connection: BrokerConnection, inFlight: Int, roomBy deadline: Deadline, handled: inout Int
    ) throws(AMQPError) {
        guard !publications.isEmpty else { return }
        let gathers = publications.count > 1
        if gathers { connection.cork(true) }
        defer { connection.endWriting() }
        for publication in publications {
            if handled % Self.stride == Self.stride - 1 { try readArrived(from: connection) }
            if tracker.count >= inFlight, !isBlocked, !deadline.hasPassed {
                if gathers { connection.cork(false) }
                try waitForRoom(min(Self.room, inFlight, publications.count - handled), of: inFlight, by: deadline, from: connection)
                if gathers { connection.cork(true) }
            }
            if isBlocked || tracker.count >= inFlight {
                resolutions.append(Resolution(tag: publication.tag, outcome: .withheld, confirmLatency: .zero))
            } else if let reason = fields.load(publication, frameLimit: connection.frameLimit) {
                resolutions.append(Resolution(tag: publication.tag, outcome: .invalid(reason: reason), confirmLatency: .zero))
            } else {
                // Noted first: a write that fails half-way may have reached the broker.
                tracker.sent(tag: publication.tag, messageID: publication.properties.messageID ?? "", at: .now)
                handled += 1
                connection.noteProgress()
                try connection.publish(fields, body: publication.body)
                continue
            }
            handled += 1
        }
        if gathers { connection.cork(false) }
    }

    private func waitForRoom(_ room: Int, of inFlight: Int, by deadline: Deadline, from connection: BrokerConnection) throws(AMQPError) {
        while tracker.count > inFlight - room, !isBlocked {
            let remaining = deadline.remaining
            try read(from: connection, within: remaining)
            if remaining == .zero { break }
        }
        try readArrived(from: connection)
    }

    private var isBlocked: Bool {
        if case .blocked = state { true } else { false }
    }

    // MARK: Reading

    private func collect(
        from connection: BrokerConnection,
        minimum: Int,
        deadline: Deadline,
        whileBlocked wasBlocked: Bool
    ) throws(AMQPError) {
        while resolutions.count < minimum, tracker.count > 0 || wasBlocked, isBlocked == wasBlocked {
            let remaining = deadline.remaining
            try read(from: connection, within: remaining)
            if remaining == .zero { break }
        }
        try readArrived(from: connection)
    }

    private func readArrived(from connection: BrokerConnection) throws(AMQPError) {
        while try read(from: connection, within: .zero) {}
    }

    /// - Returns: false when nothing came.
    @discardableResult
    private func read(from connection: BrokerConnection, within wait: Duration) throws(AMQPError) -> Bool {
        switch try connection.nextEvent(within: wait) {
        case .none:
            return false
        case .acknowledged(let tag, let multiple):
            tracker.settle(deliveryTag: tag, multiple: multiple, accepted: true, at: .now, into: &resolutions)
        case .refused(let tag, let multiple):
            tracker.settle(deliveryTag: tag, multiple: multiple, accepted: false, at: .now, into: &resolutions)
        case .returned(let messageID, let code, let text):
            // Unmatched, its acknowledgement would make a lost message look confirmed.
            guard tracker.returned(messageID: messageID, code: code, text: text) else {
                throw AMQPError(.protocolViolation("a message came back that was not in flight"), server: configuration.server)
            }
        case .blocked(let reason):
            sharedState.withLockedValue { state in
                if case .blocked = state { return }
                state = .blocked(reason: reason, since: .now)
            }
        case .unblocked:
            sharedState.withLockedValue { $0 = .connected }
        case .delivery, .consumerCancelled:
            throw AMQPError(.protocolViolation("a delivery came to a publisher"), server: configuration.server)
        }
        return true
    }

    private func readWhileIdle() {
        guard let connection else { return }
        do {
            try readArrived(from: connection)
        } catch {
            pendingFailure = lose(error)
        }
    }

    // MARK: Failure

    /// Drops the connection and moves everything without an outcome into the error.
    private func lose(_ error: AMQPError) -> AMQPError {
        guard connection != nil else { return error }
        thread.unwatch()
        connection = nil
        sharedState.withLockedValue { $0 = .disconnected }
        var error = error
        error.unresolved = tracker.failAll()
        error.resolutions = resolutions
        resolutions = []
        return error
    }
}

extension AMQPConfiguration {
    /// How often an idle connection is looked after: three times a heartbeat.
    var watchInterval: Duration { .seconds(heartbeat) / 3 }
}

/// The thread of one connection and the process's watchdog, once the configuration has proved valid.
func makeThreads(
    named name: String,
    for configuration: AMQPConfiguration
) throws(AMQPError) -> (ConnectionThread, Watchdog) {
    try configuration.validate()
    do {
        return (try ConnectionThread(name: name), try Watchdog.shared.get())
    } catch {
        throw AMQPError(.outOfResources, replyText: "cannot start a thread", server: configuration.server)
    }
}
