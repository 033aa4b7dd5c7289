import ConnectionThread
import NIOConcurrencyHelpers

/// Whether requests go through the proxy that the environment names (`https_proxy` and its family).
public enum HTTPProxy: Sendable, Hashable {
    case direct
    case environment
}

/// Sends HTTP requests one after the other on a thread of its own, over connections it keeps.
///
/// Only `http` and `https`; certificates are always verified; time and size are always bounded. Requests made at the same
/// time wait for each other: a client is meant for one peer or one job. Call ``close()`` when done.
public actor HTTPClient {
    private let thread: ConnectionThread
    private let isClosing = NIOLockedValueBox(false)
    private var handle: EasyHandle?

    /// Starts the client's thread.
    ///
    /// - Parameters:
    ///   - name: of the thread, 15 bytes at most.
    ///   - certificateAuthorityFile: PEM file of the authorities to trust instead of the system's.
    ///   - proxy: direct unless said otherwise.
    /// - Throws: ``CurlError`` of kind `outOfResources`.
    public init(name: String, certificateAuthorityFile: String? = nil, proxy: HTTPProxy = .direct) throws(CurlError) {
        do {
            thread = try ConnectionThread(name: name)
        } catch {
            throw CurlError(kind: .outOfResources, server: "HTTP client \(name)", detail: "cannot start its thread: \(error)")
        }
        do {
            handle = try EasyHandle(certificateAuthorityFile: certificateAuthorityFile, proxy: proxy)
        } catch {
            thread.stop()
            throw error
        }
    }

    deinit { thread.stop() }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Sends a request and returns the whole answer, whatever its status.
    ///
    /// Cancelling the task ends a transfer under way within about a second.
    ///
    /// - Throws: ``CurlError`` when there is no complete answer within the request's limits. The server may have acted on the
    ///   request all the same.
    public nonisolated func send(_ request: HTTPRequest) async throws(CurlError) -> HTTPResponse {
        let server = try request.validated()
        let isCancelled = NIOLockedValueBox(false)
        let start = ContinuousClock.now
        let result = await withTaskCancellationHandler {
            await perform(request, to: server, isCancelled: isCancelled)
        } onCancel: {
            isCancelled.withLockedValue { $0 = true }
        }
        var told = ""
        var bytesIn = 0
        switch result {
        case .success(let answer): (told, bytesIn) = (String(answer.status), answer.body.count)
        case .failure(let error): told = error.kind.rawValue
        }
        await OutgoingCalls.tell(
            .http, request.method, server.text, result: told, since: start, body: request.body, bytesOut: request.body?.count ?? 0,
            bytesIn: bytesIn)
        return try result.get()
    }

    private func perform(
        _ request: HTTPRequest,
        to server: ServerName,
        isCancelled: NIOLockedValueBox<Bool>
    ) -> Result<HTTPResponse, CurlError> {
        guard let handle else {
            return .failure(CurlError(kind: .closed, server: server.text, detail: "the HTTP client was closed"))
        }
        return Result { () throws(CurlError) in
            try handle.perform(request, to: server, isCancelled: isCancelled, isClosing: isClosing)
        }
    }

    /// Ends the transfer under way, closes the connections and ends the thread. Requests made afterwards fail with kind `closed`.
    public nonisolated func close() async {
        isClosing.withLockedValue { $0 = true }
        await release()
    }

    private func release() {
        handle = nil
        thread.stop()
    }
}
