import Foundation
import Testing

@testable import PrivateServers

@Suite("A site's TLS settings on a private broker")
struct TLSSettingsTests {
    private func text() throws -> String {
        try String(
            contentsOf: URL(fileURLWithPath: #filePath).appendingPathComponent("../../../broker-config/conf.d/10-tls.conf")
                .standardizedFileURL,
            encoding: .utf8)
    }

    @Test("keep every key, with one listener on this machine and the folder's certificates")
    func rendered() throws {
        let site = try text()
        let mine = try #require(BrokerFolder.renderTLS(site + "\nlisteners.ssl.2 = 0.0.0.0:443\n", port: 9_999, folder: "/home/me/tls"))
        func keys(_ text: String) -> [String] {
            text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: "=").first }
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        #expect(keys(mine) == keys(site))
        #expect(mine.contains("listeners.ssl.1 = 127.0.0.1:9999\n"))
        for gone in ["0.0.0.0:443\n", "0.0.0.0:5671", "/etc/rabbitmq/tls"] { #expect(!mine.contains("= \(gone)")) }
        for file in ["ca.pem", "server.pem", "server.key"] { #expect(mine.contains("= /home/me/tls/\(file)\n")) }
    }

    @Test(
        "without a listener or certificates are none",
        arguments: ["", "listeners.ssl.1 = 0.0.0.0:5671", "# listeners.ssl.1 = x /etc/rabbitmq/tls/"])
    func empty(_ text: String) { #expect(BrokerFolder.renderTLS(text, port: 1, folder: "/f") == nil) }
}
