import TestSupport
import Testing

/// Accidents to a city of the tests' own, each checked by a model that remembers every positive answer.
@Suite("Accidents under load", .serialized)
struct AccidentTests {
    @Test("whatever is killed, frozen, blocked or deleted, nothing answered is lost")
    func nothingIsLost() throws { #expect(try PythonScript.run("accidents.py") == 0, "see its output above") }
}
