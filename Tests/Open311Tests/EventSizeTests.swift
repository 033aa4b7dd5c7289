import Open311
import TestSupport
import Testing

/// An event larger than 256 KiB would have to be parked: no form may lead to one.
@Suite("The largest possible submission")
struct EventSizeTests {
    private static let quote = "\""
    private static let wide = "\u{1F6B2}"

    private func tenant() throws -> Tenant {
        var policies = TenantPolicies(keepsUndeclaredAttributes: true)
        policies.contract = .both
        return Tenant(
            id: TenantID(1), key: try TenantKey(validating: String(repeating: "a", count: 33) + "-7f3a9c"), name: "V",
            jurisdictions: [try JurisdictionID(validating: String(repeating: "j", count: 255))], language: .french,
            timeZone: "Europe/Paris", shard: 0, virtualHost: "open311", contact: "", keyService: "", policies: policies)
    }

    /// Every field at its limit, in the characters that take the most room in JSON: four bytes, or one byte that needs another.
    private func fields(answerBytes: Int) -> [(name: String, value: String)] {
        func full(_ count: Int) -> String { String(repeating: Self.wide, count: count) }
        var fields: [(name: String, value: String)] = [
            ("lat", "-48.123456789012345"), ("long", "-122.12345678901234"), ("description", full(4_000)), ("title", full(255)),
            ("address_string", full(1_000)), ("address_id", full(255)), ("zipcode", full(20)), ("service_object_type", full(1_000)),
            ("service_object_id", full(255)), ("first_name", full(255)), ("last_name", full(255)), ("email", full(159) + "@" + full(160)),
            ("phone", full(64)), ("account_id", full(255)), ("device_id", full(255)), ("organisation", full(255)),
            ("siret", "73282932000074"),
        ]
        for _ in 0..<10 { fields.append(("media_url", "https://" + String(repeating: "a", count: 1_992))) }
        // As many values as a form may have, each as short as can be, so that brackets weigh too.
        var left = answerBytes
        for code in 0..<100 {
            let name = "\(code)"
            let room = left - name.utf8.count
            let text = String(repeating: Self.quote, count: max(1, min(4_000, room / 4 - (100 - code) * 8)))
            for _ in 0..<4 where left > text.utf8.count + name.utf8.count + (100 - code) * 8 {
                fields.append(("attribute[\(name)]", text))
                left -= text.utf8.count
            }
            left -= name.utf8.count
        }
        return fields
    }

    private func submission(answerBytes: Int) throws -> Submission {
        let key = AccessKey(
            publicID: "AAAAAAAA", kind: .apiKey, tenant: TenantID(1), label: String(repeating: Self.wide, count: 255), secretHash: [],
            createdAt: Timestamp(seconds: 0), expiresAt: nil, revokedAt: nil)
        var submission = try SubmissionValidator(tenant: try tenant(), service: try Fixtures.services()[1]).submission(
            from: FormFields(fields(answerBytes: answerBytes)), apiKey: key, idempotencyKey: nil, language: .english,
            at: Timestamp(seconds: 1_700_000_000))
        submission.serviceName = String(repeating: Self.wide, count: 1_000)
        return submission
    }

    @Test("makes events that fit, in both versions, with a citizen's update or a moderation on top")
    func fits() throws {
        let tenant = try tenant()
        let submission = try submission(answerBytes: SubmissionValidator.maximumAnswerBytes)
        var random = SystemRandomNumberGenerator()
        let created = tenant.policies.contract.majors.map {
            ServiceRequestEvent.created(
                submission, as: ServiceRequestID(stored: 2_611_000_004_217), tenant: tenant, origin: Fixtures.origin, in: $0,
                random: &random)
        }
        let request = ServiceRequest(
            id: ServiceRequestID(stored: 2_611_000_004_217), status: DetailedStatus(.received), statusNotes: nil,
            serviceCode: submission.serviceCode, serviceName: submission.serviceName, description: submission.description,
            agencyResponsible: nil, serviceNotice: nil, requestedAt: submission.receivedAt, updatedAt: submission.receivedAt,
            expectedAt: nil, location: submission.location, mediaURLs: submission.mediaURLs, answers: submission.answers,
            title: submission.title, object: submission.object)
        let snapshot = RequestSnapshot(
            request: request, reporter: submission.reporter, receivedVia: submission.receivedVia, language: .french, sequence: 9)
        let update = CitizenUpdate(
            id: String(repeating: Self.wide, count: 255), occurredAt: submission.receivedAt, status: String(repeating: "s", count: 64),
            description: String(repeating: Self.wide, count: 4_000), mediaURLs: submission.mediaURLs, author: submission.reporter)
        let moderation = try Moderation(
            .hide, because: String(repeating: Self.wide, count: 255), at: submission.receivedAt, through: .crm)
        let all =
            created + ServiceRequestEvent.updated(snapshot, by: update, tenant: tenant, origin: Fixtures.origin)
            + ServiceRequestEvent.moderated(snapshot, moderation, tenant: tenant, origin: Fixtures.origin)
        #expect(all.count == 6)
        for event in all { #expect(event.body.count <= ServiceRequestEvent.maximumSize, "\(event.kind.rawValue): \(event.body.count)") }
        // Not by a limit that nothing comes near.
        #expect(all.map(\.body.count).max() ?? 0 > ServiceRequestEvent.maximumSize * 3 / 4)
    }

    @Test("is refused with a word on what to shorten once its answers pass their limit")
    func isRefused() {
        let faults = #expect(throws: Faults.self) { _ = try submission(answerBytes: SubmissionValidator.maximumAnswerBytes + 2_000) }
        #expect(faults?.all.map(\.field) == ["attribute"])
        #expect(faults?.all.first?.problem == .tooMuchText(maximum: 65_536))
        #expect(faults?.all.first?.text(in: .french).contains("octets") == true)
    }
}
