import Foundation
import Testing

@testable import PrivateServers

@Suite("The authority of a private broker")
struct PrivateAuthorityTests {
    @Test("signs once, for its owner's eyes only; renews what is about to expire, and everything with a new authority")
    func life() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-authority-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(at: folder) }
        let authority = PrivateAuthority(folder: folder)
        #expect(try await authority.prepare())
        #expect(try await !authority.prepare(), "the second time everything is there")
        let client = try await authority.clientCertificate(for: "t.valmont-7f3a9c.b")
        #expect(try await authority.clientCertificate(for: "t.valmont-7f3a9c.b") == client)
        let subject = try output(
            of: "/usr/bin/openssl", ["x509", "-in", client.certificate.path, "-noout", "-subject", "-ext", "extendedKeyUsage"])
        #expect(subject.contains("t.valmont-7f3a9c.b") && subject.contains("Client Authentication"), "\(subject)")
        for case let file as URL in FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil) ?? .init() {
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600 || mode == 0o700 && file.hasDirectoryPath, "\(file.path): \(mode ?? 0)")
        }

        // Nearly over: as a certificate of 29 days is.
        let before = try Data(contentsOf: authority.serverFile)
        _ = try output(
            of: "/usr/bin/openssl",
            [
                "x509", "-in", authority.serverFile.path, "-CA", authority.caFile.path, "-CAkey",
                folder.appendingPathComponent("ca.key").path,
            ]
                + ["-days", "29", "-out", authority.serverFile.path])
        #expect(try Data(contentsOf: authority.serverFile) != before)
        #expect(try await authority.prepare(), "renewed")

        // Another authority: what the former signed is worth nothing.
        let signed = try Data(contentsOf: client.certificate)
        try FileManager.default.removeItem(at: authority.caFile)
        #expect(try await authority.prepare())
        _ = try await authority.clientCertificate(for: "t.valmont-7f3a9c.b")
        #expect(try Data(contentsOf: client.certificate) != signed)
    }

    @Test(
        "has no certificate for a name that is no user's",
        arguments: ["", "../x", "a/b", ".hidden", "été", String(repeating: "a", count: 65)])
    func names(_ name: String) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-authority-\(UInt64.random(in: 0 ... .max))")
        await #expect(throws: PrivateServerError.self) { try await PrivateAuthority(folder: folder).clientCertificate(for: name) }
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }
}
