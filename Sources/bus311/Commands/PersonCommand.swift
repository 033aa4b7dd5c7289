import ArgumentParser
import Foundation
import Open311
import Operations
import Storage

/// One person, named by a request of his or by his address.
struct PersonSource: ParsableArguments {
    @Option(help: "A service_request_id of the person's.") var request: String?
    @Option(help: "The tenant, with --email.") var tenant: String?
    @Option(help: "A file with the person's e-mail address, or - to read it from standard input: a command line is no place for it.")
    var email: String?

    func validate() throws {
        guard (request == nil) != (email == nil), (email == nil) == (tenant == nil) else {
            throw ValidationError("Give --request, or both --tenant and --email.")
        }
    }

    /// - Returns: the tenant, the person's requests, newest first, and the one that was named.
    func found(
        _ administration: Administration, _ people: PersonStore
    ) async throws -> (tenant: Tenant, requests: [ServiceRequestID], named: ServiceRequestID?) {
        if let request {
            let (id, tenant) = try await administration.owned(request)
            return (tenant, try await people.requests(ofAuthorOf: id, tenant: tenant.id), id)
        }
        let tenant = try await administration.tenant(tenant ?? "")
        let data = email == "-" ? FileHandle.standardInput.availableData : FileManager.default.contents(atPath: email ?? "")
        guard
            let text = data.flatMap({ String(bytes: $0.prefix(1_000), encoding: .utf8) })?.trimmingCharacters(in: .whitespacesAndNewlines),
            text.contains("@")
        else {
            throw ValidationError("--email: no address could be read there. Write it into a file, or into standard input with --email -.")
        }
        return (tenant, try await people.requests(naming: text, tenant: tenant.id, reader: Operator.name), nil)
    }
}

struct PersonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "person", abstract: "What is held on one person: hand it over, erase it, or give the person a link to do both.",
        discussion: "Example: bus311 person export --request 2611000004217",
        subcommands: [Export.self, Erase.self, Link.self])

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All that is held here on a person, as JSON; that it was read is written down.",
            discussion: """
                Examples: bus311 person export --request 2611000004217 > person.json
                          bus311 person export --tenant valmont-7f3a9c --email address.txt > person.json
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var person: PersonSource

        func run() async throws {
            try await common.administer { administration in
                try await administration.people { people in
                    let (tenant, requests, _) = try await person.found(administration, people)
                    let lines = try await people.export(requests, tenant: tenant.id, reader: Operator.name)
                    FileHandle.standardOutput.write(Data(PersonDocument.text(city: tenant.name, lines, at: .now).utf8))
                }
            }
        }
    }

    struct Erase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget a person in all of his requests, for good; the CRM is told of each.",
            discussion: """
                As bus311 erase does for one request. What a legal hold keeps is named and stays, all others go: exit code 1 then, 0 when
                nothing is left. Interrupted, the same command does the rest.
                Example: bus311 person erase --tenant valmont-7f3a9c --email address.txt --reason data_subject_request
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var person: PersonSource
        @Option(help: "data_subject_request, retention, legal_order or sent_by_mistake: a code, because it is kept.") var reason:
            ErasureReason

        struct View: Encodable {
            let erased: Int
            let service_request_ids: [String]
            let held: Int
            let held_service_request_ids: [String]
        }

        func run() async throws {
            try await common.administer { administration in
                try await administration.people { people in
                    let (tenant, found, named) = try await person.found(administration, people)
                    let isCut = found.count >= Int(PersonStore.maximumRequests)
                    // By the one that was named the others are found again, should something come between: it goes last.
                    let requests = found.filter { $0 != named } + (isCut ? [] : [named].compactMap { $0 })
                    let updates = try StatusUpdateStore(configuration: try administration.settings.database(.status), connections: 1)
                    let pace = Pace(perSecond: .max, total: Int64(requests.count))
                    var erased: [String] = []
                    var held: [String] = []
                    try await using(updates) { updates in
                        for (done, request) in requests.enumerated() {
                            let applied = try await updates.eraseUnlessHeld(
                                request, because: reason, by: Operator.name, of: tenant, origin: administration.settings.origin)
                            if applied == nil { held.append(request.description) }
                            if applied?.isChange == true { erased.append(request.description) }
                            try await pace.wait(after: Int64(done + 1))
                        }
                    }
                    pace.finish(Int64(requests.count))
                    try common.show(
                        text: requests.isEmpty ? "Nothing is held on that person." : Self.text(erased.count, held, isCut),
                        json: View(
                            erased: erased.count, service_request_ids: erased, held: held.count, held_service_request_ids: held))
                    if !held.isEmpty { throw ExitCode(1) }
                }
            }
        }

        private static func text(_ erased: Int, _ held: [String], _ isCut: Bool) -> String {
            var text = "\(erased) requests are erased; the CRM is told."
            if !held.isEmpty {
                let list = held.prefix(20).joined(separator: ", ") + (held.count > 20 ? " and \(held.count - 20) more" : "")
                text += " \(held.count) stay, for a legal hold keeps them: \(list). See: bus311 retention hold list"
            }
            return isCut ? text + " There may be more: give the same command again." : text
        }
    }

    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A signed link for whoever made a request: to follow it, withdraw it, see the data and have them erased.",
            discussion: """
                Whoever has the link can do all that: see first that you speak to the person. It is also in every notice.
                Example: bus311 person link 2611000004217 --days 30
                """)
        @OptionGroup var common: CommonOptions
        @Argument(help: "service_request_id") var request: String
        @Option(help: "How long it opens, 1 to 400.") var days: Int64 = 30

        struct View: Encodable {
            let url: String
            let expires_datetime: String
        }

        func run() async throws {
            guard (1...400).contains(days) else { throw ValidationError("--days is 1 to 400.") }
            let settings = try await common.settings()
            let secret = try settings.requiredLinkSecret
            try await common.administer { administration in
                let (id, tenant) = try await administration.owned(request)
                let link = SignedLink(.person, tenant: tenant.id, request: id, expiresAt: Timestamp.now.adding(days: days))
                let view = View(
                    url: "\(settings.origin.rootURL)/report/\(link.token(secret))", expires_datetime: link.expiresAt.iso8601)
                try common.show(text: view.url, json: view)
            }
        }
    }
}

struct ErasuresCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erasures",
        abstract: "The register of erasures, newest first, with what each CRM answered; exit code 1 when --awaited finds any.",
        discussion: "Example: bus311 erasures --awaited --older-than 7")
    @OptionGroup var common: CommonOptions
    @Option(help: "Of this tenant only.") var tenant: String?
    @Flag(help: "Only those that the CRM has not answered.") var awaited = false
    @Option(help: "With --awaited: for more than so many days.") var olderThan: Int64 = 0
    @Option(help: "At most so many, 1 to 10000.") var limit: Int32 = 1_000

    struct View: Encodable {
        let service_request_id: String
        let tenant: String?
        let erased_datetime: String
        let reason: String
        let crm: String
        let crm_reason: String?
        let crm_answered_datetime: String?

        init(_ erasure: RegisteredErasure) {
            service_request_id = erasure.request.description
            tenant = erasure.tenant
            erased_datetime = erasure.erasedAt.iso8601
            reason = erasure.reason
            crm = erasure.crmOutcome?.rawValue ?? "awaited"
            crm_reason = erasure.crmReason
            crm_answered_datetime = erasure.crmAnsweredAt?.iso8601
        }

        var line: String {
            "\(service_request_id)  \(tenant ?? "-")  \(erased_datetime)  \(reason)  crm \(crm)\(crm_reason.map { " (\($0))" } ?? "")"
        }
    }

    func run() async throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit is 1 to 10000.") }
        guard (0...3_650).contains(olderThan) else { throw ValidationError("--older-than is 0 to 3650 days.") }
        try await common.administer { administration in
            var of: TenantID?
            if let tenant { of = try await administration.tenant(tenant).id }
            let bound = Timestamp.now.adding(days: -olderThan)
            let views = try await administration.store.erasures(of: of, onlyAwaited: awaited, limit: limit)
                .filter { !awaited || $0.erasedAt <= bound }.map { View($0) }
            try common.show(text: views.isEmpty ? "None." : views.map(\.line).joined(separator: "\n"), json: views)
            if awaited, !views.isEmpty { throw ExitCode(1) }
        }
    }
}

extension Administration {
    /// The request that an operator names, and whose it is: its test endpoint for a request made there.
    func owned(_ text: String) async throws -> (ServiceRequestID, Tenant) {
        let id = try await request(text)
        let owner = try await store.owner(of: id)
        // Apart from the look for the owner: in one condition, Swift 6.3's optimiser crashes over the two awaits.
        let tenants = try await store.tenants()
        guard let owner, let tenant = tenants.first(where: { $0.id == owner.production }) else {
            throw ValidationError("No tenant has a service request \(id).")
        }
        return (id, owner.isTest ? tenant.testEndpoint : tenant)
    }

    fileprivate func people(_ work: (PersonStore) async throws -> Void) async throws {
        try await using(try PersonStore(configuration: try settings.database(.admin)), work)
    }
}
