import ArgumentParser
import Foundation
import PrivateServers

/// The demonstration over TLS.
enum DemoTLS {
    /// The AMQP URI with the scheme and port of TLS.
    static func uri(_ plain: String, port: Int) -> String? {
        guard plain.hasPrefix("amqp://"), let at = plain.lastIndex(of: "@"), let slash = plain[at...].firstIndex(of: "/") else {
            return nil
        }
        return "amqps" + plain.dropFirst(4)[..<at] + "@localhost:\(port)" + plain[slash...]
    }
}

/// `bus311 demo-certificate`: what the authority of a real site does for a tenant with mutual TLS.
struct DemoCertificate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-certificate", abstract: "Issue a client certificate of the demonstration's own authority.",
        discussion: """
            The name is that of an AMQP user made by: bus311 credential issue TENANT b --client-certificate.
            Example: bus311 demo-certificate t.valmont-7f3a9c.b
            """)

    @Argument(help: "The broker user's name: becomes the certificate's common name.") var name: String
    @Option(help: "The checkout that `bus311 demo` runs in; BUS311_HOME names its data folder, as for demo.")
    var repository = FileManager.default.currentDirectoryPath
    @Option(name: .long, help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

    func run() async throws {
        let home = try DemoHome(repository: URL(fileURLWithPath: repository))
        let folder = home.folder("rabbitmq")
        guard FileManager.default.fileExists(atPath: folder.path) else {
            throw ValidationError("There is no demonstration under \(home.root.path). Start one: bus311 demo, or make run")
        }
        let broker = PrivateRabbitMQ(
            directory: folder, ports: home.ports.rabbitMQ, configuration: home.repository.appendingPathComponent("broker-config"))
        guard let authority = broker.authority else { throw ValidationError("This demonstration's broker has no TLS.") }
        let made = try await authority.clientCertificate(for: name)
        switch format {
        case .text: print("certificate \(made.certificate.path)\nkey \(made.key.path)\nca \(authority.caFile.path)")
        case .json:
            let files = ["certificate": made.certificate.path, "key": made.key.path, "ca": authority.caFile.path]
            print(
                String(
                    decoding: try JSONSerialization.data(withJSONObject: files, options: [.sortedKeys, .withoutEscapingSlashes]),
                    as: UTF8.self))
        }
    }
}
