import Curl
import Foundation

/// What only the broker knows of tenants: the hashes of their users' passwords. Everything else follows from the database.
extension BrokerAdministration {
    /// The tenants' users with their rights, as the broker exports and imports them. Holds salted hashes: for a closed folder only.
    public func tenantUsers() async throws(BrokerAdministrationError) -> Data {
        let operation = ManagementOperation(method: "GET", path: ["definitions"])
        let response = try await send(operation)
        guard response.isSuccess else { throw refusal(response, of: operation) }
        guard let found = try? JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any],
            let data = try? JSONSerialization.data(
                withJSONObject: Self.tenantsOnly(found), options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        else { throw .malformedAnswer(operation: operation.description, detail: "it is not the JSON that was expected") }
        return data
    }

    /// Makes those users again, under the passwords that they had. Virtual hosts come with them, because rights stand in one.
    ///
    /// - Parameter users: what ``tenantUsers()`` gave.
    public func restore(tenantUsers users: Data) async throws(BrokerAdministrationError) {
        let operation = ManagementOperation(method: "POST", path: ["definitions"])
        let response = try await send(operation, body: Array(users))
        guard response.isSuccess else { throw refusal(response, of: operation) }
    }

    static func tenantsOnly(_ definitions: [String: Any]) -> [String: Any] {
        func ours(_ part: String, _ member: String) -> [[String: Any]] {
            (definitions[part] as? [[String: Any]] ?? []).filter { ($0[member] as? String)?.hasPrefix("t.") == true }
        }
        let permissions = ours("permissions", "user")
        let used = Set(permissions.compactMap { $0["vhost"] as? String })
        return [
            "users": ours("users", "name"), "permissions": permissions, "topic_permissions": ours("topic_permissions", "user"),
            "vhosts": (definitions["vhosts"] as? [[String: Any]] ?? []).filter { ($0["name"] as? String).map(used.contains) == true },
        ]
    }
}
