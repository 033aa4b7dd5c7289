import Foundation

extension BrokerFolder {
    /// One for a whole cluster: its nodes have one certificate, as they have one name on this machine.
    var authority: PrivateAuthority { PrivateAuthority(folder: shared.appendingPathComponent("tls")) }

    /// Certificates, and `conf.d/10-tls.conf` with this folder's names; nothing for a broker without a port for TLS.
    func prepareTLS() async throws {
        guard let port = ports.amqps else { return }
        // Of a cluster, before its first node starts: three at once would each make an authority.
        if member == nil { try await authority.prepare() }
        let source = configuration.appendingPathComponent("conf.d/10-tls.conf")
        let text: String
        do { text = try String(contentsOf: source, encoding: .utf8) } catch {
            throw PrivateServerError.file(path: source.path, what: "cannot be read: \(error.localizedDescription)")
        }
        guard let rendered = Self.renderTLS(text, port: port, folder: authority.folder.path) else {
            throw PrivateServerError.file(path: source.path, what: "has no line listeners.ssl.1 or no file in /etc/rabbitmq/tls/")
        }
        try SecretFile.write(rendered, to: root.appendingPathComponent("conf.d/10-tls.conf"))
    }

    /// A site's TLS settings with one listener, on this machine only, and the certificates of `folder`.
    ///
    /// - Returns: nil when the text has nothing to replace.
    static func renderTLS(_ text: String, port: Int, folder: String) -> String? {
        var hasListener = false
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("listeners.ssl.") else {
                lines.append(String(line))
                continue
            }
            guard line.hasPrefix("listeners.ssl.1 ") else { continue }
            hasListener = true
            lines.append("listeners.ssl.1 = 127.0.0.1:\(port)")
        }
        let rendered = lines.joined(separator: "\n").replacing("/etc/rabbitmq/tls/", with: folder + "/")
        return hasListener && rendered != text && rendered.contains(folder + "/") ? rendered : nil
    }
}
