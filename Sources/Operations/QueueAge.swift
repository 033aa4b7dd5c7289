/// Estimates how long the oldest message has been in a queue, from how many have come and gone: RabbitMQ keeps no such moment for a
/// quorum queue. The first in is the first out; what was there at the first look has been there since then, at least.
struct QueueAge: Sendable {
    /// At this moment so many messages had come in since counting began, ascending in both.
    private var marks: [(at: ContinuousClock.Instant, arrived: Int)] = []

    /// Marks that are kept; when there are more, every second one goes: a long backlog is told less exactly.
    static let maximum = 512

    /// - Parameters:
    ///   - depth: messages in the queue.
    ///   - taken: messages that consumers have taken for good, since the broker started.
    /// - Returns: zero for an empty queue.
    mutating func observe(depth: Int, taken: Int, at now: ContinuousClock.Instant) -> Duration {
        let arrived = depth + taken
        // A broker that was started anew counts from zero, and a purge takes messages that nobody has taken.
        if let last = marks.last, arrived < last.arrived { marks = [] }
        if marks.last?.arrived != arrived { marks.append((now, arrived)) }
        guard depth > 0 else {
            marks = [(now, arrived)]
            return .zero
        }
        // The oldest one that waits came with the first mark that counts more than were taken.
        marks.removeAll { $0.arrived <= taken }
        if marks.count > Self.maximum { marks = marks.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) }
        return marks.first.map { $0.at.duration(to: now) } ?? .zero
    }
}
