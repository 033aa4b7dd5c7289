import CRabbitMQ
import ConnectionThread

/// One connection with one channel. Not Sendable: it belongs to the actor that made it, hence to one thread.
///
/// Every method that throws leaves the connection unusable; the owner drops it.
final class BrokerConnection {
    private let handle: OpaquePointer
    private let configuration: AMQPConfiguration
    private let socket: SocketGuard
    private let watchdog: Watchdog

    /// The socket, for waiting.
    let descriptor: Int32
    /// Bytes that the broker accepts in one frame.
    let frameLimit: Int

    /// Connects, logs in and opens the channel, within the handshake timeout once the host name is resolved. Of several hosts the
    /// first that answers is taken, in an order of this connection's own.
    convenience init(_ configuration: AMQPConfiguration, watchdog: Watchdog) throws(AMQPError) {
        let (handle, chosen) = try HostList(configuration).open { attempt throws(AMQPError) in try Self.open(attempt) }
        self.init(handle, chosen, watchdog)
    }

    private init(_ handle: OpaquePointer, _ configuration: AMQPConfiguration, _ watchdog: Watchdog) {
        self.handle = handle
        self.configuration = configuration
        self.watchdog = watchdog
        descriptor = rmq_descriptor(handle)
        frameLimit = Int(rmq_frame_limit(handle))
        socket = SocketGuard(descriptor: descriptor)
        watchdog.protect(socket)
    }

    /// One attempt at one host.
    private static func open(_ configuration: AMQPConfiguration) throws(AMQPError) -> OpaquePointer {
        var failure = rmq_failure()
        let tls = configuration.tls
        let strings = [
            configuration.host, configuration.virtualHost, configuration.user, configuration.password, configuration.connectionName,
            "Bus311", tls?.caFile ?? "", tls?.identity?.certificateFile ?? "", tls?.identity?.keyFile ?? "",
        ]
        let handle = withCStrings(strings) { strings in
            var options = rmq_options()
            options.host = strings[0]
            options.port = configuration.port
            options.virtual_host = strings[1]
            options.user = strings[2]
            options.password = strings[3]
            options.connection_name = strings[4]
            options.product = strings[5]
            options.ca_file = strings[6]
            options.certificate_file = strings[7]
            options.key_file = strings[8]
            options.login_by_certificate = configuration.logsInByCertificate
            options.heartbeat_seconds = UInt16(clamping: configuration.heartbeat)
            options.handshake_milliseconds = configuration.handshakeTimeout.milliseconds
            options.rpc_milliseconds = configuration.rpcTimeout.milliseconds
            options.use_tls = tls != nil
            options.verify_peer = tls?.verifiesPeer ?? false
            options.verify_host_name = tls?.verifiesHostName ?? false
            return rmq_connect(&options, &failure)
        }
        guard let handle else { throw AMQPError(failure, server: configuration.server) }
        return handle
    }

    deinit {
        // Before the descriptor is closed: its number may belong to another file a moment later.
        socket.release()
        watchdog.forget(socket)
        rmq_close(handle)
    }

    /// Says goodbye, within the RPC timeout, so that the broker's log shows no lost connection. The owner then drops this object.
    func sayGoodbye() {
        socket.arm(configuration.rpcTimeout)
        rmq_say_goodbye(handle)
    }

    // MARK: Publishing

    /// Tells the watchdog that writing begins, or advances.
    func noteProgress() { socket.arm(configuration.publishTimeout) }

    /// Tells the watchdog that nothing is being written.
    func endWriting() { socket.disarm() }

    /// Gathers small writes into full segments until uncorked.
    func cork(_ corked: Bool) { rmq_cork(handle, corked) }

    /// Writes one message. The caller arms the watchdog around it.
    func publish(_ fields: borrowing PublicationFields, body: [UInt8]) throws(AMQPError) {
        var failure = rmq_failure()
        let done = fields.withLayout(body: body) { rmq_publish(handle, $0, &failure) }
        if !done { throw error(failure) }
    }

    func selectConfirms() throws(AMQPError) {
        try request { rmq_confirm_select(handle, &$0) }
    }

    // MARK: Reading

    /// Reads until one event is there or `wait` has passed; zero reads what has arrived. Serves the heartbeats.
    func nextEvent(within wait: Duration) throws(AMQPError) -> BrokerEvent {
        var event = rmq_event()
        var failure = rmq_failure()
        // Reading answers heartbeats, which is writing.
        socket.arm(wait + configuration.publishTimeout)
        defer { socket.disarm() }
        guard rmq_next_event(handle, wait.microseconds, &event, &failure) != RMQ_EVENT_FAILED else { throw error(failure) }
        return BrokerEvent(event)
    }

    // MARK: Consuming

    /// Messages in hand for each of the consumers that are made afterwards.
    func limitPrefetch(to prefetch: UInt16) throws(AMQPError) {
        try request { rmq_prefetch(handle, prefetch, &$0) }
    }

    /// - Parameter waits: for the broker's answer. Where deliveries flow already, it comes behind them: on a slow link too late.
    func consume(queue: String, exclusive: Bool, waits: Bool) throws(AMQPError) {
        try request { rmq_consume(handle, queue, exclusive, waits, &$0) }
    }

    func acknowledge(_ tag: UInt64, multiple: Bool) throws(AMQPError) {
        try request { rmq_acknowledge(handle, tag, multiple, &$0) }
    }

    func reject(_ tag: UInt64, requeue: Bool) throws(AMQPError) {
        try request { rmq_reject(handle, tag, requeue, &$0) }
    }

    func get(queue: String) throws(AMQPError) -> BrokerEvent {
        var event = rmq_event()
        try request { rmq_get(handle, queue, configuration.rpcTimeout.microseconds, &event, &$0) != RMQ_EVENT_FAILED }
        return BrokerEvent(event)
    }

    // MARK: Topology

    func declare(
        queue: String,
        passive: Bool,
        durable: Bool,
        exclusive: Bool,
        arguments: [(String, HeaderValue)]
    ) throws(AMQPError) -> QueueDepth {
        var depth = rmq_queue_depth()
        let texts = arguments.flatMap { name, value in
            if case .string(let text) = value { [name, text] } else { [name, ""] }
        }
        try request { failure in
            withCStrings(texts) { texts in
                let flat = arguments.indices.map { index in
                    var argument = rmq_argument()
                    argument.name = texts[index * 2]
                    switch arguments[index].1 {
                    case .string:
                        argument.kind = RMQ_HEADER_TEXT
                        argument.text = texts[index * 2 + 1]
                    case .integer(let integer):
                        argument.kind = RMQ_HEADER_INTEGER
                        argument.integer = integer
                    case .boolean(let boolean):
                        argument.kind = RMQ_HEADER_BOOLEAN
                        argument.integer = boolean ? 1 : 0
                    }
                    return argument
                }
                return rmq_declare_queue(handle, queue, passive, durable, exclusive, flat, flat.count, &depth, &failure)
            }
        }
        return QueueDepth(messages: Int(depth.messages), consumers: Int(depth.consumers))
    }

    func declare(exchange: String, type: String, passive: Bool, durable: Bool) throws(AMQPError) {
        try request { rmq_declare_exchange(handle, exchange, type, passive, durable, &$0) }
    }

    func bind(queue: String, to exchange: String, routingKey: String) throws(AMQPError) {
        try request { rmq_bind(handle, queue, exchange, routingKey, &$0) }
    }

    func delete(queue: String) throws(AMQPError) {
        try request { rmq_delete_queue(handle, queue, &$0) }
    }

    func delete(exchange: String) throws(AMQPError) {
        try request { rmq_delete_exchange(handle, exchange, &$0) }
    }

    func purge(queue: String) throws(AMQPError) -> Int {
        var purged: UInt32 = 0
        try request { rmq_purge(handle, queue, &purged, &$0) }
        return Int(purged)
    }

    // MARK: Errors

    /// One call that writes and may wait for an answer; the watchdog stands behind the library's own limits.
    private func request(_ call: (inout rmq_failure) -> Bool) throws(AMQPError) {
        var failure = rmq_failure()
        socket.arm(configuration.rpcTimeout + configuration.publishTimeout)
        defer { socket.disarm() }
        if !call(&failure) { throw error(failure) }
    }

    private func error(_ failure: rmq_failure) -> AMQPError {
        if socket.wasCut { return AMQPError(.blockedTooLong, server: configuration.server) }
        return AMQPError(failure, server: configuration.server)
    }
}

extension AMQPError {
    init(_ failure: rmq_failure, server: String) {
        let text = withUnsafePointer(to: failure) { String(cString: rmq_failure_text($0)) }
        let code = Int(failure.code)
        let kind: Kind =
            switch failure.kind {
            case RMQ_FAILURE_HOST_NOT_FOUND: .hostNotFound
            case RMQ_FAILURE_REFUSED: .connectionRefused
            case RMQ_FAILURE_TIMEOUT: .timeout
            case RMQ_FAILURE_HEARTBEAT: .heartbeatTimeout
            case RMQ_FAILURE_LOST: .connectionLost
            case RMQ_FAILURE_TLS: .tls(detail: "\(text); \(CertificateProblem(code: failure.certificate_error).remedy)")
            case RMQ_FAILURE_LOGIN: .authenticationRefused
            case RMQ_FAILURE_CHANNEL_CLOSED:
                switch code {
                case 403: .accessRefused
                case 404: .notFound
                case 406: .preconditionFailed
                default: .channelClosed(code: code)
                }
            case RMQ_FAILURE_CONNECTION_CLOSED: .connectionClosed(code: code)
            case RMQ_FAILURE_NO_MEMORY: .outOfResources
            default: .protocolViolation(text)
            }
        let repeats = failure.kind == RMQ_FAILURE_TLS || failure.kind == RMQ_FAILURE_PROTOCOL
        self.init(kind, replyCode: code == 0 ? nil : code, replyText: repeats ? "" : text, server: server)
        // Of a consumer that was not waited for, the broker's words are all there is.
        if let queue = namedQueue { self = about(queue) }
    }
}

/// Lends NUL-terminated copies of several strings at once.
private func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>]) -> Result) -> Result {
    let lengths = strings.map { $0.utf8.count + 1 }
    let block = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, lengths.reduce(0, +)))
    defer { block.deallocate() }
    var pointers: [UnsafePointer<CChar>] = []
    var position = block
    for (string, length) in zip(strings, lengths) {
        var next = position
        for byte in string.utf8 {
            next.initialize(to: CChar(bitPattern: byte))
            next += 1
        }
        next.initialize(to: 0)
        pointers.append(UnsafePointer(position))
        position += length
    }
    return body(pointers)
}

extension Duration {
    /// Whole milliseconds, at least one.
    fileprivate var milliseconds: Int64 { max(1, self / .milliseconds(1) >= 9e15 ? .max : Int64(self / .milliseconds(1))) }

    /// Whole microseconds, zero or more, an hour at most.
    fileprivate var microseconds: Int64 {
        let bounded = min(max(self, .zero), .seconds(3_600))
        return bounded.components.seconds * 1_000_000 + bounded.components.attoseconds / 1_000_000_000_000
    }
}
