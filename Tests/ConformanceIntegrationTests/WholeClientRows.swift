import Foundation
import Open311
import TestSupport
import Testing

/// Clients nobody here wrote, in Clients/clients.py; each run is a row.
@Suite("Whole clients")
struct WholeClientRows {
    private func run(_ name: String, _ gateway: GatewayUnderTest) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-client-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let picture = folder.appendingPathComponent("media.png")
        try Data(Picture.png).write(to: picture)
        let sheet = folder.appendingPathComponent("sheet.json")
        let facts = [
            "root": gateway.root, "base": gateway.base, "jurisdiction_id": gateway.cityA.jurisdiction, "api_key": gateway.cityA.key,
            "own_base": gateway.cityA.base, "own_key": gateway.cityA.tenant.key.rawValue, "r1": gateway.requests.r1,
            "picture": picture.path,
        ]
        try JSONEncoder().encode(facts).write(to: sheet)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Clients/clients.py")
        try await PythonScript.run(at: script, [name, sheet.path])
    }

    @Test("W01") func w01() async throws {
        try await row("W01", "PyPI `georeport`, JSON and XML, all five methods") { try await run("W01", $0) }
    }

    @Test("W02") func w02() async throws {
        try await row("W02", "PyPI `three` with its one shim, JSON: discovery, services, requests, post, token") {
            try await run("W02", $0)
        }
    }

    @Test("W03") func w03() async throws {
        try await row("W03", "the URLs of PyPI `open311`: `/service/{code}.xml`, an empty jurisdiction, the key in the query") {
            try await run("W03", $0)
        }
    }

    @Test("W04") func w04() async throws {
        try await row("W04", "every JSON answer against schemas made from the reference, formats checked") { try await run("W04", $0) }
    }

    @Test("W05") func w05() async throws {
        try await row("W05", "the rules of SeeClickFix’s validator, apart from its content types without charset") {
            try await run("W05", $0)
        }
    }

    @Test("W06") func w06() async throws {
        try await row("W06", "GeoReporter’s calls: multipart with `media`, then the request by id, the key on each") {
            try await run("W06", $0)
        }
    }

    @Test("schemathesis finds no server error and no answer that openapi.json does not describe")
    func schemathesis() async throws { try await run("schemathesis", try await GatewayUnderTest.shared()) }
}

/// The smallest picture there is: one pixel.
enum Picture {
    static let png: [UInt8] = [
        0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1F, 0x15, 0xC4, 0x89, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63,
        0xF8, 0x7F, 0xFE, 0xC0, 0x7F, 0x00, 0x08, 0xED, 0x03, 0x8E, 0xB7, 0x49, 0xAE, 0xC1, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44,
        0xAE, 0x42, 0x60, 0x82,
    ]
}
