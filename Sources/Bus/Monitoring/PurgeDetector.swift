/// What a tenant's queues held at one moment.
public struct QueueSample: Sendable, Hashable {
    public let at: ContinuousClock.Instant
    /// Messages in the request queue, in consumers' hands included; a quorum queue counts them anew every five seconds.
    public let depth: Int
    /// Messages that consumers have taken for good since the broker started; the statistics are up to ten seconds behind.
    public let taken: Int
    /// Messages that have come into the dead queue since then.
    public let dead: Int

    public init(at: ContinuousClock.Instant, depth: Int, taken: Int, dead: Int) {
        self.at = at
        self.depth = depth
        self.taken = taken
        self.dead = dead
    }
}

/// What a look at a queue shows.
public enum QueueSight: Sendable, Hashable {
    case gone
    /// It is there, and nobody can say what is in it: a queue whose nodes have no majority.
    case uncounted
    case sample(QueueSample)

    public var sample: QueueSample? { if case .sample(let sample) = self { sample } else { nil } }
}

/// Messages that have left a queue, and nobody took them.
public struct UnexplainedLoss: Sendable, Hashable {
    /// Of the queue before.
    public let depth: Int
    /// At least so many.
    public let missing: Int
}

/// Notices a purge, of which RabbitMQ tells nobody: the queue falls, and neither acknowledgements nor dead letters explain it.
///
/// A fall is judged once the statistics have caught up. Everything that was acknowledged from a little before it on counts as its
/// explanation, so there are no false alarms: a consumer that comes and goes within a second may be counted before the queue is.
/// So a purge that is smaller than what the consumer acknowledged in those seconds is not seen, and none in the seconds after the first
/// look: the depth that was seen then may be older than what was counted. A small one is told only when nobody took anything at all for
/// a while before and after it: a city without a consumer has small queues.
public struct PurgeDetector: Sendable {
    /// What is missing beyond this is told although others were taken meanwhile.
    public static let threshold = 20
    /// A channel reports every five seconds and the collector reads every five.
    static let statisticsDelay = Duration.seconds(11)
    /// A depth may be as old as that.
    static let depthDelay = Duration.seconds(6)
    /// For which nothing may have been taken when a small fall is told.
    static let quietTime = Duration.seconds(30)

    private struct Fall {
        let before: QueueSample
        let after: QueueSample
        /// What was counted when the depth before was true, at the latest.
        let counted: QueueSample
    }

    /// The last one, and those before it that a fall may have to be compared with.
    private var samples: [QueueSample] = []
    private var falls: [Fall] = []

    public init() {}

    /// Takes the next sample.
    ///
    /// - Parameter sample: nil when the queue is not there.
    /// - Returns: what is missing, once for each fall.
    public mutating func observe(_ sample: QueueSample?) -> UnexplainedLoss? {
        guard let sample else {
            (falls, samples) = ([], [])
            return nil
        }
        defer {
            samples.append(sample)
            // One more than are younger than the delay.
            while samples.count > 2, samples[1].at.duration(to: sample.at) >= Self.depthDelay { samples.removeFirst() }
        }
        guard let last = samples.last, let counted = samples.first else { return nil }
        // The broker has started again and counts from zero: nothing can be said of what happened meanwhile.
        guard sample.taken >= last.taken, sample.dead >= last.dead else {
            (falls, samples) = ([], [])
            return nil
        }
        if last.depth > sample.depth, counted.at.duration(to: last.at) >= Self.depthDelay {
            falls.append(Fall(before: last, after: sample, counted: counted))
        }
        var loss: UnexplainedLoss?
        falls.removeAll { fall in
            let age = fall.after.at.duration(to: sample.at)
            guard loss == nil, age >= Self.statisticsDelay else { return false }
            let explained = sample.taken - fall.counted.taken + sample.dead - fall.counted.dead
            let missing = fall.before.depth - fall.after.depth - explained
            guard missing > (explained == 0 ? 0 : Self.threshold) else { return true }
            guard missing > Self.threshold || age >= Self.quietTime else { return false }
            loss = UnexplainedLoss(depth: fall.before.depth, missing: missing)
            return true
        }
        return loss
    }

    /// Messages that were there when last looked.
    public var depth: Int { samples.last?.depth ?? 0 }
}
