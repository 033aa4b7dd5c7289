import Foundation
import Open311
import Postgres
import PrivateServers
import Storage

/// A private PostgreSQL for the tests of this process, and in it a migrated database for each who asks. The server ends with
/// the process.
public actor TestDatabase {
    public static let shared = TestDatabase()

    private var server: Task<PrivatePostgreSQL, any Error>?
    private var roles: Task<Void, any Error>?
    private var made = 0

    /// The repository's root, found from this file: Sources/TestSupport/TestDatabase.swift.
    public static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    public static let migrations = repository.appendingPathComponent("migrations").path

    /// One password for every role of a throw-away server.
    public static let rolePassword = "test-" + String(UInt64.random(in: 0...UInt64.max), radix: 36)

    /// The addresses of one fresh, migrated database.
    public struct Addresses: Sendable {
        public let owner: PostgresConfiguration
        let port: Int
        let name: String

        /// The configuration of a service's role.
        public func role(_ role: String) -> PostgresConfiguration {
            PostgresConfiguration(
                connectionString: "postgresql://\(role):\(TestDatabase.rolePassword)@127.0.0.1:\(port)/\(name)", applicationName: role)
        }

        /// Runs statements as the owner, for what no service does: making rows old, taking rows away.
        public func script(_ sql: String) async throws {
            let connection = try PostgresConnection(configuration: owner)
            try await connection.run { (session) throws(PostgresError) in try session.script(sql, within: .seconds(30)) }
            await connection.close()
        }
    }

    /// Makes a database, migrates it, lets the services' roles log in.
    public func fresh() async throws -> Addresses {
        let server = try await running()
        made += 1
        let name = "test_\(made)"
        let maintenance = try PostgresConnection(
            configuration: PostgresConfiguration(connectionString: try server.uri(), applicationName: "test"))
        try await maintenance.run { (session) throws(PostgresError) in
            try session.script("create database \(name)", within: .seconds(60))
        }
        await maintenance.close()
        let owner = PostgresConfiguration(connectionString: try server.uri(database: name), applicationName: "test-owner")
        _ = try await MigrationRunner(configuration: owner, directory: Self.migrations).run()
        try await letRolesLogIn(owner)
        return Addresses(owner: owner, port: server.port, name: name)
    }

    /// Roles belong to the whole server: once is enough, and two at once would meet on the same row.
    private func letRolesLogIn(_ owner: PostgresConfiguration) async throws {
        if let roles { return try await roles.value }
        let task = Task {
            let passwords = Dictionary(uniqueKeysWithValues: RolePasswords.roles.map { ($0, Self.rolePassword) })
            try await RolePasswords.set(passwords, configuration: owner)
        }
        roles = task
        try await task.value
    }

    /// A port of a plan whose ports are all free at this moment.
    public static func freePort() throws -> Int {
        for _ in 0..<200 {
            let plan = try PortPlan(base: Int.random(in: 20_000..<31_000))
            if (try? plan.checkFree()) != nil { return plan.postgresql }
        }
        throw PostgresError(.cannotConnect, detail: "no free ports between 20000 and 31000")
    }

    private func running() async throws -> PrivatePostgreSQL {
        if let server { return try await server.value }
        let task = Task {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-test-\(UUID().uuidString)")
            let server = PrivatePostgreSQL(directory: folder, port: try Self.freePort())
            try await server.start()
            return server
        }
        server = task
        return try await task.value
    }
}
