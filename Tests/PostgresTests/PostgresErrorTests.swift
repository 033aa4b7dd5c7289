import Testing

@testable import Postgres

@Suite("A PostgreSQL error")
struct PostgresErrorTests {
    @Test(
        "is worth another attempt, and ends its connection, by its SQLSTATE",
        arguments: [
            ("40001", true, false), ("40P01", true, false), ("53300", true, false), ("55P03", true, false), ("57014", true, false),
            ("57P01", true, true), ("57P02", true, true), ("57P03", true, true), ("08006", true, true), ("25006", true, true),
            ("25P02", false, false), ("23505", false, false), ("42601", false, false), ("42501", false, false), ("22021", false, false),
        ]
    )
    func refusals(sqlState: String, isRetriable: Bool, endsConnection: Bool) {
        let error = PostgresError(.refused, sqlState: sqlState)
        #expect(error.isRetriable == isRetriable)
        #expect(error.endsConnection == endsConnection)
    }

    @Test(
        "is worth another attempt, and ends its connection, by its kind",
        arguments: [
            (PostgresError.Kind.cannotConnect, true, true), (.connectionLost, true, true), (.timeout, true, true),
            (.overloaded, true, false),
            (.decoding, false, false), (.closed, false, true), (.refused, false, false),
        ]
    )
    func kinds(kind: PostgresError.Kind, isRetriable: Bool, endsConnection: Bool) {
        let error = PostgresError(kind)
        #expect(error.isRetriable == isRetriable)
        #expect(error.endsConnection == endsConnection)
    }

    @Test("names its statement and code, and never the server's words, which may quote data")
    func description() {
        let error = PostgresError(.refused, sqlState: "23505", statement: "ingest_request", detail: "Key (email)=(a@b.example) exists")
        #expect(error.description == "PostgreSQL refused the statement, statement ingest_request, SQLSTATE 23505")
    }
}
