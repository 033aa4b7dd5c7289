import NIOConcurrencyHelpers

/// One call that this process made to somebody else's server, as it may be written down: never the path, the headers or an address of a
/// person, which may hold secrets and personal data.
public struct OutgoingCall: Sendable {
    public enum Way: Sendable { case http, smtp }

    public let way: Way
    /// `GET`, `PUT`…; `MAIL`.
    public let method: String
    /// Scheme, host and port.
    public let server: String
    /// The status or reply code, or why there was no answer.
    public let result: String
    public let duration: Duration
    /// The body that was sent, to be hashed; nil without one, and for a file.
    public let body: [UInt8]?
    public let bytesOut: Int
    public let bytesIn: Int
    /// Whose business it was; nil where nobody said so.
    public let tenant: Int32?
    /// Which service of the process made it; nil where nobody said so.
    public let actor: String?
}

/// Who hears of every outgoing call of this process, whichever client makes it.
public enum OutgoingCalls {
    public typealias Observer = @Sendable (OutgoingCall) async -> Void

    private static let observer = NIOLockedValueBox<Observer?>(nil)

    /// Whose business the calls are that are made inside: a tenant's number.
    @TaskLocal public static var tenant: Int32?

    /// Which service makes the calls that are made inside: several may run in one process.
    @TaskLocal public static var actor: String?

    /// One hears; the next one that asks hears in its place.
    public static func observe(_ observer: Observer?) { self.observer.withLockedValue { $0 = observer } }

    static func tell(
        _ way: OutgoingCall.Way, _ method: String, _ server: String, result: String, since start: ContinuousClock.Instant, body: [UInt8]?,
        bytesOut: Int, bytesIn: Int
    ) async {
        guard let observer = observer.withLockedValue({ $0 }) else { return }
        await observer(
            OutgoingCall(
                way: way, method: method, server: server, result: result, duration: start.duration(to: .now), body: body,
                bytesOut: bytesOut, bytesIn: bytesIn, tenant: tenant, actor: actor))
    }
}
