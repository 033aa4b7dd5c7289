import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Open311
import Storage

/// The pages behind the signed links in citizens' mails: `/report/{token}` and `/unsubscribe/{token}`. A GET shows and asks; only a POST
/// acts. Neither the token nor anything of the person reaches a log.
struct LinkAnswers: Sendable {
    let secret: LinkSecret
    let people: PersonStore
    let decisions: StatusUpdateStore
    let origin: ServiceRequestEvent.Origin
    let logger: Logger

    static let maximumBody = 4_096
    /// One POST erases no more.
    static let maximumErasures = 50

    static func isLink(_ path: String) -> Bool { path.hasPrefix("/report/") || path.hasPrefix("/unsubscribe/") }

    /// Whose link it is, once it is known.
    private struct Visit {
        let link: SignedLink
        let tenant: Tenant
        let subject: LinkSubject
        let texts: LinkTexts
    }

    func response(to request: Request, in directory: DirectorySnapshot, _ trail: RequestTrail) async -> Response {
        let query = request.uri.query.flatMap { try? FormReader.fields(Array($0.utf8)) } ?? FormFields()
        let preferences = LanguagePreferences(locale: query["lang"], accept: request.headers[.acceptLanguage])
        let early = LinkTexts(preferences, nil, nil)
        guard request.method == .get || request.method == .head || request.method == .post else {
            var response = LinkPage.message(early, early.notAllowed).response(405)
            response.headers[.allow] = "GET, HEAD, POST"
            return response
        }
        let isUnsubscribing = request.uri.path.hasPrefix("/unsubscribe/")
        let token = String(request.uri.path.dropFirst(isUnsubscribing ? 13 : 8))
        let link: SignedLink
        do { link = try SignedLink(token, for: isUnsubscribing ? .unsubscribe : .person, secret, at: .now) } catch {
            return LinkPage.message(early, error == .expired ? early.expired : early.unknown).response(error == .expired ? 410 : 404)
        }
        guard var tenant = directory.tenant(link.tenant.production) else { return LinkPage.message(early, early.unknown).response(404) }
        if link.tenant.isTest { tenant = tenant.testEndpoint }
        trail.note(tenant)
        // Whoever holds a signed link.
        trail.actor = "link"
        trail.request = link.request
        do {
            let subject = try await people.subject(link.request, of: tenant.id)
            let texts = LinkTexts(preferences, subject?.language, tenant.language)
            // Of a report that is gone altogether too: it is the address that is not written to any more.
            if isUnsubscribing, subject != nil || link.address != nil {
                return try await unsubscribe(request, link, tenant, texts, trail)
            }
            guard !isUnsubscribing, let subject else { return LinkPage.message(early, early.unknown).response(404) }
            return try await report(request, Visit(link: link, tenant: tenant, subject: subject, texts: texts), trail)
        } catch {
            logger.error("link not answered", metadata: ["tenant": "\(tenant.key)", "error": "\(error)"])
            var response = LinkPage.message(early, early.unavailable).response(503)
            response.headers[.retryAfter] = "30"
            return response
        }
    }

    // MARK: Notices

    /// RFC 8058: whatever the body says, a POST unsubscribes, without a cookie and without a second question.
    private func unsubscribe(
        _ request: Request, _ link: SignedLink, _ tenant: Tenant, _ texts: LinkTexts, _ trail: RequestTrail
    ) async throws -> Response {
        trail.objects = "notices"
        guard request.method == .post else { return LinkPage.unsubscribe(texts, tenant.name).response(200) }
        guard try await body(of: request) != nil else { return LinkPage.message(texts, texts.unreadable).response(413) }
        let isDone = try await people.refuseNotices(
            ofAuthorOf: link.request, tenant: tenant.id, secret: secret, orOf: link.address)
        // An older link does not say whose it was, and the report does not any more.
        guard isDone else { return LinkPage.message(texts, texts.nobodyToUnsubscribe).response(410) }
        return LinkPage.message(texts, texts.unsubscribed(tenant.name)).response(200)
    }

    // MARK: The report and its author

    private enum Action: String {
        case withdraw, erase, export
        case eraseAll = "erase_all"
    }

    private func report(_ request: Request, _ visit: Visit, _ trail: RequestTrail) async throws -> Response {
        guard request.method == .post else { return try await page(visit).response(200) }
        guard let bytes = try await body(of: request), let form = try? FormReader.fields(bytes),
            let action = form["action"].flatMap({ Action(rawValue: $0) })
        else { return try await page(visit, saying: visit.texts.unreadable).response(400) }
        trail.objects = action.rawValue
        switch action {
        case .export: return try await export(visit)
        case .withdraw: return try await withdraw(visit)
        case .erase, .eraseAll:
            guard form["confirm"] == "yes" else { return try await page(visit, saying: visit.texts.confirmMissing).response(400) }
            return try await erase(visit, all: action == .eraseAll)
        }
    }

    private func page(_ visit: Visit, saying said: String? = nil) async throws -> LinkPage {
        let others = try await people.requests(ofAuthorOf: visit.link.request, tenant: visit.tenant.id).count
        return LinkPage.report(visit.texts, visit.subject, visit.tenant, others: others, said: said)
    }

    private func again(_ visit: Visit, saying said: String) async throws -> Response {
        guard let subject = try await people.subject(visit.link.request, of: visit.tenant.id) else {
            return LinkPage.message(visit.texts, visit.texts.unknown).response(404)
        }
        return try await page(Visit(link: visit.link, tenant: visit.tenant, subject: subject, texts: visit.texts), saying: said).response(
            200)
    }

    private func export(_ visit: Visit) async throws -> Response {
        let requests = try await people.requests(ofAuthorOf: visit.link.request, tenant: visit.tenant.id)
        let lines = try await people.export(requests, tenant: visit.tenant.id, reader: "link")
        var headers = LinkPage.headers
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.contentDisposition] = "attachment; filename=\"report-\(visit.link.request).json\""
        let text = PersonDocument.text(city: visit.tenant.name, lines, at: .now)
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func withdraw(_ visit: Visit) async throws -> Response {
        let moderation = try Moderation(.hide, because: "withdrawn by its author", at: .now, through: .citizen)
        do throws(StatusUpdateRefusal) {
            _ = try await decisions.moderate(visit.link.request, moderation, by: "link", of: visit.tenant, origin: origin)
        } catch .erasedRequest {
            return try await again(visit, saying: visit.texts.erasedBefore)
        }
        return try await again(visit, saying: visit.texts.withdrawn)
    }

    /// The link's own request last: by it the others are found, should something come between. What a legal hold keeps stays, and the
    /// others go.
    private func erase(_ visit: Visit, all: Bool) async throws -> Response {
        var requests = [visit.link.request]
        if all {
            let others = try await people.requests(ofAuthorOf: visit.link.request, tenant: visit.tenant.id)
            // Of more than are looked through at once, those that are not seen yet are found by this one.
            let isCut = others.count >= Int(PersonStore.maximumRequests)
            requests = others.filter { $0 != visit.link.request } + (isCut ? [] : requests)
        }
        var (erased, held, isMore) = (0, 0, false)
        for request in requests {
            guard erased < Self.maximumErasures else {
                isMore = true
                break
            }
            let applied = try await decisions.eraseUnlessHeld(
                request, because: .dataSubjectRequest, by: "link", of: visit.tenant, origin: origin)
            if let applied { erased += applied.isChange ? 1 : 0 } else { held += 1 }
        }
        return try await again(visit, saying: visit.texts.erased(erased, held: held, isMore: isMore))
    }

    /// - Returns: nil when it is longer than a form of these can be.
    private func body(of request: Request) async throws -> [UInt8]? {
        var body = ByteBuffer()
        for try await chunk in request.body {
            body.writeImmutableBuffer(chunk)
            if body.readableBytes > Self.maximumBody { return nil }
        }
        return Array(body.readableBytesView)
    }
}
