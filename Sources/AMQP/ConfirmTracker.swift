/// Which publications are in flight on a channel in confirm mode, and what the broker's answers mean for them.
///
/// A pure value: it counts delivery tags as the broker does, from 1, and resolves each publication exactly once whatever the order
/// of the answers. A return comes before the acknowledgement of the same message and decides its outcome.
struct ConfirmTracker: Sendable {
    private struct Entry: Sendable {
        let tag: Int64
        let messageID: String
        let sentAt: ContinuousClock.Instant
        var returned: Resolution.Outcome?
        var isResolved = false
    }

    /// The window, oldest first, behind `head` resolved entries that wait to be dropped together.
    private var entries: [Entry] = []
    private var head = 0
    /// The delivery tag of `entries[0]`.
    private var base: UInt64 = 1

    /// Publications without an outcome.
    private(set) var count = 0

    /// Notes a publication as the next one on the channel.
    ///
    /// - Parameters:
    ///   - tag: the caller's number.
    ///   - messageID: empty when it cannot be returned.
    ///   - instant: when it is written.
    mutating func sent(tag: Int64, messageID: String, at instant: ContinuousClock.Instant) {
        entries.append(Entry(tag: tag, messageID: messageID, sentAt: instant))
        count += 1
    }

    /// Notes that the broker gave a message back. Its outcome comes with the acknowledgement that follows.
    ///
    /// - Returns: false when no publication in flight has this message id.
    mutating func returned(messageID: String, code: Int, text: String) -> Bool {
        // Messages of one channel are returned in the order of writing, so the oldest of equal ids is meant.
        guard
            let index = entries[head...].firstIndex(where: { !$0.isResolved && $0.returned == nil && $0.messageID == messageID })
        else { return false }
        entries[index].returned = .returned(code: code, text: text)
        return true
    }

    /// Applies an acknowledgement (`accepted`) or a refusal of one delivery tag, or of all up to it; zero with `multiple` means all.
    ///
    /// Answers for tags that are already resolved, or were never given out, change nothing.
    mutating func settle(
        deliveryTag: UInt64,
        multiple: Bool,
        accepted: Bool,
        at instant: ContinuousClock.Instant,
        into resolutions: inout [Resolution]
    ) {
        if multiple {
            let known = UInt64(entries.count)
            let end = deliveryTag == 0 ? known : deliveryTag < base ? 0 : min(known, deliveryTag - base + 1)
            for index in head..<max(head, Int(end)) { resolve(index, accepted, instant, &resolutions) }
        } else if deliveryTag >= base, deliveryTag - base < UInt64(entries.count) {
            resolve(Int(deliveryTag - base), accepted, instant, &resolutions)
        }
        dropResolved()
    }

    private mutating func resolve(
        _ index: Int,
        _ accepted: Bool,
        _ instant: ContinuousClock.Instant,
        _ resolutions: inout [Resolution]
    ) {
        let entry = entries[index]
        guard !entry.isResolved else { return }
        entries[index].isResolved = true
        count -= 1
        let outcome = entry.returned ?? (accepted ? .confirmed : .nacked)
        resolutions.append(Resolution(tag: entry.tag, outcome: outcome, confirmLatency: entry.sentAt.duration(to: instant)))
    }

    private mutating func dropResolved() {
        while head < entries.count, entries[head].isResolved { head += 1 }
        guard head == entries.count || head >= 1_024 else { return }
        entries.removeFirst(head)
        base += UInt64(head)
        head = 0
    }

    /// Gives up the channel: forgets everything and starts counting from 1 again.
    ///
    /// - Returns: the callers' numbers of what had no outcome, in order of writing.
    mutating func failAll() -> [Int64] {
        let unresolved = entries[head...].lazy.filter { !$0.isResolved }.map(\.tag)
        defer { self = ConfirmTracker() }
        return Array(unresolved)
    }
}
