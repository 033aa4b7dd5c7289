/// Which deliveries of a channel are still to be acknowledged, and with which frames many of them are: for a quorum queue each frame is an
/// entry of its log, so that one that speaks for all before it costs the broker as much as one for a single message.
///
/// A pure value; the broker counts tags from 1.
struct DeliveryLedger: Sendable {
    struct Acknowledgement: Sendable, Equatable {
        let tag: UInt64
        /// It speaks for everything before it, too.
        let multiple: Bool
    }

    private enum State: Sendable {
        /// In the consumer's hands.
        case open
        /// Done, and the broker was not told.
        case done
        /// Acknowledged or rejected.
        case told
    }

    /// Oldest first, behind `head` that wait to be dropped together.
    private var states: [State] = []
    private var head = 0
    /// The tag of `states[0]`.
    private var base: UInt64 = 1

    /// Done, and the broker was not told.
    private(set) var held = 0

    mutating func delivered(_ tag: UInt64) {
        guard tag >= base + UInt64(states.count) else { return }
        while base + UInt64(states.count) < tag { states.append(.told) }
        states.append(.open)
    }

    /// Notes that these are done.
    ///
    /// - Parameter limit: how many may be held back for a frame that speaks for them all; with more, each has its own.
    /// - Returns: what the broker is to be told, in this order.
    mutating func done(_ tags: [UInt64], holding limit: Int) -> [Acknowledgement] {
        for tag in tags {
            guard let index = index(tag), states[index] == .open else { continue }
            states[index] = .done
            held += 1
        }
        var told: [Acknowledgement] = []
        if let first = advance() { told.append(first) }
        if held > limit {
            for index in head..<states.count where states[index] == .done {
                states[index] = .told
                told.append(Acknowledgement(tag: base + UInt64(index), multiple: false))
            }
            held = 0
        }
        return told
    }

    /// Notes what the broker was told otherwise.
    ///
    /// - Returns: what it is to be told after that, because no gap is before it any more.
    mutating func told(_ tag: UInt64, multiple: Bool) -> Acknowledgement? {
        guard let index = index(tag) else { return nil }
        for index in (multiple ? head : index)...index {
            if states[index] == .done { held -= 1 }
            states[index] = .told
        }
        return advance()
    }

    /// Goes on to the oldest that is open.
    ///
    /// - Returns: a frame for those that were passed and that the broker does not know of.
    private mutating func advance() -> Acknowledgement? {
        var last: UInt64?
        while head < states.count, states[head] != .open {
            if states[head] == .done {
                held -= 1
                last = base + UInt64(head)
            }
            head += 1
        }
        if head > 1_024, head * 2 > states.count {
            states.removeFirst(head)
            base += UInt64(head)
            head = 0
        }
        return last.map { Acknowledgement(tag: $0, multiple: true) }
    }

    private func index(_ tag: UInt64) -> Int? {
        guard tag >= base + UInt64(head), tag < base + UInt64(states.count) else { return nil }
        return Int(tag - base)
    }
}
