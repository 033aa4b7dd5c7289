import HTTPTypes
import Hummingbird
import Metrics
import NIOCore
import Open311
import Storage

extension GeoReportGateway {
    /// A POST whose sender may post.
    struct Posting {
        let fields: FormFields
        let photos: [ReceivedPhoto]
        let tenant: Tenant
        let key: AccessKey
        let language: Language
        let verdict: RateLimiter.Verdict?
        let at: Timestamp
        let trace: TraceContext?
    }

    /// Reads the body and finds out who posts where: jurisdiction first, then the key.
    func posting(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ caller: ClientAddress?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Posting {
        try limits.precheck(caller)
        let accepted = Timestamp.now
        let (form, photos) = try await form(request, uploads(request, query, target, trail), trail)
        do throws(GeoReportError) {
            return try await posting(form.completed(by: query), photos, request, target, caller, trail, at: accepted)
        } catch {
            await discard(photos)
            throw error
        }
    }

    private func posting(
        _ fields: FormFields, _ photos: [ReceivedPhoto], _ request: Request, _ target: GeoReportTarget, _ caller: ClientAddress?,
        _ trail: RequestTrail, at accepted: Timestamp
    ) async throws(GeoReportError) -> Posting {
        let key = await accessKey(request, fields, at: accepted)
        trail.actor = key?.publicID
        let verdict = try limits.admit(caller, key, in: directory.current)
        let tenant: Tenant
        if target.tenant == nil, fields["jurisdiction_id"] == nil, let key, let own = directory.current.tenant(key.tenant) {
            tenant = target.isTest ? own.testEndpoint : own
        } else {
            tenant = try await self.tenant(of: target, jurisdiction: fields["jurisdiction_id"])
        }
        trail.note(tenant)
        let language = Languages(tenant: tenant, fields, request).wanted
        let posting = Posting(
            fields: fields, photos: photos, tenant: tenant, key: try mayPost(key, to: tenant, language), language: language,
            verdict: verdict, at: accepted, trace: trail.trace)
        // Now it is known for sure whose limits hold.
        try configuration.photoLimits.narrowed(by: tenant.policies.photos).check(photos, language)
        return posting
    }

    /// POST requests: jurisdiction, then key, then service, then everything else with all its faults at once.
    func submit(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ format: ResponseFormat, _ caller: ClientAddress?,
        _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        let posting = try await posting(request, query, target, caller, trail)
        do throws(GeoReportError) {
            return try await submit(posting, request, format, trail)
        } catch {
            await discard(posting.photos)
            throw error
        }
    }

    private func submit(
        _ posting: Posting, _ request: Request, _ format: ResponseFormat, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        let (fields, tenant, language) = (posting.fieldsWithPhotos, posting.tenant, posting.language)
        guard let code = fields["service_code"] else {
            throw GeoReportError(
                Faults(first: Fault(field: "service_code", problem: .missing)), language: language)
        }
        let service = try self.service(code, of: tenant, language)
        let object = try await state(of: fields, tenant, language)
        var submission: Submission
        do {
            submission = try SubmissionValidator(tenant: tenant, service: service, object: object, photos: posting.photos.count).submission(
                from: fields, apiKey: posting.key, idempotencyKey: request.headers[Self.idempotencyKey], language: language, at: posting.at)
        } catch {
            throw GeoReportError(error, language: language)
        }
        if service.kind == .batch { submission.token = PhotoToken().text }
        submission.trace = posting.trace
        submission.photos = posting.photos.map(\.photo)
        submission.isLocatedByPhoto = posting.isLocatedByPhoto
        if photos != nil {
            submission.photosExpireAt = tenant.policies.photos.expiry(from: posting.at)
            submission.copiedLinks = Self.copiedLinks(submission.mediaURLs, tenant.policies.photos)
        }
        // On disk before the row is: what was answered 200 is never lost, and a file without a row is swept.
        try await keep(posting.photos, of: tenant)
        let recorded: RecordedSubmission
        do {
            recorded = try await recorder.record(submission, tenant: tenant)
        } catch {
            // Of the others it is not known that nothing was stored.
            if error.kind == .conflict || error.kind == .tooLarge { await withdraw(posting.photos, of: tenant) }
            throw GeoReportError(error, language)
        }
        trail.request = recorded.id
        if recorded.isRepetition {
            trail.objects = "repeated"
            await withdraw(posting.photos, of: tenant)
        } else {
            HTTPMetrics.created(tenant: tenant.key.rawValue, channel: posting.key.label)
        }
        let answer: GeoReportDocuments.SubmissionAnswer
        switch (service.kind, recorded.token) {
        case (.blackbox, _): answer = .nothing
        case (_, let token?): answer = .token(token)
        case (_, nil): answer = .id(recorded.id)
        }
        let bytes = GeoReportDocuments.created(answer, accountID: submission.reporter?.accountID, format)
        var response = Self.response(bytes, format, cacheControl: "no-store")
        posting.verdict?.tell(&response)
        return response
    }

    static let idempotencyKey = HTTPField.Name("Idempotency-Key") ?? .ifNoneMatch

    private func form(
        _ request: Request, _ uploads: UploadReader?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> (FormFields, [ReceivedPhoto]) {
        let contentType = request.headers[.contentType] ?? "application/x-www-form-urlencoded"
        let kind = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"].contains(kind) else {
            throw GeoReportError(
                415, "Content-Type must be application/x-www-form-urlencoded, multipart/form-data or application/json.")
        }
        let maximum = configuration.maximumBodyBytes
        // One for the whole body: it can be iterated once.
        var chunks = request.body.makeAsyncIterator()
        if kind == "multipart/form-data", let uploads {
            let reader: MultipartReader
            do { reader = try MultipartReader(contentType: contentType, maximumText: maximum) } catch {
                await UploadReader.passOver(&chunks)
                throw GeoReportError(error, .english)
            }
            return try await uploads.read(nil, &chunks, with: reader)
        }
        let body = try await beginning(&chunks, trail)
        guard body.readableBytes <= maximum else {
            switch (kind, uploads) {
            // Photos in base64 may stand in it, which are not kept in memory.
            case ("application/json", let uploads?):
                return try await uploads.read(body, &chunks, with: LongJSONReader(maximumText: maximum))
            case ("application/x-www-form-urlencoded", let uploads?):
                return try await uploads.read(body, &chunks, with: LongFormReader(maximumText: maximum))
            default:
                await UploadReader.passOver(&chunks)
                throw GeoReportError(413, "The form is too large: \(maximum) bytes at most.\(Self.lastField(of: body)) Shorten it.")
            }
        }
        let fields: FormFields
        do {
            fields =
                switch kind {
                case "multipart/form-data": try MultipartReader.fields(Array(body.readableBytesView), contentType: contentType)
                case "application/json": try JSONFormReader.fields(Array(body.readableBytesView))
                default: try FormReader.fields(body)
                }
        } catch {
            throw GeoReportError(error, .english)
        }
        return try await uploads?.read(fields) ?? (fields, [])
    }

    /// Nil where an installation takes no photos.
    private func uploads(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ trail: RequestTrail
    ) -> UploadReader? {
        photos.map { photos in
            UploadReader(media: photos.media, limits: configuration.photoLimits, trail: trail) { fields in
                let fields = fields.completed(by: query)
                return likelyTenant(request, fields, target).map {
                    ($0.policies.photos, Languages(tenant: $0, fields, request).wanted)
                }
            }
        }
    }

    /// The body up to the limit, and what more its last piece brought.
    private func beginning(
        _ chunks: inout RequestBody.AsyncIterator, _ trail: RequestTrail
    ) async throws(GeoReportError) -> ByteBuffer {
        var body = ByteBuffer()
        while body.readableBytes <= configuration.maximumBodyBytes, let chunk = try await UploadReader.next(&chunks, trail) {
            body.writeImmutableBuffer(chunk)
        }
        return body
    }

    private static func lastField(of body: ByteBuffer) -> String {
        let bytes = body.readableBytesView
        let start = bytes.lastIndex(of: UInt8(ascii: "&")).map { bytes.index(after: $0) } ?? bytes.startIndex
        let name = bytes[start...].prefix { $0 != UInt8(ascii: "=") }.prefix(100)
        guard let text = String(validating: name, as: UTF8.self), !text.isEmpty, text.count < 100 else { return "" }
        return " The field “\(text)” overran the limit."
    }
}
