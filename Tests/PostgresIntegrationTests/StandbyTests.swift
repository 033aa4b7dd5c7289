import Foundation
import Postgres
import PrivateServers
import Testing

#if canImport(Glibc)
    import Glibc
#endif

extension WithPostgreSQL {
    @Suite("Several servers, and a standby that commits wait for")
    struct StandbyTests {
        @Test("a commit that no standby has confirmed is no success: not in time, and not when somebody ends its waiting")
        func unreplicated() async throws {
            try await withConnection(statementTimeout: .seconds(1)) { connection, server in
                try await connection.script("create table unreplicated (id integer)")
                try await connection.script("alter system set synchronous_standby_names = 'nobody'")
                try await connection.script("select pg_reload_conf()")
                try await eventually("commits wait") { try await Self.error(of: "insert into unreplicated values (0)", connection) != nil }
                try await cancelled(on: server)
                // What reads waits for nobody.
                _ = try await connection.serverProcess()
                try await connection.script("alter system reset synchronous_standby_names")
                try await connection.script("select pg_reload_conf()")
                try await eventually("commits wait no more") {
                    try await Self.error(of: "insert into unreplicated values (2)", connection) == nil
                }
                try await connection.script("drop table unreplicated")
            }
        }

        /// The server answers a commit whose waiting is cancelled with success and a warning, in whatever form it was sent.
        private func cancelled(on server: PrivatePostgreSQL) async throws {
            let insert = Statement("unreplicated", "insert into unreplicated values (1)")
            try await withConnection { patient, _ in
                async let single = failure { () async throws(PostgresError) in try await patient.rows(insert) { $0.isNull(0) } }
                try await cancelWaiting(on: server)
                check(try await single)
                async let grouped = failure { () async throws(PostgresError) in
                    try await patient.run { (session) throws(PostgresError) in try session.pipeline([(insert, []), (insert, [])]).count }
                }
                try await cancelWaiting(on: server)
                check(try await grouped)
                async let transaction = failure { () async throws(PostgresError) in
                    try await patient.run { (session) throws(PostgresError) in
                        try session.transaction { (session) throws(PostgresError) in try session.execute(insert).count }
                    }
                }
                try await cancelWaiting(on: server)
                check(try await transaction)
            }
        }

        private func check(_ error: PostgresError) {
            #expect(error.kind == .timeout && error.isRetriable && error.detail.contains("standby"))
        }

        private func cancelWaiting(on server: PrivatePostgreSQL) async throws {
            let cancel = Statement(
                "cancel", "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep' and query not like '%(0)%'")
            try await withConnection { other, _ in
                try await eventually("a commit waits") { try await !other.rows(cancel) { $0.isNull(0) }.isEmpty }
            }
        }

        private static func error(of script: String, _ connection: PostgresConnection) async throws -> PostgresError? {
            do { try await connection.script(script) } catch let error as PostgresError { return error }
            return nil
        }

        @Test("a first server that takes connections and never answers leaves time for the second, which is remembered")
        func silentFirst() async throws {
            try await withConnection { _, server in
                let (silent, port) = try Self.silentListener()
                defer { close(silent) }
                let uri = try server.uri().replacingOccurrences(of: "@127.0.0.1:", with: "@127.0.0.1:\(port),127.0.0.1:")
                let connection = try PostgresConnection(
                    configuration: PostgresConfiguration(
                        connectionString: uri + "?target_session_attrs=read-write", applicationName: "hosts", connectTimeout: .seconds(4)))
                let first = try await connection.serverProcess()
                try await LossTests().terminate(first, on: server)
                _ = try? await connection.serverProcess()
                let start = ContinuousClock.now
                #expect(try await connection.serverProcess() != first)
                #expect(start.duration(to: .now) < .seconds(1.9), "the silent one is not asked first again")
                await connection.close()
            }
        }

        /// The kernel takes connections for it; nobody ever reads what they say.
        private static func silentListener() throws -> (descriptor: Int32, port: Int) {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(descriptor, address, length) == 0 && listen(descriptor, 16) == 0 && getsockname(descriptor, address, &length) == 0
                }
            }
            try #require(result)
            return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
        }

        @Test("a server that only reads is passed over")
        func readOnly() async throws {
            try await withConnection { connection, server in
                try await connection.script("alter system set default_transaction_read_only = on")
                try await connection.script("select pg_reload_conf()")
                let uri = try server.uri() + "?target_session_attrs=read-write"
                let writer = try PostgresConnection(configuration: PostgresConfiguration(connectionString: uri, applicationName: "hosts"))
                try await eventually("it only reads") { (try? await writer.serverProcess()) == nil }
                let error = try await failure { () async throws(PostgresError) in try await writer.serverProcess() }
                #expect(error.kind == .cannotConnect && error.isRetriable)
                try await connection.script("alter system reset default_transaction_read_only")
                try await connection.script("select pg_reload_conf()")
                try await eventually("it writes again") { (try? await writer.serverProcess()) != nil }
                await writer.close()
            }
        }
    }
}
