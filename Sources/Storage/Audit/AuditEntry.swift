import Open311

/// Where a call goes, and through which door.
public enum AuditDirection: String, Sendable, CaseIterable {
    /// An app asks the gateway.
    case inHTTP = "in.http"
    /// A CRM asks status-ingest.
    case inREST = "in.rest"
    /// A CRM publishes to its status exchange.
    case inAMQP = "in.amqp"
    /// An event goes to the broker; written when it is confirmed or refused.
    case outAMQP = "out.amqp"
    case outHTTP = "out.http"
    case outSMTP = "out.smtp"
    /// An operator's command.
    case admin
}

/// One call, as the audit keeps it: who did what to which objects, with which result. Never a body, an address or a name.
public struct AuditEntry: Sendable, Equatable {
    /// When the call began.
    public var at: Timestamp
    /// Nil where it is nobody's. A test endpoint's calls are its tenant's, and say `test` among the objects.
    public var tenant: TenantID?
    public var direction: AuditDirection
    /// A key's public id, an operator's account, a service of ours; nil for whoever showed no valid key.
    public var actor: String?
    /// `POST requests`, `service_request.created.v1`, `tenant apply`: from a list of ours, never a caller's text.
    public var operation: String
    public var request: ServiceRequestID?
    /// Other objects, by ids of ours.
    public var objects: String?
    /// An HTTP status, `confirmed`, `applied`, an exit code…
    public var result: String
    public var duration: Duration
    public var bytesIn: Int
    public var bytesOut: Int
    /// The caller's `X-Request-Id` or the one given; a message's id.
    public var correlationID: String?
    /// Of the trace that it belongs to, 16 bytes.
    public var traceID: [UInt8]?
    /// SHA-256 of the body received or sent, 32 bytes; nil without a body, or when it was not read to its end.
    public var bodyHash: [UInt8]?
    /// How many calls it stands for.
    public var calls = 1

    public init(
        at: Timestamp, tenant: TenantID?, direction: AuditDirection, actor: String? = nil, operation: String,
        request: ServiceRequestID? = nil, objects: String? = nil, result: String, duration: Duration, bytesIn: Int = 0, bytesOut: Int = 0,
        correlationID: String? = nil, traceID: [UInt8]? = nil, bodyHash: [UInt8]? = nil
    ) {
        self.at = at
        self.tenant = tenant
        self.direction = direction
        self.actor = actor
        self.operation = operation
        self.request = request
        self.objects = objects
        self.result = result
        self.duration = duration
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.correlationID = correlationID
        self.traceID = traceID
        self.bodyHash = bodyHash
    }
}
