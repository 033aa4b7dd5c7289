/// Why a connection to the broker failed. The connection is gone; a new `connect` or `start` gives a fresh one.
public struct AMQPError: Error, Sendable {
    public enum Kind: Sendable, Hashable {
        /// A setting is out of range; the text names it.
        case invalidConfiguration(String)
        case hostNotFound
        /// Nothing listens there, or the network refused.
        case connectionRefused
        /// The broker does not take this user and password, or this certificate's name.
        case authenticationRefused
        /// 403: the user may not do this.
        case accessRefused
        /// 404: the exchange or queue does not exist.
        case notFound
        /// 406: the broker refused the request's content, for instance a message too large or other declared properties.
        case preconditionFailed
        /// The broker closed the channel for another reason.
        case channelClosed(code: Int)
        /// The broker closed the connection.
        case connectionClosed(code: Int)
        /// The broker stayed silent for two heartbeats.
        case heartbeatTimeout
        /// An answer did not come in time.
        case timeout
        /// A write made no progress for the publish timeout: the broker does not read.
        case blockedTooLong
        case connectionLost
        case tls(detail: String)
        /// The broker ended the consumer: its queue was deleted, or its node left.
        case consumerCancelled
        /// `connect` was not called, or the connection had failed before.
        case notConnected
        /// `close` was called.
        case closed
        /// The broker or the library broke the protocol; the text says how.
        case protocolViolation(String)
        /// The process has no memory, thread or descriptor left.
        case outOfResources
    }

    public let kind: Kind
    /// The broker's code, when it gave one.
    public let replyCode: Int?
    /// The broker's words, or the library's; may name objects and the user, never a password.
    public let replyText: String
    /// Host, port and virtual host.
    public let server: String
    /// The queue that was asked for when the broker refused, or whose consumer it ended; nil when the failure has nothing to do with one.
    public private(set) var queue: String?
    /// What the other hosts of the list said, when there are several and none would have us.
    public internal(set) var otherHosts: [String] = []
    /// Tags of the publications whose fate is unknown, those never written included, in order of writing.
    public internal(set) var unresolved: [Int64] = []
    /// Outcomes that were known before the failure and no call has reported yet.
    public internal(set) var resolutions: [Resolution] = []

    init(_ kind: Kind, replyCode: Int? = nil, replyText: String = "", server: String) {
        self.kind = kind
        self.replyCode = replyCode
        self.replyText = replyText
        self.server = server
    }

    /// The same error, told of its queue.
    func about(_ queue: String) -> AMQPError {
        switch kind {
        case .notFound, .accessRefused, .channelClosed, .preconditionFailed, .consumerCancelled:
            var copy = self
            copy.queue = queue
            return copy
        default: return self
        }
    }

    /// Whether the same call may succeed later without anybody changing the configuration or the topology.
    public var isRetriable: Bool {
        switch kind {
        case .connectionRefused, .hostNotFound, .heartbeatTimeout, .timeout, .blockedTooLong, .connectionLost, .consumerCancelled,
            .notConnected, .outOfResources:
            true
        // 405: locked by another connection; 506: no resources. Both pass.
        case .channelClosed(let code): code == 405 || code == 506
        // 320: an operator or a shutdown ended it; 506 and 541: resources and internal errors.
        case .connectionClosed(let code): code == 320 || code == 506 || code == 541
        case .invalidConfiguration, .authenticationRefused, .accessRefused, .notFound, .preconditionFailed, .tls, .closed,
            .protocolViolation:
            false
        }
    }

    /// The exchange that the broker named in its reply, when it named one.
    public var exchange: String? { named("exchange") }

    /// The queue that the broker named in its reply, when it named one.
    var namedQueue: String? { named("queue") }

    private func named(_ kind: String) -> String? {
        guard let start = replyText.firstRange(of: "\(kind) '") else { return nil }
        let rest = replyText[start.upperBound...]
        guard let end = rest.firstRange(of: "' in vhost") else { return nil }
        return String(rest[..<end.lowerBound])
    }
}

extension AMQPError: CustomStringConvertible {
    public var description: String {
        let words = replyText.isEmpty ? "" : ": \(replyText)"
        let fate = unresolved.isEmpty ? "" : "; \(unresolved.count) messages without an outcome"
        let others = otherHosts.map { "; \($0)" }.joined()
        return "broker \(server): \(reason)\(words)\(fate)\(others)"
    }

    private var reason: String {
        switch kind {
        case .invalidConfiguration(let reason): "invalid configuration, \(reason)"
        case .hostNotFound: "the host name is unknown; check the address"
        case .connectionRefused: "cannot connect; check that it runs and listens there"
        case .authenticationRefused: "user or password refused; check the credentials and the user's virtual hosts"
        case .accessRefused: "permission refused (403); check the user's permissions"
        case .notFound: "no such exchange or queue (404); provision it"
        case .preconditionFailed: "request refused (406)"
        case .channelClosed(let code): "channel closed (\(code))"
        case .connectionClosed(let code): "connection closed by the broker (\(code))"
        case .heartbeatTimeout: "silent for two heartbeats, connection given up"
        case .timeout: "no answer in time"
        case .blockedTooLong: "it does not read what is written to it; look for a memory or disk alarm, or a frozen node"
        case .connectionLost: "connection lost"
        case .tls(let detail): "TLS failed, \(detail)"
        case .consumerCancelled: "the broker ended the consumer; was its queue deleted?"
        case .notConnected: "not connected; connect first"
        case .closed: "closed by this process"
        case .protocolViolation(let detail): "protocol violated, \(detail)"
        case .outOfResources: "this process has no memory, thread or descriptor left"
        }
    }
}
