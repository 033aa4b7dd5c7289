/// What a publisher can do right now.
public enum PublisherState: Sendable, Hashable {
    case disconnected
    case connected
    /// The broker asked publishers to stop (memory or disk alarm). Nothing is written until it lifts this.
    case blocked(reason: String, since: ContinuousClock.Instant)
}
