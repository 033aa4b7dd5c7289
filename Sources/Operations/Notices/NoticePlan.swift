import Curl
import Open311
import Storage

/// When a notice is tried again, and when its time is over. Pure: the tests give it any moment.
public struct NoticePlan: Sendable {
    /// What a minute of the plan lasts; tests shorten it.
    public var minute: Duration

    public init(minute: Duration = .seconds(60)) { self.minute = minute }

    /// A word about a report is of no use later, in minutes: three days.
    static let lifetime = 4_320
    /// After each attempt that this notice's own recipient put off, in minutes; then the last again and again.
    static let pauses = [1, 5, 15, 60, 120, 240]
    /// After each that ended in doubt; there is one more attempt, and no third.
    static let doubtPause = 15
    public static let maximumDoubts: Int32 = 2
    /// While the mail server itself is away; from a twelfth of a minute to five.
    static let serverPauses: [Double] = [1.0 / 12, 1.0 / 6, 0.5, 1, 2, 5]
    /// To one address in a day, of all tenants: a stranger's form must not flood a mailbox.
    public static let maximumADay = 20

    /// Longer than an attempt may take, the goodbye on an old connection counted.
    public var lease: Duration { max(.seconds(3), minute * 5 / 2) }
    var timeout: Duration { lease * 2 / 5 }

    func isOver(_ createdAt: Timestamp, at now: Timestamp) -> Bool {
        let age = Duration.microseconds(now.microseconds - createdAt.microseconds)
        return age > minute * Self.lifetime
    }

    public enum Step: Sendable, Equatable {
        case end(NoticeEnd, reason: String)
        case again(after: Duration, doubts: Int32, reason: String)
        /// Nothing is wrong with the notice: the whole mailer rests.
        case rest(reason: String)
    }

    /// So many recipients over whom the server stumbled one after the other are not to blame any more: the server is.
    static let stumbles = 3

    /// What follows a failed attempt.
    ///
    /// - Parameters:
    ///   - attempts: this one counted.
    ///   - doubts: before it.
    ///   - stumbles: over how many different recipients the server has failed without a word about them, this one counted, since it last
    ///     did its work.
    func step(after error: MailError, attempts: Int32, doubts: Int32, stumbles: Int = 1) -> Step {
        let reason = error.reply.map { "\(error.kind.rawValue) \($0)" } ?? error.kind.rawValue
        if error.mayHaveArrived {
            return doubts + 1 >= Self.maximumDoubts
                ? .end(.doubtful, reason: reason) : .again(after: minute * Self.doubtPause, doubts: doubts + 1, reason: reason)
        }
        if error.kind == .refused || error.kind == .invalidMessage { return .end(.failed, reason: reason) }
        // The server puts it off itself; or it hangs up, or says nothing more, once it hears of this recipient.
        let isPutOff = error.kind == .refusedForNow || Self.isStumble(error) && stumbles < Self.stumbles
        guard isPutOff else { return .rest(reason: reason) }
        let pause = Self.pauses[min(Int(attempts), Self.pauses.count) - (attempts > 0 ? 1 : 0)]
        return .again(after: minute * pause, doubts: doubts, reason: reason)
    }

    /// Whether the server failed when it had heard who the mail is for: that may be this recipient's doing, or not.
    static func isStumble(_ error: MailError) -> Bool {
        switch error.kind {
        case .serverRefuses, .timedOut, .connectionLost, .other: error.hadRecipient && !error.mayHaveArrived
        default: false
        }
    }

    /// - Parameter failures: in a row, from 1.
    func rest(after failures: Int) -> Duration {
        let index = min(max(failures, 1), Self.serverPauses.count) - 1
        return minute * Self.serverPauses[index]
    }
}
