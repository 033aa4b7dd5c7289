import Foundation
import Open311
import Testing

@testable import Operations

@Suite("How full disks are")
struct DiskProbeTests {
    @Test("as df says it, within one per cent; a folder that is not there is left out")
    func asDf() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/df")
        process.arguments = ["--output=pcent", "/"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let expected = try #require(Int(text.filter(\.isNumber)))
        let signs = DiskProbe.signs(of: ["/", "/nowhere/at/all"])
        #expect(signs.map(\.path) == ["/"])
        #expect(abs((signs.first?.used ?? -9) - expected) <= 1)
    }
}
