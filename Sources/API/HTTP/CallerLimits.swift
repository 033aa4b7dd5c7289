import HTTPTypes
import Hummingbird
import Open311
import Storage

/// Who calls, and how much more he may ask for: a valid key has a limit of its own; without one the address counts.
struct CallerLimits: Sendable {
    private let proxies: TrustedProxies
    private let addresses: RateLimiter
    private let keys: RateLimiter
    private let tenants: RateLimiter

    init(_ configuration: GatewayConfiguration) {
        proxies = configuration.trustedProxies
        addresses = RateLimiter(configuration.addressLimit)
        keys = RateLimiter(configuration.keyLimit)
        // Each tenant brings its own limit, or has none.
        tenants = RateLimiter(RateLimit(perMinute: 0), places: 4_096)
    }

    private static let forwardedFor = HTTPField.Name("X-Forwarded-For") ?? .from

    /// - Returns: nil when there is no address to limit: a local socket, or this machine itself, be it an operator or a proxy
    ///   that nobody declared (limiting that would shut out the whole city).
    func caller(_ request: Request, _ context: GatewayContext) -> ClientAddress? {
        guard let peer = context.peer else { return nil }
        let caller = proxies.caller(peer: peer, forwarded: request.headers[values: Self.forwardedFor])
        return caller.isLoopback ? nil : caller.subscriber
    }

    /// Counts one request.
    ///
    /// - Parameter tenants: where the limit of the key's tenant is found.
    /// - Returns: nil when nothing limits this caller.
    /// - Throws: 429 with the seconds to wait.
    func admit(
        _ caller: ClientAddress?, _ key: AccessKey?, in directory: DirectorySnapshot
    ) throws(GeoReportError) -> RateLimiter.Verdict? {
        if let key {
            let own = try Self.checked(keys.take(key.publicID), "This api_key")
            guard let limit = directory.tenant(key.tenant)?.limits.requestsPerMinute else { return own }
            let shared = try Self.checked(
                tenants.take(key.tenant, own: RateLimit(perMinute: limit)), "The apps of this jurisdiction together")
            return own.limit > 0 && own.remaining < shared.remaining ? own : shared
        }
        return try caller.map { (caller) throws(GeoReportError) in try Self.checked(addresses.take(caller), "Your address") }
    }

    /// Refuses an address whose requests are used up, without counting this one: before the work of reading a body.
    func precheck(_ caller: ClientAddress?) throws(GeoReportError) {
        if let caller { _ = try Self.checked(addresses.take(caller, cost: 0), "Your address") }
    }

    private static func checked(_ verdict: RateLimiter.Verdict, _ who: String) throws(GeoReportError) -> RateLimiter.Verdict {
        guard verdict.isAllowed else {
            var refusal = GeoReportError(
                429,
                "\(who) sent more than \(verdict.limit) requests a minute. Wait \(verdict.retryAfter) seconds."
            )
            refusal.retryAfter = verdict.retryAfter
            throw refusal
        }
        return verdict
    }
}

extension RateLimiter.Verdict {
    private static let limitName = HTTPField.Name("RateLimit-Limit") ?? .from
    private static let remainingName = HTTPField.Name("RateLimit-Remaining") ?? .from

    /// Writes what is left into the answer.
    func tell(_ response: inout Response) {
        guard limit > 0 else { return }
        response.headers[Self.limitName] = String(limit)
        response.headers[Self.remainingName] = String(remaining)
    }
}
