import Foundation
import Storage
import Testing

@testable import Operations

@Suite("The photo sandbox")
struct PhotoSandboxTests {
    @Test("reads the size and the loader that the tool tells, whatever the file is called")
    func header() throws {
        let found = try #require(PhotoSandbox.header("/a/b: 9x9 uchar, x: 4000x3000 uchar, 3 bands, srgb, jpegload\n"))
        #expect(found.0 == PhotoSandbox.Size(width: 4_000, height: 3_000) && found.loader == "jpegload")
    }

    @Test("takes nothing else", arguments: ["", "x", "x: 4000 uchar, jpegload", "x: 0x5 uchar, jpegload", "x: 999999x9 uchar, pngload"])
    func nothing(line: String) { #expect(PhotoSandbox.header(line) == nil) }
}

@Suite("A city's blur command", .timeLimit(.minutes(1)))
struct BlurCommandTests {
    private func blur(_ script: String, limits: PhotoSandbox.Limits = PhotoSandbox.Limits()) async throws -> (Bool, folder: String) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-blur-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let row = [UInt8](repeating: 0xD0, count: 120) + [UInt8](repeating: 0x10, count: 120)
        try Data(Array("P6\n80 60\n255\n".utf8) + (0..<60).flatMap { _ in row }).write(to: URL(fileURLWithPath: folder + "/in.ppm"))
        let made = Process()
        made.executableURL = URL(fileURLWithPath: "/usr/bin/vips")
        made.arguments = ["copy", folder + "/in.ppm", folder + "/cleaned.jpg"]
        try made.run()
        made.waitUntilExit()
        var sandbox = PhotoSandbox()
        sandbox.limits = limits
        do {
            let size = try await sandbox.blur(["/bin/sh", "-c", script], in: folder)
            return (size == PhotoSandbox.Size(width: 80, height: 60), folder)
        } catch {
            #expect(error == .hookFailed)
            return (false, folder)
        }
    }

    @Test("gets the picture and gives one; what it adds behind it goes")
    func works() async throws {
        let (isDone, folder) = try await blur("cat; printf MARK")
        #expect(isDone)
        let copy = try Data(contentsOf: URL(fileURLWithPath: folder + "/cleaned.jpg"))
        #expect(copy.suffix(2) == Data([0xFF, 0xD9]) && copy.range(of: Data("MARK".utf8)) == nil)
        #expect(FileManager.default.fileExists(atPath: folder + "/small.jpg"))
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test(
        "that fails, writes nothing, no picture or too much is a failure",
        arguments: ["exit 3", "true", "echo '<svg/>'", "kill -9 $$", "yes"])
    func fails(script: String) async throws {
        var limits = PhotoSandbox.Limits()
        limits.output = 1_000_000
        let (isDone, folder) = try await blur(script, limits: limits)
        #expect(!isDone)
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test("that takes too long is ended with what it started")
    func slow() async throws {
        var limits = PhotoSandbox.Limits()
        limits.wallTime = .seconds(1)
        let start = ContinuousClock.now
        let (isDone, folder) = try await blur("sleep 30 & echo $! > child; wait", limits: limits)
        #expect(!isDone && start.duration(to: .now) < .seconds(15))
        let child =
            Int32((try String(contentsOfFile: folder + "/child", encoding: .utf8)).trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        try await Task.sleep(for: .milliseconds(300))
        // Gone, or dead and not yet collected by whoever adopted it.
        let state = (try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8))?.split(separator: " ").dropFirst(2).first
        #expect(child > 0 && (state == nil || state == "Z"))
        try FileManager.default.removeItem(atPath: folder)
    }
}
