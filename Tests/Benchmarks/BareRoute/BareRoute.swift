import Foundation
import Hummingbird
import NIOCore

/// A Hummingbird route that answers the bytes of a file to every GET, and nothing else: what the gateway is measured against.
@main
struct BareRoute {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = Int(arguments[1]), let bytes = FileManager.default.contents(atPath: arguments[2]) else {
            FileHandle.standardError.write(Data("usage: bare-route PORT FILE CONTENT-TYPE\n".utf8))
            exit(64)
        }
        let body = ByteBuffer(bytes: bytes)
        let contentType = arguments[3]
        let router = Router()
        router.get("**") { _, _ in
            Response(status: .ok, headers: [.contentType: contentType], body: ResponseBody(byteBuffer: body))
        }
        let application = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port), serverName: "bare"))
        try await application.runService()
    }
}
