import API
import Curl
import Foundation
import Hummingbird
import Logging
import Open311
import Operations
import Postgres
import Storage
import TestSupport
import Testing

/// A real gateway on a real socket, with a private PostgreSQL behind it and two cities in it. One for all rows: a row that
/// changes a catalogue or counts requests makes a city of its own with ``city(_:services:)``.
struct GatewayUnderTest: Sendable {
    /// A tenant with a key of each kind that rows need.
    struct City: Sendable {
        let tenant: Tenant
        let jurisdiction: String
        /// Read and write.
        let key: String
        /// Base URL of its own.
        let base: String
        let testBase: String
    }

    /// `http://127.0.0.1:port`.
    let root: String
    /// The shared GeoReport base.
    let base: String
    let store: AdministrationStore
    let directory: TenantDirectory
    let recorder: SubmissionRecorder
    let reader: ServiceRequestReader
    let updates: StatusUpdateStore
    let owner: PostgresConnection
    let addresses: TestDatabase.Addresses
    let cityA: City
    let cityB: City
    /// Of A, ten days old, BIN, open; of A, five days old, POT, closed; of A, 120 days old, BIN, open; of B.
    let requests: (r1: String, r2: String, r3: String, rb: String)

    private static let starting = Task { try await GatewayUnderTest() }

    static func shared() async throws -> GatewayUnderTest { try await starting.value }

    private init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        let port = try TestDatabase.freePort()
        var quiet = Logger(label: "conformance")
        quiet.logLevel = .warning
        let logger = quiet
        root = "http://127.0.0.1:\(port)"
        base = "\(root)/open311/v2"
        store = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        directory = try TenantDirectory(configuration: addresses.role("bus311_gateway"), logger: logger)
        recorder = try SubmissionRecorder(configuration: addresses.role("bus311_ingest"), origin: Fixtures.origin, logger: logger)
        reader = try ServiceRequestReader(configuration: addresses.role("bus311_gateway"), connections: 4)
        updates = try StatusUpdateStore(configuration: addresses.role("bus311_status"), connections: 1)
        owner = try PostgresConnection(configuration: addresses.owner)
        cityA = try await Self.city("a", services: try ConformanceFixture.services(), store, root)
        cityB = try await Self.city("b", services: try ConformanceFixture.servicesOfB(), store, root)
        try await directory.load()
        let media = try MediaFolder(
            path: FileManager.default.temporaryDirectory.appendingPathComponent("bus311-photos-\(UUID().uuidString)").path)
        let cleaner = PhotoCleaner(
            queue: try PhotoQueue(configuration: addresses.role("bus311_photos"), origin: Fixtures.origin), media: media,
            maximumPixels: 50_000_000, logger: logger, report: { _, _, _ in })
        // Ends with the process.
        Task { try await cleaner.run() }
        let gateway = GeoReportGateway(
            directory: directory, recorder: recorder, reader: reader,
            keyUses: try KeyUseRecorder(configuration: addresses.role("bus311_gateway"), logger: logger),
            citizenUpdates: try CitizenUpdateStore(configuration: addresses.role("bus311_gateway"), origin: Fixtures.origin),
            places: try PlaceStore(configuration: addresses.role("bus311_gateway")),
            photos: (media: media, reader: try PhotoReader(configuration: addresses.role("bus311_gateway"))),
            configuration: GatewayConfiguration(
                publicURL: base, trustedProxies: try #require(TrustedProxies(parsing: "127.0.0.1")),
                addressLimit: RateLimit(perMinute: 20)),
            logger: logger)
        // Ends with the process.
        Task {
            try await Application(
                responder: gateway, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)), logger: logger
            ).runService()
        }
        let (a, b) = (cityA.tenant, cityB.tenant)
        let r1 = try await Self.stored("BIN", a, daysAgo: 10, recorder, owner)
        let r2 = try await Self.stored("POT", a, daysAgo: 5, recorder, owner)
        let r3 = try await Self.stored("BIN", a, daysAgo: 120, recorder, owner)
        let rb = try await Self.stored("CITY-B", b, daysAgo: 3, recorder, owner)
        let close = StatusUpdate(
            id: "fixture", occurredAt: Timestamp.now.adding(days: -4), status: .general(.closed), statusNotes: "Réparé",
            agencyResponsible: nil, expectedAt: nil, serviceNotice: nil, externalReference: nil)
        _ = try await updates.apply(close, to: r2, of: a.id)
        requests = ("\(r1)", "\(r2)", "\(r3)", "\(rb)")
        try await waitUntilServing()
    }

    private func waitUntilServing() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            if let answer = try? await get("\(root)/discovery.json"), answer.status == 200 { return }
            guard ContinuousClock.now < deadline else { throw UnexpectedAnswer(what: "the gateway does not serve within 20 s") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    // MARK: Cities

    /// A new city, which nobody else's rows see.
    func city(_ name: String, services: [Service]) async throws -> City {
        let city = try await Self.city(name, services: services, store, root)
        try await directory.load()
        return city
    }

    /// Makes these the city's services, as an operator would; the gateway knows when this returns.
    func setCatalogue(_ services: [Service], of city: City) async throws {
        try await store.setCatalogue(services, of: city.tenant.id)
        try await directory.load()
    }

    private static func city(_ name: String, services: [Service], _ store: AdministrationStore, _ root: String) async throws -> City {
        let suffix = String(UInt32.random(in: 0..<0x100_0000) + 0x100_0000, radix: 16).suffix(6)
        let jurisdiction = "\(name).example"
        let tenant = try await store.createTenant(try Fixtures.newTenant("\(name)-\(suffix)", jurisdiction: jurisdiction))
        try await store.setCatalogue(services, of: tenant.id)
        let key = try await store.createKey(kind: .apiKey, tenant: tenant.id, label: "app of \(name)", expiresAt: nil)
        return City(
            tenant: tenant, jurisdiction: jurisdiction, key: key.reveal(), base: "\(root)/\(tenant.key)/open311/v2",
            testBase: "\(root)/\(tenant.key)/test/open311/v2")
    }

    /// A key of A or another city, as the operator would make it.
    func key(of city: City, scopes: Set<AccessScope>? = nil, expiresAt: Timestamp? = nil) async throws -> AccessSecret {
        let secret = try await store.createKey(
            kind: .apiKey, tenant: city.tenant.id, label: "another app", scopes: scopes, expiresAt: expiresAt)
        try await directory.load()
        return secret
    }

    // MARK: Requests in the store

    /// Stores a request of the city as if it had come that long ago.
    func stored(_ service: String, in city: City, daysAgo: Int64) async throws -> String {
        "\(try await Self.stored(service, city.tenant, daysAgo: daysAgo, recorder, owner))"
    }

    private static func stored(
        _ service: String, _ tenant: Tenant, daysAgo: Int64, _ recorder: SubmissionRecorder, _ owner: PostgresConnection
    ) async throws -> ServiceRequestID {
        var submission = try Fixtures.submission(for: tenant, description: "Demande de \(service)")
        submission.serviceCode = try ServiceCode(validating: service)
        let id = try await recorder.record(submission, tenant: tenant).id
        let moment = Timestamp.now.adding(days: -daysAgo)
        try await owner.run { (session) throws(PostgresError) in
            _ = try session.execute(
                Statement(
                    "conformance_age",
                    "update service_requests set requested_at = $2::timestamptz, updated_at = $2::timestamptz where id = $1::bigint"),
                [.int64(id.rawValue), .timestamp(moment.microseconds)])
        }
        return id
    }

    /// How many requests of any city have this description.
    func count(describedAs description: String) async throws -> Int64 {
        try await owner.run { (session) throws(PostgresError) in
            let row = try session.execute(
                Statement("conformance_described", "select count(*) from service_requests where description = $1::text"),
                [.text(description)]
            ).first
            return try row?.int64(0) ?? 0
        }
    }

    /// Waits until a request with this description is stored.
    func request(describedAs description: String) async throws -> ServiceRequestID {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let found = try await owner.run { (session) throws(PostgresError) in
                let row = try session.execute(
                    Statement("conformance_find", "select id from service_requests where description = $1::text"), [.text(description)]
                ).first
                return try row?.int64(0)
            }
            if let found { return ServiceRequestID(stored: found) }
            guard ContinuousClock.now < deadline else { throw UnexpectedAnswer(what: "nobody reported “\(description)” within 60 s") }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// The answers that a request's reporter gave to the service's questions.
    func storedAnswers(of id: String) async throws -> [Answer.Stored] {
        let number = try #require(Int64(id))
        let bytes = try await owner.run { (session) throws(PostgresError) in
            let row = try session.execute(
                Statement("conformance_answers", "select answers from service_requests where id = $1::bigint"), [.int64(number)]
            ).first
            return try row?.json(0) ?? []
        }
        return try JSONDecoder().decode([Answer.Stored].self, from: Data(bytes))
    }

    /// Ends a key at once.
    func revoke(_ secret: AccessSecret, of city: City) async throws {
        _ = try await store.revokeKey(publicID: secret.publicID, of: city.tenant.id)
        try await directory.load()
    }

    // MARK: HTTP

    /// GET of an absolute URL, or of a path below the shared base.
    func get(_ target: String, headers: [String: String] = [:]) async throws -> Answer {
        try await send("GET", target, headers: headers)
    }

    /// POST of form fields.
    func post(_ target: String, _ fields: [(String, String)], headers: [String: String] = [:]) async throws -> Answer {
        let type = ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"]
        return try await send("POST", target, headers: type.merging(headers) { $1 }, body: Array(Self.form(fields).utf8))
    }

    /// POST to A on the shared base with its key: `fields` win over, or leave out (empty), what is always sent.
    func postToA(_ fields: [(String, String)], format: String = "json", headers: [String: String] = [:]) async throws -> Answer {
        var all = [("jurisdiction_id", cityA.jurisdiction), ("api_key", cityA.key)].filter { name, _ in !fields.contains { $0.0 == name } }
        all += fields.filter { !$0.1.isEmpty }
        return try await post("requests.\(format)", all, headers: headers)
    }

    func send(_ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil) async throws -> Answer {
        let client = try HTTPClient(name: "conformance")
        let url = target.hasPrefix("http") ? target : "\(base)/\(target)"
        let response = try await client.send(
            Curl.HTTPRequest(
                method: method, url: url, headers: headers.map { HTTPHeader(name: $0.key, value: $0.value) }, body: body,
                maximumResponseBytes: 16_777_216))
        await client.close()
        let answer = Answer(status: response.status, headers: response.headers, body: response.body)
        if answer.contentType.hasPrefix("text/xml"), !answer.body.isEmpty { try XMLLint.check(answer.body) }
        return answer
    }

    static func form(_ fields: [(String, String)]) -> String {
        fields.map { "\(escaped($0.0))=\(escaped($0.1))" }.joined(separator: "&")
    }

    static func escaped(_ text: String) -> String {
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
    }
}
