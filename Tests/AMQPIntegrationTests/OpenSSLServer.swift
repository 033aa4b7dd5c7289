import Foundation

/// `openssl s_server` with a certificate of the broker's folder: a server whose TLS is wrong in a way that RabbitMQ's is not.
struct OpenSSLServer {
    private let process = Process()
    private let output = Pipe()

    init(in directory: URL, certificate: String, options: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.currentDirectoryURL = directory
        process.arguments = ["s_server", "-accept", "127.0.0.1:0", "-cert", "\(certificate).pem", "-key", "server.key"] + options
        // Its input must not end, or it does.
        process.standardInput = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    /// The port that it says it has taken.
    func port() async throws -> UInt16 {
        var said = ""
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            said += String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            if let line = said.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT") }), said.contains("\n"),
                let text = line.split(separator: ":").last, let port = UInt16(text)
            {
                return port
            }
        }
        throw PrivateBroker.Failure(description: "openssl s_server did not start: \(said)")
    }

    /// At once: what a thread of the tests starts does not hear SIGTERM.
    func stop() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
