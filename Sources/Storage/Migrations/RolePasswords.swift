import Postgres

/// Lets the services' roles log in.
public enum RolePasswords {
    /// The roles that migrations make, one per service.
    public static let roles = [
        "bus311_ingest", "bus311_gateway", "bus311_status", "bus311_relay", "bus311_watch", "bus311_admin", "bus311_photos",
        "bus311_mailer",
    ]

    /// - Parameters:
    ///   - passwords: by role.
    ///   - configuration: of a role that may alter roles.
    public static func set(_ passwords: [String: String], configuration: PostgresConfiguration) async throws(StorageError) {
        let connection: PostgresConnection
        do { connection = try PostgresConnection(configuration: configuration) } catch { throw StorageError(.internalFault) }
        do throws(PostgresError) {
            for (role, password) in passwords where roles.contains(role) {
                try await connection.run { (session) throws(PostgresError) in
                    // ALTER ROLE takes no parameters; format() quotes, and the setting lives for this transaction only.
                    try session.transaction { (session) throws(PostgresError) in
                        _ = try session.execute(AdministrationSQL.setting, [.text("bus311.role"), .text(role)])
                        _ = try session.execute(AdministrationSQL.setting, [.text("bus311.password"), .text(password)])
                        try session.script(AdministrationSQL.alterRole)
                    }
                }
            }
        } catch {
            await connection.close()
            throw StorageError(error)
        }
        await connection.close()
    }
}
