import Foundation
import Open311
import Storage

/// Decodes strangers' pictures in a process of its own with bounds on memory, time, files and size of output, so that a hostile
/// file can kill only itself. libvips (its command-line tool) does the work, untrusted loaders switched off.
struct PhotoSandbox: Sendable {
    /// What the worker may use.
    struct Limits: Sendable {
        var pixels = 50_000_000
        /// Of address space, in bytes.
        var memory = 1_500_000_000
        var processorSeconds = 10
        /// The machine may be busy with others: a picture is refused for this only after several tries.
        var wallTime = Duration.seconds(10)
        /// Of one output file, in bytes.
        var output = 33_554_432
    }

    struct Size: Sendable, Equatable {
        let width: Int
        let height: Int
    }

    var limits = Limits()
    /// Longest side of the public copy and of the thumbnail, in pixels.
    static let publicSide = 2_048
    static let smallSide = 320
    /// Whether the programs are there. Without them every photo would look broken.
    static var isInstalled: Bool {
        ["prlimit", "nice", "vips", "vipsheader"].allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)") }
    }

    private static let loaders: Set<String> = ["jpegload", "pngload", "webpload", "heifload"]

    /// Writes `cleaned.jpg` and `small.jpg` into `folder`.
    ///
    /// - Returns: the size of the cleaned copy.
    func clean(_ original: String, into folder: String) async throws(PhotoRefusal) -> Size {
        let header = try await run("vipsheader", [original], in: folder)
        guard let (size, loader) = Self.header(header), Self.loaders.contains(loader) else { throw .unreadable }
        guard size.width * size.height <= limits.pixels else { throw .tooManyPixels }
        let side = Self.publicSide
        _ = try await run(
            "vips",
            [
                "thumbnail", original, "cleaned.jpg[Q=82,strip,optimize_coding,background=255]", String(side), "--height", String(side),
                "--size", "down", "--export-profile", "srgb", "--fail-on", "truncated",
            ], in: folder)
        try await shrink(in: folder)
        guard let (final, _) = Self.header(try await run("vipsheader", ["cleaned.jpg"], in: folder)) else { throw .unreadable }
        return final
    }

    /// Draws rectangles of a cleaned copy as a few coarse squares, and writes `cleaned.jpg` and `small.jpg` into `folder`. What was
    /// there cannot be had back: 36 averages are left of each.
    func redact(_ copy: String, _ rectangles: [PhotoRectangle], into folder: String) async throws(PhotoRefusal) -> Size {
        guard let (size, _) = Self.header(try await run("vipsheader", [copy], in: folder)) else { throw .unreadable }
        var current = copy
        for (index, rectangle) in rectangles.enumerated() {
            guard let part = rectangle.clipped(width: size.width, height: size.height) else { continue }
            // The tool reads its own format from nobody: it counts as untrusted.
            let next = "step\(index).png"
            _ = try await run(
                "vips", ["extract_area", current, "part.png", "\(part.x)", "\(part.y)", "\(part.width)", "\(part.height)"], in: folder)
            _ = try await run("vips", ["thumbnail", "part.png", "coarse.png", "6", "--height", "6", "--size", "force"], in: folder)
            _ = try await run(
                "vips", ["thumbnail", "coarse.png", "blurred.png", "\(part.width)", "--height", "\(part.height)", "--size", "force"],
                in: folder
            )
            _ = try await run("vips", ["insert", current, "blurred.png", next, "\(part.x)", "\(part.y)"], in: folder)
            current = next
        }
        _ = try await run("vips", ["copy", current, "cleaned.jpg[Q=82,strip,optimize_coding]"], in: folder)
        try await shrink(in: folder)
        return size
    }

    private func shrink(in folder: String) async throws(PhotoRefusal) {
        _ = try await run(
            "vips",
            [
                "thumbnail", "cleaned.jpg", "small.jpg[Q=75,strip,optimize_coding]", String(Self.smallSide), "--height",
                String(Self.smallSide), "--size", "down",
            ], in: folder)
    }

    /// `name: 4000x3000 uchar, 3 bands, srgb, jpegload`
    static func header(_ line: String) -> (Size, loader: String)? {
        guard let colon = line.range(of: ": ", options: .backwards) else { return nil }
        let words = line[colon.upperBound...].split(whereSeparator: { $0 == " " || $0 == "," || $0.isNewline })
        let sides = (words.first ?? "").split(separator: "x").compactMap { Int($0) }
        guard sides.count == 2, sides.allSatisfy({ (1...100_000).contains($0) }), let loader = words.last else { return nil }
        return (Size(width: sides[0], height: sides[1]), String(loader))
    }

    /// Has a city's own command change `cleaned.jpg`: it gets the picture on standard input and writes one to standard output, within
    /// the bounds of every tool here. What it wrote is a stranger's file again: decoded and drawn anew.
    ///
    /// - Parameter command: an absolute path, then arguments.
    func blur(_ command: [String], in folder: String) async throws(PhotoRefusal) -> Size {
        let blurred = folder + "/blurred"
        do {
            guard let program = command.first, FileManager.default.createFile(atPath: blurred, contents: nil),
                let input = FileHandle(forReadingAtPath: folder + "/cleaned.jpg"), let output = FileHandle(forWritingAtPath: blurred)
            else { throw PhotoRefusal.hookFailed }
            _ = try await run(program, Array(command.dropFirst()), in: folder, input: input, output: output)
            return try await clean(blurred, into: folder)
        } catch {
            throw .hookFailed
        }
    }

    private func run(_ tool: String, _ arguments: [String], in folder: String) async throws(PhotoRefusal) -> String {
        let output = Pipe()
        try await run("/usr/bin/" + tool, arguments, in: folder, input: .nullDevice, output: output.fileHandleForWriting)
        try? output.fileHandleForWriting.close()
        let said = (try? output.fileHandleForReading.read(upToCount: 4_096)) ?? Data()
        return String(decoding: said, as: UTF8.self)
    }

    private func run(
        _ program: String, _ arguments: [String], in folder: String, input: FileHandle, output: FileHandle
    ) async throws(PhotoRefusal) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments =
            [
                "--as=\(limits.memory)", "--cpu=\(limits.processorSeconds)", "--nofile=64", "--core=0", "--fsize=\(limits.output)", "--",
                "/usr/bin/nice", "-n", "10", program,
            ] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = [
            "PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "LC_ALL": "C", "VIPS_BLOCK_UNTRUSTED": "1", "VIPS_CONCURRENCY": "1",
            "MALLOC_ARENA_MAX": "2",
        ]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        let limit = limits.wallTime
        let outcome: (reason: Process.TerminationReason, status: Int32)? = await withCheckedContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: ($0.terminationReason, $0.terminationStatus)) }
            do { try process.run() } catch {
                process.terminationHandler = nil
                continuation.resume(returning: nil)
                return
            }
            let pid = process.processIdentifier
            DispatchQueue.global().asyncAfter(deadline: .now() + (limit / .seconds(1))) {
                guard process.isRunning else { return }
                // What it started goes with it.
                kill(-pid, SIGKILL)
                kill(pid, SIGKILL)
            }
        }
        guard let outcome else { throw .unreadable }
        if outcome.reason == .uncaughtSignal { throw outcome.status == SIGKILL ? .tooSlow : .tooCostly }
        guard outcome.status == 0 else { throw .unreadable }
    }
}
