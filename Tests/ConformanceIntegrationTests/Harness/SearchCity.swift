import Foundation
import Open311
import Postgres
import Storage
import TestSupport
import Testing

/// A city whose requests no other row changes: of the GeoReport list R1 (BIN, 10 days, open), R2 (POT, 5 days, closed) and R3 (BIN,
/// 120 days, open, changed three days ago).
struct SearchCity: Sendable {
    let city: GatewayUnderTest.City
    let r1: String
    let r2: String
    let r3: String

    private static let making = Task { try await SearchCity(try await GatewayUnderTest.shared()) }
    static func shared() async throws -> SearchCity { try await making.value }

    private init(_ gateway: GatewayUnderTest) async throws {
        city = try await gateway.city("search", services: try ConformanceFixture.services())
        r1 = try await gateway.stored("BIN", in: city, daysAgo: 10)
        r2 = try await gateway.stored("POT", in: city, daysAgo: 5)
        r3 = try await gateway.stored("BIN", in: city, daysAgo: 120)
        try await gateway.update(r2, of: city, "closed", notes: "Réparé", daysAgo: 4)
        try await gateway.update(r3, of: city, "IN_PROCESS", notes: nil, daysAgo: 3)
    }

    func get(_ query: String, _ gateway: GatewayUnderTest, format: String = "json") async throws -> Answer {
        try await gateway.get("\(city.base)/requests.\(format)?\(query)")
    }

    func ids(_ query: String, _ gateway: GatewayUnderTest) async throws -> [String] {
        let answer = try await get(query, gateway)
        try #require(answer.status == 200, "\(query): \(answer.text)")
        return try answer.ids()
    }

    /// As a client writes it in a query: the offset's plus escaped.
    static func ago(days: Int64) -> String { Timestamp.now.adding(days: -days).iso8601 }
}

extension GatewayUnderTest {
    /// What the city's CRM says of a request.
    func update(
        _ id: String, of city: City, _ status: String?, notes: String? = nil, daysAgo: Int64 = 0, agency: String? = nil,
        expected: Timestamp? = nil, notice: String? = nil
    ) async throws {
        let update = StatusUpdate(
            id: "u-\(UInt64.random(in: 0...UInt64.max))", occurredAt: Timestamp.now.adding(days: -daysAgo),
            status: try status.map { try StatusUpdate.RequestedStatus(validating: $0) }, statusNotes: notes, agencyResponsible: agency,
            expectedAt: expected, serviceNotice: notice, externalReference: nil)
        _ = try await updates.apply(update, to: try #require(ServiceRequestID(parsing: id)), of: city.tenant.id)
    }

    /// Runs SQL of a fixture as the owner of the schema.
    func fixture(_ sql: String) async throws {
        try await owner.run { (session) throws(PostgresError) in try session.script(sql, within: .seconds(60)) }
    }
}

extension GatewayUnderTest {
    /// The ids of every request that a city has, shown or not.
    func everyRequest(of city: City) async throws -> [String] {
        try await owner.run { (session) throws(PostgresError) in
            try session.execute(
                Statement("conformance_every", "select id from service_requests where tenant_id = $1::integer order by id"),
                [.int32(city.tenant.id.rawValue)]
            ).map { (row) throws(PostgresError) in String(try row.int64(0)) }
        }
    }
}
