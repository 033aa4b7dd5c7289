import Testing

@testable import Postgres

@Suite("A connection string, taken apart")
struct ConnectionParametersTests {
    @Test("a URI and pairs say the same to libpq's programs, the password among them")
    func environment() throws {
        let uri = try ConnectionParameters(parsing: "postgresql://svc:s%20ecret@db.example:5433/bus311?sslmode=verify-full")
        let pairs = try ConnectionParameters(
            parsing: "host=db.example port=5433 user=svc password='s ecret' dbname=bus311 sslmode=verify-full")
        #expect(uri == pairs)
        #expect(
            uri.environment == [
                "PGHOST": "db.example", "PGPORT": "5433", "PGUSER": "svc", "PGPASSWORD": "s ecret", "PGDATABASE": "bus311",
                "PGSSLMODE": "verify-full",
            ])
    }

    @Test("several servers are tried one by one, each with its own port")
    func hosts() throws {
        #expect(
            try ConnectionParameters(parsing: "postgresql://svc@a:5432,b:5433/bus311?target_session_attrs=read-write").hosts
                == [["host": "a", "port": "5432"], ["host": "b", "port": "5433"]])
        #expect(
            try ConnectionParameters(parsing: "host=a,b hostaddr=10.0.0.1,10.0.0.2 port=5432").hosts
                == [
                    ["host": "a", "hostaddr": "10.0.0.1", "port": "5432"], ["host": "b", "hostaddr": "10.0.0.2", "port": "5432"],
                ])
        for (ports, own) in [("a,b", ["5432", "5432"]), ("a:5433,b", ["5433", "5432"])] {
            #expect(
                try ConnectionParameters(parsing: "postgresql://svc@\(ports)/bus311").hosts.map { $0["port"] } == own,
                "no port is the default")
        }
        #expect(try ConnectionParameters(parsing: "postgresql://svc@a/bus311").hosts == [[:]])
        #expect(try ConnectionParameters(parsing: "").hosts == [[:]])
    }

    @Test("what libpq cannot read is refused, and not repeated")
    func refused() {
        let error = #expect(throws: PostgresError.self) { _ = try ConnectionParameters(parsing: "password=a b-secret") }
        #expect(error.map { !$0.detail.contains("secret") && !$0.description.contains("secret") } == true)
    }
}
