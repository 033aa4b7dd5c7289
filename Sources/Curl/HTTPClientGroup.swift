import NIOConcurrencyHelpers

/// Several clients for one peer: requests made at the same time run side by side. Further ones wait for their turn; a request's
/// timeout counts from the moment it was given here. Call ``close()`` when done.
public final class HTTPClientGroup: Sendable {
    private struct State {
        /// Made when first needed.
        var clients: [HTTPClient] = []
        var free: [Int] = []
        var waiting: [CheckedContinuation<Turn, Never>] = []
        var isClosed = false
    }

    private enum Turn {
        case client(Int)
        case crowded
        case closed
    }

    private let state = NIOLockedValueBox(State())
    private let name: String
    private let size: Int
    private let maximumWaiting: Int
    private let certificateAuthorityFile: String?
    private let proxy: HTTPProxy

    /// - Parameters:
    ///   - name: of the threads, 15 bytes at most.
    ///   - size: how many requests run at the same time.
    ///   - maximumWaiting: how many wait; more are refused at once.
    public init(
        name: String, size: Int, maximumWaiting: Int, certificateAuthorityFile: String? = nil, proxy: HTTPProxy = .direct
    ) {
        self.name = name
        self.size = max(1, size)
        self.maximumWaiting = maximumWaiting
        self.certificateAuthorityFile = certificateAuthorityFile
        self.proxy = proxy
    }

    /// As ``HTTPClient/send(_:)``; kind `outOfResources` when too many wait.
    public func send(_ request: HTTPRequest) async throws(CurlError) -> HTTPResponse {
        let server = try request.validated()
        let start = ContinuousClock.now
        let client = try await client(for: server)
        defer { giveBack(client.index) }
        var inTime = request
        inTime.timeout -= start.duration(to: .now)
        guard inTime.timeout > .zero else {
            throw CurlError(kind: .timedOut, server: server.text, detail: "other requests took all the time")
        }
        return try await client.client.send(inTime)
    }

    private func client(for server: ServerName) async throws(CurlError) -> (client: HTTPClient, index: Int) {
        let made = state.withLockedValue { state -> Result<(client: HTTPClient, index: Int), CurlError>? in
            guard !state.isClosed, state.free.isEmpty, state.clients.count < size else { return nil }
            return Result { () throws(CurlError) in
                let client = try HTTPClient(name: name, certificateAuthorityFile: certificateAuthorityFile, proxy: proxy)
                state.clients.append(client)
                return (client, state.clients.count - 1)
            }
        }
        if let made { return try made.get() }
        let turn = await withCheckedContinuation { continuation in
            let turn = state.withLockedValue { state -> Turn? in
                if state.isClosed { return .closed }
                if let index = state.free.popLast() { return .client(index) }
                guard state.waiting.count < maximumWaiting else { return .crowded }
                state.waiting.append(continuation)
                return nil
            }
            if let turn { continuation.resume(returning: turn) }
        }
        switch turn {
        case .client(let index): return (state.withLockedValue { $0.clients[index] }, index)
        case .crowded:
            throw CurlError(kind: .outOfResources, server: server.text, detail: "\(maximumWaiting) requests wait already")
        case .closed: throw CurlError(kind: .closed, server: server.text, detail: "the HTTP client was closed")
        }
    }

    private func giveBack(_ index: Int) {
        let next = state.withLockedValue { state -> CheckedContinuation<Turn, Never>? in
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            state.free.append(index)
            return nil
        }
        next?.resume(returning: .client(index))
    }

    /// Ends what is under way; requests that wait, and later ones, fail with kind `closed`.
    public func close() async {
        let (clients, waiting) = state.withLockedValue { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return (state.clients, state.waiting)
        }
        for one in waiting { one.resume(returning: .closed) }
        for client in clients { await client.close() }
    }
}
