import Foundation
import Open311
import Storage
import TestSupport
import Testing

/// The town of the CitySDK rows: five requests around 43.6, 3.2, as of 25 March 2026, moved so that that day is now.
struct CitySDKTown: Sendable {
    let city: GatewayUnderTest.City
    /// `r-001` to `r-005` of the list, by those names.
    private let identifiers: [String: String]

    /// Base of Tourism, with its slash.
    let tourism: String
    /// Where the objects' ids come from.
    var namespace: String { tourism + "pois/" }
    private static let shift = Timestamp.now.seconds - 1_774_396_800

    private static let making = Task { try await CitySDKTown(try await GatewayUnderTest.shared()) }
    static func shared() async throws -> CitySDKTown { try await making.value }

    private struct Entry {
        let name: String
        let service: String
        let description: String
        let status: String
        let isOpen: Bool
        let requested: String
        let updated: String
        let place: (Double, Double)
        var object: String?
        var media: [String] = []
    }

    private static let entries = [
        Entry(
            name: "r-001",
            service: "101",
            description: "Trou dans la chaussée",
            status: "RECEIVED",
            isOpen: true,
            requested: "2026-03-02T08:00:00Z",
            updated: "2026-03-02T08:00:00Z",
            place: (43.6000, 3.2000)
        ),
        Entry(
            name: "r-002",
            service: "101",
            description: "Bordure cassée",
            status: "IN_PROCESS,PUBLIC_WORKS_IN_PROGRESS",
            isOpen: true,
            requested: "2026-03-05T09:30:00Z",
            updated: "2026-03-06T10:00:00Z",
            place: (43.6030, 3.2000),
            media: ["https://img.example/1.jpg", "https://img.example/2.jpg"]
        ),
        Entry(
            name: "r-003",
            service: "102",
            description: "Lampadaire éteint",
            status: "PROCESSED",
            isOpen: false,
            requested: "2026-03-07T12:00:00Z",
            updated: "2026-03-20T16:45:00Z",
            place: (43.6000, 3.2100),
            object: "p-17",
            media: ["https://img.example/3.jpg"]
        ),
        Entry(
            name: "r-004",
            service: "103",
            description: "Banc cassé",
            status: "REJECTED",
            isOpen: false,
            requested: "2026-03-10T07:15:00Z",
            updated: "2026-03-11T07:00:00Z",
            place: (43.6500, 3.2000),
            object: "k-2"
        ),
        Entry(
            name: "r-005",
            service: "103",
            description: "Poubelle renversée",
            status: "RECEIVED",
            isOpen: true,
            requested: "2026-03-12T18:00:00Z",
            updated: "2026-03-12T18:00:00Z",
            place: (43.6000, 3.2100),
            object: "p-17"
        ),
    ]

    static func services() throws -> [Service] {
        try [("101", "Voirie"), ("102", "Éclairage public"), ("103", "Mobilier")].map { try ConformanceFixture.plain($0.0, name: $0.1) }
    }

    private init(_ gateway: GatewayUnderTest) async throws {
        city = try await gateway.city("citysdk", services: try Self.services())
        let tourism = "\(gateway.root)/\(city.tenant.key)/tourism/"
        self.tourism = tourism
        try await TownPlaces.publish(gateway, city)
        var made: [String: String] = [:]
        for entry in Self.entries {
            var submission = try Fixtures.submission(for: city.tenant, description: entry.description)
            submission.serviceCode = try ServiceCode(validating: entry.service)
            submission.location = Location(
                coordinate: Coordinate(latitude: entry.place.0, longitude: entry.place.1),
                address: nil,
                addressID: nil
            )
            submission.mediaURLs = entry.media
            submission.object = entry.object.map { ServiceObject(type: tourism + "pois/", id: $0) }
            let id = try await gateway.recorder.record(submission, tenant: city.tenant).id
            made[entry.name] = "\(id)"
            try await gateway.fixture(
                """
                update service_requests set status = '\(entry.status)', open = \(entry.isOpen),
                    requested_at = '\(try Self.moment(entry.requested))', updated_at = '\(try Self.moment(entry.updated))'
                where id = \(id)
                """
            )
        }
        identifiers = made
    }

    /// A moment of the list, as clients of today write it.
    static func moment(_ text: String) throws -> String {
        try #require(Timestamp(parsing: text)).adding(seconds: shift).iso8601
    }

    func id(_ name: String) throws -> String { try #require(identifiers[name]) }

    func get(_ arguments: [(String, String)], _ gateway: GatewayUnderTest, format: String = "json") async throws -> Answer {
        try await gateway.get("\(city.base)/requests.\(format)?\(GatewayUnderTest.form(arguments))")
    }

    /// The names of the requests that are answered, in order.
    func names(_ arguments: [(String, String)], _ gateway: GatewayUnderTest) async throws -> [String] {
        let answer = try await get(arguments, gateway)
        try #require(answer.status == 200, "\(answer.text)")
        let names = Dictionary(uniqueKeysWithValues: identifiers.map { ($0.value, $0.key) })
        return try answer.ids().map { names[$0] ?? $0 }
    }

    /// Requires exactly these requests, in whatever order.
    func require(
        _ gateway: GatewayUnderTest,
        _ arguments: [(String, String)],
        are expected: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await names(arguments, gateway)
        try #require(found.sorted() == expected, sourceLocation: sourceLocation)
    }
}
