import ArgumentParser
import Configuration
import Foundation
import Open311
import Postgres

extension Settings {
    /// How `bus311 backup` reaches the server, as libpq's variables; and the services' database in it.
    var backupSource: (environment: [String: String], database: String) {
        get throws {
            let parameters: ConnectionParameters
            do {
                parameters = try ConnectionParameters(
                    parsing: try required("database.backup", hint: "a PostgreSQL connection string of a role that may replicate"))
            } catch let error as PostgresError {
                throw ValidationError("database.backup: \(error.detail). \(Self.place(of: "database.backup"))")
            }
            return (parameters.environment, parameters.values["dbname"] ?? parameters.values["user"] ?? "bus311")
        }
    }

    /// What may lie in a backup, as a settings file; and the names of what is set and may not, because it is secret or may hold a secret.
    func plain() throws -> (file: Data, secret: [String]) {
        var tree: [String: Any] = [:]
        var secret: [String] = []
        for key in Self.known {
            let value: Any? =
                reader.int(forKey: ConfigKey(key)) ?? reader.bool(forKey: ConfigKey(key)) ?? reader.string(forKey: ConfigKey(key))
            guard let value else { continue }
            if Self.isSecret(key) {
                secret.append(key)
            } else {
                Self.put(value, key.split(separator: ".").map(String.init)[...], into: &tree)
            }
        }
        let data = try JSONSerialization.data(
            withJSONObject: ["bus311": tree, "secrets_kept_elsewhere": secret.sorted()],
            options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return (data, secret.sorted())
    }

    /// Whole groups, so that a setting that is added to one of them is not forgotten here.
    private static func isSecret(_ key: String) -> Bool {
        let word = key.lowercased()
        return key.hasPrefix("database.") || key.hasPrefix("alerts.webhook.") || key == "alerts.heartbeat" || key == "failpoint"
            || ["broker.relay", "broker.status", "broker.redrive", "mail.url"].contains(key)
            || ["secret", "password", "accesskey"].contains { word.contains($0) }
    }

    private static func put(_ value: Any, _ path: ArraySlice<String>, into tree: inout [String: Any]) {
        guard let first = path.first else { return }
        guard path.count > 1 else {
            tree[first] = value
            return
        }
        var branch = tree[first] as? [String: Any] ?? [:]
        put(value, path.dropFirst(), into: &branch)
        tree[first] = branch
    }
}
