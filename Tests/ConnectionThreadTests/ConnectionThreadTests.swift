import ConnectionThread
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// An actor as the clients write it: one thread, synchronous methods.
private actor Counter {
    private let thread: ConnectionThread
    private var value = 0

    init(thread: ConnectionThread) { self.thread = thread }

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    func increment() -> Int {
        value += 1
        return value
    }

    func runsOnItsThread() -> Bool { thread.isCurrent }

    /// As a connection is closed: by a job of its own.
    func close() { thread.stop() }
}

@Suite("A connection thread")
struct ConnectionThreadTests {
    @Test("runs an actor's methods on itself")
    func runsOnItself() async throws {
        let thread = try ConnectionThread(name: "test-self")
        let counter = Counter(thread: thread)
        #expect(await counter.runsOnItsThread())
        #expect(!thread.isCurrent)
        thread.stop()
    }

    @Test("runs every job of a thousand tasks exactly once")
    func runsEveryJob() async throws {
        let thread = try ConnectionThread(name: "test-many")
        let counter = Counter(thread: thread)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1_000 { group.addTask { _ = await counter.increment() } }
        }
        #expect(await counter.increment() == 1_001)
        thread.stop()
    }

    @Test("is not touched any more by the call whose job ended it, however soon it is gone")
    func endedByItsOwnJob() async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var sum = 0
                    for _ in 0..<40 {
                        let counter = Counter(thread: try ConnectionThread(name: "test-ended"))
                        sum += await counter.increment()
                        await counter.close()
                    }
                    return sum
                }
            }
            for try await sum in group { #expect(sum == 40) }
        }
    }

    @Test("answers calls made after it was stopped, so that no caller hangs")
    func answersAfterStop() async throws {
        let thread = try ConnectionThread(name: "test-stopped")
        let counter = Counter(thread: thread)
        thread.stop()
        for expected in 1...100 { #expect(await counter.increment() == expected) }
    }

    @Test("tells when a watched descriptor becomes readable, and ticks while it does not")
    func watchesDescriptor() async throws {
        let thread = try ConnectionThread(name: "test-watch")
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (reader, writer) = (ends[0], ends[1])
        let (events, continuation) = AsyncStream.makeStream(of: ConnectionThread.IdleEvent.self)
        thread.watch(reader, every: .milliseconds(20)) { event in
            if event == .readable {
                var byte: UInt8 = 0
                _ = read(reader, &byte, 1)
            }
            continuation.yield(event)
        }
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .tick)
        var byte: UInt8 = 7
        #expect(write(writer, &byte, 1) == 1)
        var seen = await iterator.next()
        while seen == .tick { seen = await iterator.next() }
        #expect(seen == .readable)
        thread.unwatch()
        thread.stop()
        close(reader)
        close(writer)
    }

    @Test("a wait ends at its deadline")
    func waitEndsAtDeadline() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let start = ContinuousClock.now
        let outcome = ConnectionThread.wait(for: ends[0], readable: true, writable: false, until: .after(.milliseconds(50)))
        #expect(outcome == .deadlinePassed)
        #expect(start.duration(to: .now) >= .milliseconds(50))
        ends.forEach { _ = close($0) }
    }
}
