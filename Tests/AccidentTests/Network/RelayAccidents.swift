import AMQP
import Bus
import PrivateServers
import TestSupport
import Testing

/// F13 to F16 of the fault matrix, for the relay.
enum RelayAccidents {
    static let all: [(String, NetworkAccident)] = [
        ("relay-silent", silent), ("relay-next-host", nextHost), ("relay-half-open", halfOpen), ("relay-reset", reset),
        ("relay-slow", slow),
    ]

    /// F13: TCP is accepted, nothing is ever said.
    private static func silent(_ scene: NetworkScene) async throws {
        scene.proxy.set(.halfOpen)
        try await scene.record(20)
        let start = ContinuousClock.now
        try await scene.withRelay({ $0.broker.handshakeTimeout = .seconds(2) }) {
            try await scene.wait(10, for: "the handshake is given up") {
                scene.reports(since: start).contains { !$0.isOK && $0.detail.contains("no answer in time") }
            }
            try await Task.sleep(for: .seconds(4))
            #expect(scene.proxy.counts.accepted <= 5, "a storm of \(scene.proxy.counts.accepted) connections")
            scene.proxy.set(.init())
            try await scene.waitForAll(40)
        }
        scene.expectHonestDuplicates(losses: 0)
    }

    /// F13 with a second host: the silent one costs its share of the handshake, no more.
    private static func nextHost(_ scene: NetworkScene) async throws {
        scene.proxy.set(.halfOpen)
        try await scene.record(20)
        let living = UInt16(scene.broker.server.ports.amqp)
        try await scene.withRelay({
            $0.broker.handshakeTimeout = .seconds(4)
            $0.broker.otherHosts = [.init(host: "127.0.0.1", port: living)]
        }) {
            try await scene.waitForAll(20)
        }
    }

    /// F14: the link dies without a word, under traffic.
    private static func halfOpen(_ scene: NetworkScene) async throws {
        try await scene.withRelay {
            try await scene.record(20)
            try await scene.waitForAll(30)
            let cut = ContinuousClock.now
            scene.proxy.set(.halfOpen)
            try await scene.record(20)
            try await scene.wait(20, for: "the dead link is noticed") { scene.reports(since: cut).contains { !$0.isOK } }
            if let report = scene.reports(since: cut).first(where: { !$0.isOK }) {
                let took = cut.duration(to: report.at)
                print("relay-half-open: noticed after \(took), heartbeat 2 s")
                // Two heartbeats, and what a loaded machine adds.
                #expect(took < .seconds(10), "\(report.detail)")
                #expect(report.detail.contains("silent for two heartbeats"))
            }
            scene.proxy.set(.init())
            try await scene.waitForAll(40)
        }
        scene.expectHonestDuplicates(losses: 1)
    }

    /// F15: a reset after some bytes, mostly in the middle of a frame, again and again.
    private static func reset(_ scene: NetworkScene) async throws {
        try await scene.withRelay {
            try await scene.record(20)
            try await scene.waitForAll(30)
            scene.proxy.set(.with { $0.resetAfter = 300...30_000 }, [.toServer])
            for _ in 0..<12 {
                try await scene.record(25)
                try await Task.sleep(for: .milliseconds(500))
            }
            try await scene.wait(30, for: "several resets") { scene.proxy.counts.resets >= 3 }
            scene.proxy.set(.init())
            try await scene.waitForAll(60)
        }
        print("relay-reset: \(scene.proxy.counts.resets) resets")
        scene.expectHonestDuplicates(losses: scene.proxy.counts.resets)
    }

    /// F16: the window shrinks to what the link carries; no timeout, hence no second connection.
    private static func slow(_ scene: NetworkScene) async throws {
        scene.proxy.set(.slow)
        try await scene.withRelay({
            $0.confirmTimeout = .seconds(6)
            $0.broker.heartbeat = 10
        }) {
            try await scene.record(32)
            try await scene.waitForAll(120)
        }
        #expect(scene.proxy.counts.accepted == 1, "\(scene.proxy.counts.accepted) connections")
        scene.expectHonestDuplicates(losses: 0)
    }
}

extension NetworkScene {
    /// The same event again has the same body, and there are no more such than were under way when connections were lost.
    func expectHonestDuplicates(losses: Int, window: Int = 256) {
        var bodies: [String: [UInt8]] = [:]
        var duplicates = 0
        for delivery in deliveries {
            let id = delivery.properties.messageID ?? ""
            #expect(!id.isEmpty, "\(name): an event without an id")
            if let first = bodies[id] {
                duplicates += 1
                #expect(first == delivery.body, "\(name): the same id with another body")
            } else {
                bodies[id] = delivery.body
            }
        }
        print("\(name): \(deliveries.count) deliveries, \(duplicates) of them again")
        #expect(bodies.count == recordedIDs.count, "\(name): \(bodies.count) events of \(recordedIDs.count) requests")
        #expect(duplicates <= losses * window, "\(name): \(duplicates) duplicates after \(losses) losses")
    }
}
