import Bus
import Foundation
import Open311
import Testing

@Suite("An event as it is published")
struct EventContractTests {
    private func tenant(sendsPersonalData: Bool = true) throws -> Tenant {
        Tenant(
            id: TenantID(1),
            key: try TenantKey(validating: "valmont-7f3a9c"),
            name: "Valmont",
            jurisdictions: [try JurisdictionID(validating: "valmont.example")],
            language: .french,
            timeZone: "Europe/Paris",
            shard: 0,
            virtualHost: "open311",
            contact: "c",
            keyService: "k",
            policies: TenantPolicies(sendsPersonalData: sendsPersonalData)
        )
    }

    private func submission() throws -> Submission {
        Submission(
            tenant: TenantID(1),
            serviceCode: try ServiceCode(validating: "pothole"),
            serviceName: "Nid-de-poule \"profond\"",
            description: "Ligne 1\nLigne 2\t\u{1F6B2} <b>\\</b>",
            location: Location(
                coordinate: Coordinate(latitude: 48.8566969, longitude: -2.3),
                address: "12 rue",
                addressID: "A1",
                zipcode: "75020"
            ),
            answers: [Answer(code: "depth", values: ["10-20", "é"])],
            reporter: Reporter(
                firstName: "Ada",
                lastName: nil,
                email: "ada@example.org",
                phone: nil,
                accountID: nil,
                deviceID: nil,
                organisation: "SARL Martin",
                siret: "73282932000074"
            ),
            mediaURLs: ["https://photos.example/1.jpg"],
            receivedVia: "app",
            language: .french,
            receivedAt: Timestamp(seconds: 1_795_000_000),
            clientReference: nil,
            title: "Trou",
            object: ServiceObject(type: "https://valmont.example/benches", id: "b-7")
        )
    }

    private func faults(_ submission: Submission, _ tenant: Tenant) throws -> [String] {
        let origin = ServiceRequestEvent.Origin(
            typePrefix: "org.open311.bus",
            schemaBase: "https://o.example/schemas",
            gatewayURL: "https://o.example/open311/v2",
            statusIngestURL: "https://s.example"
        )
        var random = SystemRandomNumberGenerator()
        let event = ServiceRequestEvent.created(
            submission, as: ServiceRequestID(stored: 2_611_000_004_217), tenant: tenant, origin: origin, random: &random)
        let value = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body))
        return try ContractSchema("schemas/service_request.created/1.0.producer.json").faults(in: value)
    }

    @Test("tells an update of a citizen within the strict schema, with and without personal data", arguments: [true, false])
    func citizenUpdate(sendsPersonalData: Bool) throws {
        let submission = try submission()
        let request = ServiceRequest(
            id: ServiceRequestID(stored: 2_611_000_004_217), status: DetailedStatus(.inProcess, refinements: ["PUBLIC_WORKS_NEW"]),
            statusNotes: nil, serviceCode: submission.serviceCode, serviceName: submission.serviceName, description: submission.description,
            agencyResponsible: nil, serviceNotice: nil, requestedAt: submission.receivedAt, updatedAt: submission.receivedAt,
            expectedAt: nil, location: submission.location, mediaURLs: submission.mediaURLs, answers: submission.answers, title: "Banc",
            object: ServiceObject(type: "urn:benches", id: "b-1"))
        let author = Reporter(firstName: "Canary", lastName: "-", email: "canary@mail.example", phone: nil, accountID: nil, deviceID: nil)
        let update = CitizenUpdate(
            id: "fms-1", occurredAt: submission.receivedAt, status: "fixed", description: "C’est réparé",
            mediaURLs: ["https://photos.example/2.jpg"], author: author)
        let origin = ServiceRequestEvent.Origin(
            typePrefix: "org.open311.bus", schemaBase: "https://o.example/schemas", gatewayURL: "https://o.example/open311/v2",
            statusIngestURL: "https://s.example")
        let snapshot = RequestSnapshot(
            request: request, reporter: submission.reporter, receivedVia: "app", language: .french, sequence: 1)
        let events = ServiceRequestEvent.updated(
            snapshot, by: update, tenant: try tenant(sendsPersonalData: sendsPersonalData), origin: origin)
        let event = try #require(events.first)
        let value = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body))
        #expect(try ContractSchema("schemas/service_request.updated/1.1.producer.json").faults(in: value) == [])
        #expect(String(decoding: event.body, as: UTF8.self).contains("canary@mail.example") == sendsPersonalData)
    }

    private static let origin = ServiceRequestEvent.Origin(
        typePrefix: "org.open311.bus", schemaBase: "https://o.example/schemas", gatewayURL: "https://o.example/open311/v2",
        statusIngestURL: "https://s.example")

    private func snapshot() throws -> RequestSnapshot {
        let submission = try submission()
        let request = ServiceRequest(
            id: ServiceRequestID(stored: 2_611_000_004_217), status: DetailedStatus(.inProcess), statusNotes: nil,
            serviceCode: submission.serviceCode, serviceName: submission.serviceName, description: submission.description,
            agencyResponsible: nil, serviceNotice: nil, requestedAt: submission.receivedAt, updatedAt: submission.receivedAt,
            expectedAt: nil, location: submission.location, mediaURLs: submission.mediaURLs, answers: submission.answers)
        return RequestSnapshot(
            request: request, reporter: submission.reporter, receivedVia: "app", language: .french, sequence: 4, catalogueVersion: 7)
    }

    private func strictFaults(_ event: ServiceRequestEvent) throws -> [String] {
        let value = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body))
        let schema = "schemas/\(event.kind.routingSuffix)/\(SchemaVersion.of(event.kind.rawValue)).producer.json"
        return try ContractSchema(schema).faults(in: value)
    }

    @Test("comes in each version that the tenant receives: ids of their own, one sequence, each within its strict schema")
    func versions() throws {
        var tenant = try tenant()
        let update = CitizenUpdate(
            id: "fms-1", occurredAt: Timestamp(seconds: 1_795_000_000), status: "fixed", description: "C’est réparé", mediaURLs: [],
            author: nil)
        let moderation = try Moderation(.hide, because: "names a neighbour", at: Timestamp(seconds: 1_795_000_000), through: .operator)
        for versions in ContractVersions.allCases {
            tenant.policies.contract = versions
            for events in [
                ServiceRequestEvent.updated(try snapshot(), by: update, tenant: tenant, origin: Self.origin),
                ServiceRequestEvent.moderated(try snapshot(), moderation, tenant: tenant, origin: Self.origin),
            ] {
                #expect(events.map { $0.kind.rawValue.suffix(2) } == versions.majors.map { "v\($0.rawValue)" })
                #expect(events.allSatisfy { $0.sequence == 5 } && Set(events.map(\.id)).count == events.count)
                for event in events {
                    #expect(try strictFaults(event) == [])
                    let data = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body)).table?["data"]?.table
                    #expect(data?["catalogue_version"] == 7)
                }
            }
        }
    }

    @Test(
        "names the catalogue that it was made under, and nothing where there was none", arguments: [nil, 12] as [Int32?],
        ContractMajor.allCases)
    func catalogueVersion(version: Int32?, major: ContractMajor) throws {
        var submission = try submission()
        submission.catalogueVersion = version
        var random = SystemRandomNumberGenerator()
        let event = ServiceRequestEvent.created(
            submission, as: ServiceRequestID(stored: 2_611_000_004_217), tenant: try tenant(), origin: Self.origin, in: major,
            random: &random)
        #expect(try strictFaults(event) == [])
        let data = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body)).table?["data"]?.table
        #expect(data?["catalogue_version"] == version.map { .integer(Int($0)) })
    }

    @Test("of an erasure says nothing of what was said")
    func erasure() throws {
        let event = ServiceRequestEvent.erased(
            ServiceRequestID(stored: 2_611_000_004_217), because: .legalOrder, at: Timestamp(seconds: 1_795_000_000), sequence: 7,
            tenant: try tenant(), origin: Self.origin)
        #expect(try strictFaults(event) == [])
    }

    @Test("keeps the second version's strict schema, with a position and without", arguments: [true, false])
    func secondVersion(hasPosition: Bool) throws {
        var submission = try submission()
        if !hasPosition { submission.location = Location(coordinate: nil, address: "12 rue", addressID: nil) }
        var random = SystemRandomNumberGenerator()
        let event = ServiceRequestEvent.created(
            submission, as: ServiceRequestID(stored: 2_611_000_004_217), tenant: try tenant(), origin: Self.origin, in: .two,
            random: &random)
        #expect(try strictFaults(event) == [])
        let data = try #require(try JSONDecoder().decode(BrokerValue.self, from: Data(event.body)).table?["data"]?.table)
        #expect(data["lat"] == nil && data["status"] == nil && (data["position"] == .null) == !hasPosition)
    }

    @Test("receipts keep the strict schema, whatever is answered")
    func receipts() throws {
        let tenant = try tenant()
        let request = ServiceRequestID(stored: 2_611_000_004_217)
        let refusal = try #require(
            #expect(throws: IllegalTransition.self) { try DetailedStatus(.archived).checkMove(to: DetailedStatus(.inProcess)) })
        let illegal = StatusUpdateFault.illegalTransition(refusal)
        let receipts = [
            StatusReceipt(
                .accepted(outcome: "applied", status: DetailedStatus(.inProcess), updatedAt: Timestamp(seconds: 1_795_000_000)),
                to: "u-1", about: request, tenant: tenant.key, origin: Self.origin),
            StatusReceipt(.rejected(illegal), to: "u-1", about: request, tenant: tenant.key, origin: Self.origin),
            StatusReceipt(.rejected(.invalidUpdateID), to: nil, about: nil, tenant: tenant.key, origin: Self.origin),
        ]
        for receipt in receipts {
            let value = try JSONDecoder().decode(BrokerValue.self, from: Data(receipt.body))
            #expect(try ContractSchema("schemas/\(receipt.kind.routingSuffix)/1.0.producer.json").faults(in: value) == [])
        }
    }

    @Test("what becomes of a photo keeps the strict schema, whatever became of it")
    func media() throws {
        let token = PhotoToken()
        for verdict in [
            SettledPhoto.Verdict.ready(sha256: [UInt8](repeating: 7, count: 32), bytes: 9, width: 2, height: 3),
            .refused(reason: "link_not_allowed"), .revoked,
        ] {
            var photo = SettledPhoto(
                token: token,
                metadata: PhotoMetadata(
                    position: Coordinate(latitude: 48.8, longitude: 2.3), takenAt: "2026-03-01T10:20:30", orientation: 6), verdict: verdict)
            photo.expiresAt = Timestamp(seconds: 1_795_000_000)
            photo.replaced = PhotoToken()
            photo.sourceURL = "https://photos.example/1.jpg"
            photo.distance = 12.4
            let event = ServiceRequestEvent.mediaAdded(
                photo, to: ServiceRequestID(stored: 2_611_000_004_217), sequence: 3, tenant: try tenant().key,
                jurisdiction: "valmont.example", origin: Self.origin)
            let value = try JSONDecoder().decode(BrokerValue.self, from: Data(event.body))
            #expect(try ContractSchema("schemas/service_request.media_added/1.1.producer.json").faults(in: value) == [])
        }
    }

    @Test("a submission with photos that end and links that are copied keeps it")
    func photos() throws {
        var submission = try submission()
        submission.photos = [
            SubmittedPhoto(
                token: PhotoToken(), type: .heic, bytes: 9, sha256: [UInt8](repeating: 7, count: 32),
                metadata: PhotoMetadata(position: Coordinate(latitude: 48.8, longitude: 2.3), takenAt: nil, orientation: 8))
        ]
        submission.photosExpireAt = Timestamp(seconds: 1_795_100_000)
        submission.copiedLinks = submission.mediaURLs.map { CopiedLink(token: PhotoToken(), url: $0) }
        #expect(try faults(submission, try tenant()) == [])
    }

    @Test("notices of an operator keep the strict schema")
    func notices() throws {
        let key = try tenant().key
        for notice in [
            OperatorNotice.ping(key, origin: Self.origin),
            OperatorNotice.refresh([.services, .pointsOfInterest], because: nil, of: key, origin: Self.origin),
        ] {
            let value = try JSONDecoder().decode(BrokerValue.self, from: Data(notice.body))
            #expect(try ContractSchema("schemas/\(notice.kind.routingSuffix)/1.0.producer.json").faults(in: value) == [])
        }
    }

    @Test("keeps the strict schema with everything filled in")
    func full() throws { #expect(try faults(try submission(), try tenant()) == []) }

    @Test("keeps it with as little as there can be")
    func minimal() throws {
        var submission = try submission()
        submission.location = Location(coordinate: nil, address: nil, addressID: "A1")
        submission.answers = []
        submission.reporter = nil
        submission.mediaURLs = []
        submission.description = ""
        #expect(try faults(submission, try tenant()) == [])
    }

    @Test("keeps it without the reporter that the tenant does not want")
    func withoutPersonalData() throws { #expect(try faults(try submission(), try tenant(sendsPersonalData: false)) == []) }
}
