import AMQP
import Foundation
import TestSupport
import Testing

extension AccidentTests {
    /// Accidents of the wire between our services and the broker, through the fault proxy. Side by side, because most of them is waiting;
    /// each with a model that remembers what was answered.
    @Test("silent, half-open, reset and slow links: noticed in time, and nothing answered is lost", .timeLimit(.minutes(4)))
    func network() async throws {
        let broker = try await NetworkBroker.started()
        await withTaskGroup(of: Void.self) { group in
            for (name, accident) in RelayAccidents.all + StatusAccidents.all {
                group.addTask {
                    let start = ContinuousClock.now
                    do {
                        let scene = try await NetworkScene(name, broker, seed: .random(in: 0 ... .max))
                        do { try await accident(scene) } catch { Issue.record("\(name): \(error)") }
                        await scene.close()
                    } catch {
                        Issue.record("\(name): \(error)")
                    }
                    print("\(name): \(start.duration(to: .now))")
                }
            }
        }
        await broker.stop()
    }
}

typealias NetworkAccident = @Sendable (NetworkScene) async throws -> Void

extension FaultProxy.Faults {
    static func with(_ change: (inout Self) -> Void) -> Self {
        var faults = Self()
        change(&faults)
        return faults
    }

    /// Everything is thrown away, and nobody hears of it.
    static let halfOpen = with { $0.drops = true }
    /// Two kilobytes a second, half a second away.
    static let slow = with { ($0.bytesPerSecond, $0.latency, $0.jitter) = (2_048, .milliseconds(500), .milliseconds(100)) }
}
