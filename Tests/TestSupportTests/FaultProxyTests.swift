import Foundation
import TestSupport
import Testing

@Suite("The fault proxy", .timeLimit(.minutes(1)))
struct FaultProxyTests {
    private func proxied() throws -> (server: EchoServer, proxy: FaultProxy) {
        let server = try EchoServer()
        return (server, try FaultProxy(to: server.port, seed: 311))
    }

    private func faults(_ change: (inout FaultProxy.Faults) -> Void) -> FaultProxy.Faults {
        var faults = FaultProxy.Faults()
        change(&faults)
        return faults
    }

    private static let text = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    @Test("without a fault passes everything on, and the end of it, both ways")
    func transparent() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        let client = try EchoClient(to: proxy.port)
        try client.send(Self.text)
        #expect(try client.receive(Self.text.count, within: 5) == Self.text)
        client.finish()
        #expect(try client.ending(within: 5) == .end)
        #expect(proxy.counts.bytes == [Self.text.count, Self.text.count])
    }

    @Test("delays each direction by its own time, without changing the order")
    func latency() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        proxy.set(faults { ($0.latency, $0.jitter) = (.milliseconds(200), .milliseconds(50)) }, [.toServer])
        proxy.set(faults { $0.latency = .milliseconds(100) }, [.toClient])
        let client = try EchoClient(to: proxy.port)
        let start = ContinuousClock.now
        for byte in UInt8(0)..<20 { try client.send([byte]) }
        #expect(try client.receive(20, within: 5) == Array(0..<20))
        let took = start.duration(to: .now)
        #expect(took >= .milliseconds(300) && took < .seconds(3))
    }

    @Test("throttles to its rate")
    func throttle() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        proxy.set(faults { $0.bytesPerSecond = 20_000 }, [.toServer])
        let client = try EchoClient(to: proxy.port)
        let start = ContinuousClock.now
        try client.send(Array(Self.text.prefix(20_000)))
        #expect(try client.receive(20_000, within: 10) == Array(Self.text.prefix(20_000)))
        let took = start.duration(to: .now)
        #expect(took > .milliseconds(800) && took < .seconds(4), "\(took)")
    }

    @Test("half-open: nothing passes, nobody hears of an end, and the connection stays dead when the link is healed")
    func halfOpen() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        let client = try EchoClient(to: proxy.port)
        try client.send([1])
        #expect(try client.receive(1, within: 5) == [1])
        proxy.set(faults { $0.drops = true })
        try client.send([2])
        #expect(try client.receive(1, within: 0.4) == [])
        proxy.set(.init())
        try client.send([3])
        #expect(try client.receive(1, within: 0.4) == [])
        #expect(server.ended == 0)
        client.close()
        Thread.sleep(forTimeInterval: 0.2)
        #expect(server.ended == 0, "the server was told")
        let fresh = try EchoClient(to: proxy.port)
        try fresh.send([4])
        #expect(try fresh.receive(1, within: 5) == [4])
    }

    @Test("resets both ends after so many bytes, in the middle of what is sent")
    func reset() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        proxy.set(faults { $0.resetAfter = 1_000...1_000 }, [.toClient])
        let client = try EchoClient(to: proxy.port)
        try client.send(Array(Self.text.prefix(999)))
        #expect(try client.receive(999, within: 5).count == 999)
        try client.send([1, 2, 3])
        #expect(try client.ending(within: 5) == .reset)
        #expect(proxy.counts.resets == 1 && proxy.counts.bytes[1] == 1_000)
    }

    @Test("turns one bit over, stalls, and cuts what is open")
    func others() throws {
        let (server, proxy) = try proxied()
        defer { (proxy.stop(), server.stop()) }
        proxy.set(faults { $0.corruptAt = 2 }, [.toServer])
        let client = try EchoClient(to: proxy.port)
        try client.send([8, 8, 8, 8])
        #expect(try client.receive(4, within: 5) == [8, 8, 9, 8])
        proxy.set(faults { $0.stalls = true }, [.toServer])
        try client.send([7])
        #expect(try client.receive(1, within: 0.3) == [])
        proxy.set(.init())
        #expect(try client.receive(1, within: 5) == [7], "a stalled byte is late, not lost")
        proxy.cut()
        #expect(try client.ending(within: 5) != .none)
        let second = try EchoClient(to: proxy.port)
        try second.send([1])
        #expect(try second.receive(1, within: 5) == [1])
        proxy.cut(byReset: true)
        #expect(try second.ending(within: 5) == .reset)
    }

    @Test("of a server that is not there, resets")
    func noServer() throws {
        let proxy = try FaultProxy(to: 1)
        defer { proxy.stop() }
        let client = try EchoClient(to: proxy.port)
        #expect(try client.ending(within: 5) == .reset)
    }
}
