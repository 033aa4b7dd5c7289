import ConnectionThread
import NIOConcurrencyHelpers

/// What `NOTIFY` told.
public struct Notification: Sendable, Equatable {
    public let channel: String
    /// Fewer than 8,000 bytes; empty when none was given.
    public let payload: String
}

/// One connection on its own thread. It connects when first needed, and again after it broke; while the server is away a
/// call fails at once instead of waiting for the next attempt.
public actor PostgresConnection {
    private let thread: ConnectionThread
    private let configuration: PostgresConfiguration
    private var session: Session?
    private var isClosed = false
    /// Told of notifications, and of the loss of the connection.
    private var listener: (@Sendable (Notification?) -> Void)?
    private var lastFailure: (error: PostgresError, at: ContinuousClock.Instant)?

    /// How long a failed attempt to connect answers for those that follow.
    private static let retryPause = Duration.milliseconds(250)

    /// - Throws: when no thread can be started.
    public init(configuration: PostgresConfiguration) throws(ConnectionThreadError) {
        self.configuration = configuration
        thread = try ConnectionThread(name: "pg-" + configuration.applicationName)
    }

    /// Dropped without ``close()``, it must not leave its thread behind.
    deinit { thread.stop() }

    nonisolated public var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Runs the body on the connection's thread; nothing else runs on the connection meanwhile.
    ///
    /// - Parameter body: synchronous; must copy out what it returns.
    /// - Throws: what the body throws, or why there is no connection.
    public func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) throws(PostgresError) -> Value {
        let session = try connected()
        do {
            return try body(session)
        } catch {
            // 25006: it only reads, as a primary that has become a standby.
            if error.kind == .timeout || error.sqlState == "25006" { ServerChoice.forget(configuration) }
            if error.endsConnection { lose() }
            throw error
        }
    }

    private func connected() throws(PostgresError) -> Session {
        guard !isClosed else { throw PostgresError(.closed) }
        if let session { return session }
        if let lastFailure, lastFailure.at.duration(to: .now) < Self.retryPause { throw lastFailure.error }
        do {
            let session = try Session(connecting: configuration)
            self.session = session
            lastFailure = nil
            return session
        } catch {
            lastFailure = (error, .now)
            throw error
        }
    }

    // MARK: Notifications

    /// Asks to be called, on the connection's thread, for each notification on the channels, and once with nil when the
    /// connection is lost (its notifications may be lost too: look at the data).
    public func listen(to channels: [String], _ handler: @escaping @Sendable (Notification?) -> Void) throws(PostgresError) {
        try run { (session) throws(PostgresError) in
            // Channel names are ours, never data.
            for channel in channels { try session.script("listen \(channel)") }
        }
        guard let descriptor = session?.descriptor else { return }
        listener = handler
        thread.watch(descriptor, every: .seconds(5)) { [weak self] _ in
            self?.assumeIsolated { connection in connection.deliver() }
        }
    }

    private func deliver() {
        guard let session, let listener else { return }
        do {
            for notification in try session.takeNotifications() { listener(notification) }
        } catch {
            lose()
        }
    }

    /// The descriptor is no longer watched before it is closed with the session.
    private func lose() {
        thread.unwatch()
        session = nil
        let told = listener
        listener = nil
        told?(nil)
    }

    /// Closes the connection and ends its thread; later calls throw `closed`.
    public func close() {
        isClosed = true
        thread.unwatch()
        session = nil
        listener = nil
        thread.stop()
    }
}
