import Crypto
import Open311

/// A lifecycle update as it came over AMQP.
public struct StatusMessage: Sendable {
    /// What could be read of it.
    public enum Content: Sendable {
        case update(StatusUpdate, RequestAddress)
        /// It is answered without being looked up.
        case fault(StatusUpdateFault, about: RequestAddress?)
    }

    /// The sender's name for it; nil when it has none that can be kept.
    public let id: String?
    /// That name or, where it has none that can be kept, what it has for one, as far as it can be given back.
    public let correlationID: String?
    public let content: Content
    /// SHA-256 of routing key and body.
    public let digest: [UInt8]
    /// The broker has given it out before: its answer, if there is one, is on its way.
    public let isRedelivered: Bool
    /// Of the trace that the sender named, 16 bytes.
    let traceID: [UInt8]?
    let bodyHash: [UInt8]
    let bodyBytes: Int

    public init(
        id: String?, correlationID: String? = nil, content: Content, routingKey: String, body: [UInt8], isRedelivered: Bool,
        trace: TraceContext? = nil
    ) {
        self.id = id
        self.correlationID = id ?? correlationID
        self.content = content
        self.isRedelivered = isRedelivered
        var hash = SHA256()
        hash.update(data: Array("\(routingKey.utf8.count):\(routingKey)".utf8))
        hash.update(data: body)
        digest = Array(hash.finalize())
        traceID = trace?.traceID
        bodyHash = Array(SHA256.hash(data: body))
        bodyBytes = body.count
    }

    /// Which of `count` lines it stands in: messages that name a request alike stand in one line, in their order; lines may be judged
    /// at the same time.
    public func line(of count: Int) -> Int {
        switch content {
        case .update(_, .number(let id)): Int(id.rawValue % Int64(count))
        case .update(_, let address): Int(address.hashValue.magnitude % UInt(count))
        case .fault: 0
        }
    }

    /// The request that it names by our number.
    var number: ServiceRequestID? {
        switch content {
        case .update(_, let address): address.number
        case .fault(_, let address): address?.number
        }
    }

    /// What tells it from every other message of its tenant.
    struct Identity: Hashable {
        let id: String
        let digest: [UInt8]
    }

    var identity: Identity? { id.map { Identity(id: $0, digest: digest) } }
}
