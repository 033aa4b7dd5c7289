import Foundation
import Open311
import TestSupport
import Testing

/// What the rows of Linked Data have in common.
extension LinkedRows {
    static let noRequests = "requests are read by GeoReport, where their filters are; layers are of places"
    static let noWriting = "places are written by the city's own system as reference data, never here: 405"

    /// The town, its base of Linked Data, and how its layers begin.
    struct Site {
        let gateway: GatewayUnderTest
        let base: String
        let key: String

        func get(_ path: String, _ headers: [String: String] = [:]) async throws -> Answer {
            try await gateway.get(base + path.replacing("~", with: key), headers: headers)
        }

        func features(_ path: String) async throws -> [JSON] {
            let answer = try await get(path)
            try #require(answer.status == 200, "\(path): \(answer.text)")
            let document = try answer.json()
            try #require(document["type"]?.string == "FeatureCollection")
            return try #require(document["features"]?.array)
        }

        /// What follows the tenant in each id or name, in order.
        func names(_ path: String, _ member: String = "cdk_id") async throws -> [String] {
            try await features(path).map { String(try #require($0["properties"]?[member]?.string).dropFirst(key.count + 1)) }
        }
    }

    /// A tilde in a path is the tenant's key.
    func row(
        _ id: String, _ title: String, refusedBecause refusal: String? = nil, _ body: (Site) async throws -> Void
    ) async throws {
        try await ConformanceIntegrationTests.row(id, title, refusedBecause: refusal) { gateway in
            let key = try await CitySDKTown.shared().city.tenant.key.rawValue
            try await body(Site(gateway: gateway, base: "\(gateway.root)/\(key)/ld", key: key))
        }
    }

    func objects(
        _ id: String, _ title: String, _ path: String, _ expected: String..., refusedBecause refusal: String? = nil
    ) async throws {
        try await row(id, title, refusedBecause: refusal) { site in
            let found = try await site.names(path)
            try #require(found == expected, "\(path): \(found)")
        }
    }

    func refusal(_ id: String, _ title: String, _ status: Int, naming word: String = "", _ paths: String...) async throws {
        try await row(id, title) { site in
            for path in paths {
                let answer = try await site.get(path)
                try #require(answer.status == status, "\(path): \(answer.status) \(answer.text)")
                let said = try #require(try answer.json()["error"]?.string)
                try #require(!said.isEmpty && (word.isEmpty || said.contains(word)), "\(said)")
            }
        }
    }

    func unwritten(_ id: String, _ title: String, _ method: String, _ path: String) async throws {
        try await row(id, title, refusedBecause: Self.noWriting) { site in
            let answer = try await site.gateway.send(
                method, site.base + path.replacing("~", with: site.key), headers: ["Content-Type": "application/json"],
                body: method == "DELETE" ? [] : Array("{}".utf8))
            try #require(answer.status == 405 && (try answer.json())["error"]?.string != nil, "\(answer.status)")
        }
    }
}
