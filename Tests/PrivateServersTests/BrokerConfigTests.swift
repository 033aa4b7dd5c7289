import Foundation
import Testing

@testable import PrivateServers

@Suite("broker-config")
struct BrokerConfigTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("broker-config")

    private func object(_ path: String) throws -> NSDictionary {
        let data = try Data(contentsOf: Self.folder.appendingPathComponent(path))
        return try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
    }

    @Test("has the same policies in the definitions as in their single source")
    func samePolicies() throws {
        let base = try object("definitions/base.json")
        let source = try object("policies/policies.json")
        let policies = try #require(source["policies"] as? NSArray)
        #expect(policies.isEqual(base["policies"] as? NSArray))

        let ceilings = try #require(source["operator_policies"] as? [NSDictionary])
        let parameters = try #require(base["parameters"] as? [NSDictionary]).filter { $0["component"] as? String == "operator_policy" }
        #expect(ceilings.count == parameters.count)
        for (ceiling, parameter) in zip(ceilings, parameters) {
            #expect(parameter["name"] as? String == ceiling["name"] as? String)
            let value = try #require(parameter["value"] as? NSDictionary)
            for key in ["pattern", "definition", "priority", "apply-to"] {
                let wanted = try #require(ceiling[key] as? NSObject)
                #expect(wanted.isEqual(value[key] as? NSObject), "\(key)")
            }
        }
    }

    @Test("holds no password and no hash")
    func noSecret() throws {
        for file in ["definitions/base.json", "definitions/tenant.template.json"] {
            let users = try #require(try object(file)["users"] as? [NSDictionary])
            #expect(!users.isEmpty)
            for user in users {
                let hash = try #require(user["password_hash"] as? String)
                #expect(hash.hasPrefix("@") && hash.hasSuffix("@"), "\(file): \(hash)")
                #expect(user["password"] == nil)
            }
        }
    }

    @Test("gives every service user a placeholder, and rendering leaves none")
    func rendering() throws {
        let base = Self.folder.appendingPathComponent("definitions/base.json")
        let passwords = Dictionary(uniqueKeysWithValues: ServiceUser.allCases.map { ($0.rawValue, "secret") })
        let text = try BrokerDefinitions.render(base: base, passwords: passwords)
        #expect(!text.contains("@svc."))
        #expect(!text.contains("secret"))
        #expect(throws: PrivateServerError.self) { try BrokerDefinitions.render(base: base, passwords: ["svc.relay": "x"]) }
        #expect(throws: PrivateServerError.self) { try BrokerDefinitions.render(base: base, passwords: ["svc.nobody": "x"]) }
    }

    /// The example of RabbitMQ's own documentation of password hashing.
    @Test("hashes as RabbitMQ does")
    func hash() {
        #expect(BrokerDefinitions.hash("test12", salt: [0x90, 0x8d, 0xc6, 0x0a]) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
    }
}
