import TestSupport
import Testing

/// Accidents to a city of the tests' own, each checked by a model that remembers every positive answer.
@Suite("Accidents under load")
struct AccidentTests {
    @Test("whatever happens to the servers, or to all services at once, nothing answered is lost")
    func everything() async throws { #expect(try await PythonScript.run("accidents.py") == 0, "see its output above") }

    @Test("whatever happens to one service, nothing answered is lost and the others go on")
    func oneService() async throws { #expect(try await PythonScript.run("service_accidents.py") == 0, "see its output above") }

    @Test("of three broker nodes any one dies, freezes or is cut off, and nothing answered is lost; relays side by side share the work")
    func cluster() async throws { #expect(try await PythonScript.run("cluster.py", length: .long) == 0, "see its output above") }

    @Test("everything is killed and its data are gone: restored from the archive that the database waited for, nothing answered is lost")
    func restore() async throws { #expect(try await PythonScript.run("backup.py") == 0, "see its output above") }

    @Test("a synchronous standby is promoted under load, nothing answered is lost, and nobody writes to the former primary any more")
    func standby() async throws { #expect(try await PythonScript.run("standby.py") == 0, "see its output above") }
}
