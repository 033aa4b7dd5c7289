import Dispatch
import Foundation
import NIOConcurrencyHelpers

/// SIGTERM and Ctrl-C: whoever waits is woken, once.
final class StopSign: Sendable {
    private let state = NIOLockedValueBox<(isAsked: Bool, wake: @Sendable () -> Void)>((false, {}))

    /// Listens for as long as the answer is kept.
    func listen() -> [any DispatchSourceSignal] {
        [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { [state] in
                let wake = state.withLockedValue { state in
                    state.isAsked = true
                    return state.wake
                }
                wake()
            }
            source.resume()
            return source
        }
    }

    var isAsked: Bool { state.withLockedValue { $0.isAsked } }

    /// Calls `wake` when a stop is asked for, at once when it has been already. Replaces the one before.
    func onStop(_ wake: @escaping @Sendable () -> Void) {
        let now = state.withLockedValue { state in
            state.wake = wake
            return state.isAsked
        }
        if now { wake() }
    }

    /// Waits, but not longer than until a stop is asked for.
    func sleep(_ duration: Duration) async {
        let end = ContinuousClock.now + duration
        while !isAsked, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(100)) }
    }
}
