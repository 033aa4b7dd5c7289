import ConnectionThread
import NIOConcurrencyHelpers

/// Hands mails to one server, one after the other on a thread of its own, over a connection that it keeps between mails that follow each
/// other. Certificates are always verified; time and size are always bounded. Call ``close()`` when done.
public actor SMTPClient {
    private let thread: ConnectionThread
    private let isClosing = NIOLockedValueBox(false)
    private let server: SMTPServer
    private var handle: SMTPHandle?

    /// Starts the client's thread; the server is asked for the first mail.
    ///
    /// - Parameter name: of the thread, 15 bytes at most.
    /// - Throws: ``MailError`` of kind `outOfResources`.
    public init(name: String, server: SMTPServer) throws(MailError) {
        self.server = server
        do { thread = try ConnectionThread(name: name) } catch {
            throw MailError(kind: .outOfResources, server: server.description)
        }
        guard let handle = SMTPHandle(server) else {
            thread.stop()
            throw MailError(kind: .outOfResources, server: server.description)
        }
        self.handle = handle
    }

    deinit { thread.stop() }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Returns when the server has taken the mail over (its answer was 250).
    ///
    /// Cancelling the task ends what is under way within about a second.
    ///
    /// - Parameter timeout: of the whole exchange; the connection has to stand within ten seconds of it. A goodbye on a connection that is
    ///   given up may take as long again.
    /// - Throws: ``MailError``; its `mayHaveArrived` says whether the server may have taken the mail all the same.
    public nonisolated func send(_ message: MailMessage, timeout: Duration = .seconds(60)) async throws(MailError) {
        guard message.text.utf8.count <= MailMessage.maximumBytes else {
            throw MailError(kind: .invalidMessage, server: server.description)
        }
        let isCancelled = NIOLockedValueBox(false)
        let start = ContinuousClock.now
        let failure = await withTaskCancellationHandler {
            await perform(message, timeout, isCancelled)
        } onCancel: {
            isCancelled.withLockedValue { $0 = true }
        }
        let body = Array(message.text.utf8)
        await OutgoingCalls.tell(
            .smtp, "MAIL", server.description, result: failure.map { $0.reply.map { String($0.code) } ?? $0.kind.rawValue } ?? "250",
            since: start, body: body, bytesOut: body.count, bytesIn: 0)
        if let failure { throw failure }
    }

    private func perform(_ message: MailMessage, _ timeout: Duration, _ isCancelled: NIOLockedValueBox<Bool>) -> MailError? {
        guard let handle else { return MailError(kind: .closed, server: server.description) }
        return handle.send(message, timeout: timeout, isCancelled: isCancelled, isClosing: isClosing)
    }

    /// Ends what is under way, closes the connection and ends the thread. Mails given afterwards fail with kind `closed`.
    public nonisolated func close() async {
        isClosing.withLockedValue { $0 = true }
        await release()
    }

    private func release() {
        handle = nil
        thread.stop()
    }
}
