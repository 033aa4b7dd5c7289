import Testing

@testable import Operations

@Suite("Fetching reference data")
struct ReferencePullTests {
    @Test(
        "what fails is tried again after one, two, four minutes, and never later than the usual pace",
        arguments: [(0, 60), (1, 120), (2, 240), (5, 1_920), (6, 3_600), (1_000_000, 3_600)] as [(Int32, Int32)])
    func backOff(failures: Int32, seconds: Int32) {
        #expect(ReferencePuller.pause(isFailure: true, failures: failures, everySeconds: 3_600) == seconds)
        #expect(ReferencePuller.pause(isFailure: false, failures: failures, everySeconds: 3_600) == 3_600)
    }
}
