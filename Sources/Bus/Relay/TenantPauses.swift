import Open311

/// Tenants that the broker refused, each with its own growing pause; the others go on.
struct TenantPauses: Sendable {
    private struct Pause {
        var backoff: Backoff
        var until: ContinuousClock.Instant
    }

    private var pauses: [TenantID: Pause] = [:]

    /// - Parameter first, longest: 5 s to 5 min for a refusal that the operator sees by itself, longer for a missing exchange.
    /// - Returns: how long this pause is.
    mutating func refuse(_ tenant: TenantID, from first: Duration, to longest: Duration, now: ContinuousClock.Instant) -> Duration {
        var pause = pauses[tenant] ?? Pause(backoff: Backoff(from: first, to: longest), until: now)
        // One pause for all the events that are refused together.
        if pause.until > now { return now.duration(to: pause.until) }
        let length = pause.backoff.next()
        pause.until = now.advanced(by: length)
        pauses[tenant] = pause
        return length
    }

    mutating func accept(_ tenant: TenantID) { pauses[tenant] = nil }

    func paused(at now: ContinuousClock.Instant) -> Set<TenantID> { Set(pauses.filter { $0.value.until > now }.keys) }
}
