import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A certification authority of a private broker's own, made with openssl(1): its certificate, the broker's, and one for each client
/// that asks. Everything lies in one folder that only its owner enters, files mode 0600.
///
/// For demonstrations and tests: a real site takes the broker's certificate from a public authority.
public struct PrivateAuthority: Sendable {
    /// Whoever is trusted with this file's certificate: what `cacertfile` names.
    public var caFile: URL { folder.appendingPathComponent("ca.pem") }
    var serverFile: URL { folder.appendingPathComponent("server.pem") }
    var serverKey: URL { folder.appendingPathComponent("server.key") }
    let folder: URL

    /// Seconds: a certificate that ends within a month is made anew.
    private static let renewal = 30 * 86_400
    /// Days. No browser takes more than 398.
    private static let lifetime = 397
    private static let authorityLifetime = 3_650

    private static let profile = """
        [req]
        distinguished_name = name
        [name]
        [authority]
        basicConstraints = critical, CA:TRUE
        keyUsage = critical, keyCertSign, cRLSign
        subjectKeyIdentifier = hash
        [server]
        basicConstraints = critical, CA:FALSE
        extendedKeyUsage = serverAuth
        subjectAltName = DNS:localhost, IP:127.0.0.1
        [client]
        basicConstraints = critical, CA:FALSE
        extendedKeyUsage = clientAuth

        """

    /// A client's certificate and key.
    public struct ClientCertificate: Sendable, Hashable {
        public let certificate: URL
        public let key: URL
    }

    /// Makes what is missing and renews what is about to expire; a new authority makes everything anew.
    ///
    /// - Returns: whether the broker's certificate is another than before.
    @discardableResult
    func prepare() async throws -> Bool {
        try SecretFile.makeFolder(folder)
        try SecretFile.write(Self.profile, to: profile)
        if try await !isUsable(caFile) {
            for stale in [serverFile, clients] { try? FileManager.default.removeItem(at: stale) }
            try await openssl(
                ["req", "-x509", "-days", "\(Self.authorityLifetime)", "-extensions", "authority"] + Self.newKey
                    + ["-subj", "/CN=Bus311 test authority \(UInt32.random(in: .min ... .max))", "-config", profile.path]
                    + ["-keyout", authorityKey.path, "-out", caFile.path])
        }
        if try await isUsable(serverFile) { return false }
        try await issue("localhost", as: "server", certificate: serverFile, key: serverKey)
        return true
    }

    /// A certificate for a broker user, made on the first call and renewed when it is about to expire.
    ///
    /// - Parameter name: the common name, which is the user's name; letters, digits, `.`, `-` and `_`, at most 64.
    public func clientCertificate(for name: String) async throws -> ClientCertificate {
        let isPlain = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95].contains(byte)
        }
        guard isPlain, (1...64).contains(name.utf8.count), name.first != "." else {
            throw PrivateServerError.file(
                path: clients.path, what: "can have no certificate for \(name.debugDescription): give letters, digits, '.', '-' and '_'")
        }
        try await prepare()
        try SecretFile.makeFolder(clients)
        let made = ClientCertificate(
            certificate: clients.appendingPathComponent(name + ".pem"), key: clients.appendingPathComponent(name + ".key"))
        if try await !isUsable(made.certificate) {
            try await issue(name, as: "client", certificate: made.certificate, key: made.key)
        }
        return made
    }

    // MARK: openssl

    private var authorityKey: URL { folder.appendingPathComponent("ca.key") }
    private var profile: URL { folder.appendingPathComponent("openssl.cnf") }
    private var clients: URL { folder.appendingPathComponent("clients") }
    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]

    private func issue(_ name: String, as kind: String, certificate: URL, key: URL) async throws {
        let request = folder.appendingPathComponent("\(UInt64.random(in: .min ... .max)).csr")
        let fresh = request.appendingPathExtension("pem")
        defer { for file in [request, fresh] { try? FileManager.default.removeItem(at: file) } }
        try await openssl(
            ["req", "-new"] + Self.newKey + ["-subj", "/CN=\(name)", "-config", profile.path, "-keyout", key.path, "-out", request.path])
        try await openssl(
            ["x509", "-req", "-in", request.path, "-CA", caFile.path, "-CAkey", authorityKey.path, "-days", "\(Self.lifetime)"]
                + ["-extfile", profile.path, "-extensions", kind, "-out", fresh.path])
        guard chmod(fresh.path, 0o600) == 0, rename(fresh.path, certificate.path) == 0 else {
            throw PrivateServerError.file(path: certificate.path, what: systemMessage(errno))
        }
    }

    private func isUsable(_ certificate: URL) async throws -> Bool {
        guard FileManager.default.fileExists(atPath: certificate.path) else { return false }
        do {
            try await openssl(["x509", "-in", certificate.path, "-noout", "-checkend", "\(Self.renewal)"])
            try await openssl(["verify", "-CAfile", caFile.path, certificate.path])
            return true
        } catch PrivateServerError.commandFailed {
            return false
        }
    }

    private func openssl(_ arguments: [String]) async throws {
        guard let program = Program.find("openssl") else {
            throw PrivateServerError.programMissing(program: "openssl", remedy: "make deps, or apt-get install openssl")
        }
        _ = try await Command.run(
            ChildProcess.Launch(executable: program, arguments: arguments, environment: Program.environment, directory: folder),
            limit: .seconds(30))
        for file in [authorityKey, caFile] where FileManager.default.fileExists(atPath: file.path) { chmod(file.path, 0o600) }
    }
}
