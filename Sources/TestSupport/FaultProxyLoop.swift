import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// What the proxy's thread does: poll, read, hold back, write.
struct FaultProxyLoop {
    private let listener: Int32
    private let server: Int
    private let wakeUp: Int32
    private let box: NIOLockedValueBox<FaultProxy.Control>
    private var random: SeededRandom
    private var links: [Link] = []
    private var control = FaultProxy.Control()
    private var cuts = 0

    init(listener: Int32, server: Int, wakeUp: Int32, control: NIOLockedValueBox<FaultProxy.Control>, seed: UInt64) {
        (self.listener, self.server, self.wakeUp, box) = (listener, server, wakeUp, control)
        random = SeededRandom(seed: seed)
    }

    mutating func run() {
        while !control.isStopped {
            wait()
            // After the wait: a fault that was set before bytes came holds for them.
            control = box.withLockedValue { control in
                control.counts.open = links.count
                return control
            }
            if cuts != control.cuts {
                cuts = control.cuts
                for index in links.indices { end(index, byReset: control.isCutByReset) }
            }
            accept()
            for index in links.indices { work(index) }
            links.removeAll { $0.isOver }
        }
        for index in links.indices { end(index, byReset: false) }
        for descriptor in [listener, wakeUp] { close(descriptor) }
    }

    // MARK: Waiting

    private mutating func wait() {
        let now = ContinuousClock.now
        var polled = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        var limit = Duration.seconds(1)
        for link in links {
            for direction in FaultProxy.Direction.allCases {
                let pipe = link.pipes[direction.rawValue]
                if pipe.wantsToRead(control.faults[direction.rawValue]) {
                    polled.append(pollfd(fd: link.source(direction), events: Int16(POLLIN), revents: 0))
                }
                guard let due = pipe.due else { continue }
                if due <= now {
                    polled.append(pollfd(fd: link.sink(direction), events: Int16(POLLOUT), revents: 0))
                } else {
                    limit = min(limit, now.duration(to: due))
                }
            }
        }
        poll(&polled, nfds_t(polled.count), Int32(clamping: Int((limit / .milliseconds(1)).rounded(.up))))
        var drained = [UInt8](repeating: 0, count: 64)
        while read(wakeUp, &drained, drained.count) > 0 {}
    }

    private mutating func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0, LoopbackSocket.isNowNonBlocking(client) else { return }
            LoopbackSocket.tune(client)
            guard let server = try? LoopbackSocket.connecting(to: server) else {
                LoopbackSocket.reset(client)
                continue
            }
            links.append(Link(client: client, server: server))
            box.withLockedValue { $0.counts.accepted += 1 }
        }
    }

    // MARK: Passing on

    private mutating func work(_ index: Int) {
        for direction in FaultProxy.Direction.allCases where !links[index].isOver {
            let faults = control.faults[direction.rawValue]
            var pipe = links[index].pipes[direction.rawValue]
            pipe.begin(control.generation, faults, &random)
            let source = pipe.read(from: links[index].source(direction), faults, &random)
            let sink = pipe.write(to: links[index].sink(direction), faults)
            links[index].pipes[direction.rawValue] = pipe
            if sink.written > 0 { box.withLockedValue { $0.counts.bytes[direction.rawValue] += sink.written } }
            if pipe.isResetDue {
                box.withLockedValue { $0.counts.resets += 1 }
                end(index, byReset: true)
            } else if (source == .failed || sink.failed) && !links[index].isSilent {
                end(index, byReset: true)
            } else if source == .failed || sink.failed {
                // Half-open: the other end hears of nothing.
                links[index].pipes[direction.rawValue].hasEnded = true
            }
        }
        if links[index].pipes.allSatisfy({ $0.hasEnded && $0.isEmpty }) { end(index, byReset: false) }
    }

    private mutating func end(_ index: Int, byReset: Bool) {
        guard !links[index].isOver else { return }
        for descriptor in [links[index].client, links[index].server] {
            if byReset { LoopbackSocket.reset(descriptor) } else { close(descriptor) }
        }
        links[index].isOver = true
    }
}

/// A client and its connection to the server.
private struct Link {
    let client: Int32
    let server: Int32
    var pipes = [BytePipe(), BytePipe()]
    var isOver = false

    init(client: Int32, server: Int32) { (self.client, self.server) = (client, server) }

    var isSilent: Bool { pipes.contains { $0.hasLost } }
    func source(_ direction: FaultProxy.Direction) -> Int32 { direction == .toServer ? client : server }
    func sink(_ direction: FaultProxy.Direction) -> Int32 { direction == .toServer ? server : client }
}

/// One direction of one connection: bytes that were read and are not yet due.
private struct BytePipe {
    enum Source { case open, failed }

    private var held: [(at: ContinuousClock.Instant, bytes: ArraySlice<UInt8>)] = []
    private var heldBytes = 0
    private var readyAt = ContinuousClock.now
    private var generation = -1
    /// Bytes passed since the faults were set, and where the connection ends.
    private var passed = 0
    private var resetAt: Int?
    private var isShut = false
    /// The source said its last word.
    var hasEnded = false
    private(set) var hasLost = false

    init() {}

    var isEmpty: Bool { held.isEmpty }
    var isResetDue: Bool { resetAt.map { passed >= $0 } ?? false }
    var due: ContinuousClock.Instant? { held.first.map { max($0.at, readyAt) } ?? (hasEnded && !isShut && !hasLost ? .now : nil) }

    func wantsToRead(_ faults: FaultProxy.Faults) -> Bool {
        !hasEnded && !faults.stalls && heldBytes < (faults.bytesPerSecond == nil ? 262_144 : 8_192)
    }

    mutating func begin(_ generation: Int, _ faults: FaultProxy.Faults, _ random: inout SeededRandom) {
        guard generation != self.generation else { return }
        self.generation = generation
        passed = 0
        resetAt = faults.resetAfter.map { Int.random(in: $0, using: &random) }
    }

    mutating func read(from descriptor: Int32, _ faults: FaultProxy.Faults, _ random: inout SeededRandom) -> Source {
        while wantsToRead(faults) {
            var buffer = [UInt8](repeating: 0, count: 16_384)
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 { return errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? .open : .failed }
            if faults.drops || hasLost {
                hasLost = true
                (held, heldBytes) = ([], 0)
            }
            if count == 0 {
                hasEnded = true
                return .open
            }
            if hasLost { continue }
            let extra = faults.jitter > .zero ? faults.jitter * Double.random(in: 0...1, using: &random) : .zero
            let at = max(ContinuousClock.now + faults.latency + extra, held.last?.at ?? .now)
            held.append((at, buffer[..<count]))
            heldBytes += count
        }
        return .open
    }

    mutating func write(to descriptor: Int32, _ faults: FaultProxy.Faults) -> (written: Int, failed: Bool) {
        var written = 0
        while let first = held.first, max(first.at, readyAt) <= .now, !isResetDue {
            var chunk = first.bytes
            if let rate = faults.bytesPerSecond { chunk = chunk.prefix(max(1, rate / 20)) }
            if let resetAt { chunk = chunk.prefix(resetAt - passed) }
            var bytes = Array(chunk)
            if let position = faults.corruptAt.map({ $0 - passed }), bytes.indices.contains(position) { bytes[position] ^= 1 }
            let count = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return (written, !(errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) }
            written += count
            passed += count
            heldBytes -= count
            if count == first.bytes.count { held.removeFirst() } else { held[0].bytes = first.bytes.dropFirst(count) }
            if let rate = faults.bytesPerSecond { readyAt = max(readyAt, .now) + .seconds(Double(count) / Double(rate)) }
        }
        if hasEnded, held.isEmpty, !isShut, !hasLost {
            isShut = true
            shutdown(descriptor, Int32(SHUT_WR))
        }
        return (written, false)
    }
}

/// The same numbers for the same seed.
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// SplitMix64.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
