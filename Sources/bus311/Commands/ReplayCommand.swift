import ArgumentParser
import Foundation
import Open311
import Storage

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Send a tenant's stored events again, with their first ids: consumers recognise what they have.",
        discussion: """
            Events are taken from the database, not from the broker: this repairs a queue that was purged or deleted, and a CRM that
            was restored from a backup. An event keeps its content for \(RetentionRule.daysOfEvents) days: what is older is counted and
            not sent; the CRM reads those requests by GET /requests.json. Examples:
              bus311 replay --tenant valmont-7f3a9c --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z --dry-run
              bus311 replay --tenant valmont-7f3a9c --request 2611000004217
              bus311 replay --resume 12
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "The tenant's key.") var tenant: String?
    @Option(help: "Events from this moment on.") var from: String?
    @Option(help: "Events before this moment; now, when it is left out.") var to: String?
    @Option(help: "Only requests of this service_code.") var service: String?
    @Option(help: "Only requests that are open or closed now.") var status: String?
    @Option(help: "Only this request.") var request: String?
    @Option(help: "Go on with a job that was interrupted.") var resume: Int64?
    @Option(help: "Events a second.") var rate = 200
    @Flag(help: "Say how many events there are and how long they take; send nothing.") var dryRun = false

    struct View: Encodable {
        let job: Int64?
        let events: Int64
        let bytes: Int64?
        let seconds: Int64
        /// Not sent, because they have no content any more.
        let emptied: Int64
        let erased: Int64
    }

    func validate() throws {
        guard (1...10_000).contains(rate) else { throw ValidationError("--rate must be 1 to 10000.") }
        if resume == nil, tenant == nil { throw ValidationError("Name the --tenant, or the job to --resume.") }
        if resume == nil, from == nil, request == nil { throw ValidationError("Name the window's beginning with --from, or a --request.") }
    }

    func run() async throws {
        try await common.administer { administration in
            try await using(try ReplayStore(configuration: try administration.settings.database(.admin))) {
                try await run(administration, $0)
            }
        }
    }

    private func run(_ administration: Administration, _ store: ReplayStore) async throws {
        let job: Int64
        let tenant: Tenant?
        if let resume {
            guard let found = try await store.job(resume) else { throw ValidationError("There is no replay \(resume).") }
            job = found.id
            tenant = try await administration.store.tenants().first { $0.id == found.tenant }
        } else {
            let owner = try await administration.tenant(self.tenant ?? "")
            tenant = owner
            let selection = try await selection(administration, owner)
            if dryRun {
                let count = try await store.count(selection, of: owner.id)
                return try show(count, job: nil, verb: "would be sent", of: owner)
            }
            job = try await store.create(selection, of: owner.id, by: Operator.name)
            try await store.record("replay", by: Operator.name, of: owner.id, detail: "job \(job)")
        }
        let rest = try await store.rest(of: job)
        if dryRun { return try show(rest, job: job, verb: "are left", of: tenant) }
        FileHandle.standardError.write(Data("Replay \(job). If it is interrupted: bus311 replay --resume \(job)\n".utf8))
        let sent = try await Self.drive(job, rest.events, rate, store)
        for incident in try await store.settleIncidents(by: job, who: Operator.name) {
            FileHandle.standardError.write(Data("Incident \(incident) is settled.\n".utf8))
        }
        try common.show(
            text: (["\(sent) events handed to the relay as replay \(job)."] + Self.words(on: rest.leftOut, of: tenant)).joined(
                separator: "\n"),
            json: View(
                job: job, events: sent, bytes: nil, seconds: sent / Int64(rate), emptied: rest.leftOut.emptied, erased: rest.leftOut.erased)
        )
    }

    /// Why something is not sent, and what there is instead; nothing where all is.
    private static func words(on leftOut: ReplayExtent.LeftOut, of tenant: Tenant?) -> [String] {
        var words: [String] = []
        if leftOut.emptied > 0 {
            words.append(
                "\(leftOut.emptied) events are left out: they are older than \(RetentionRule.daysOfEvents) days and have no content any more. "
                    + "The requests themselves are kept: the CRM can read them by GET /requests.json?jurisdiction_id="
                    + (tenant?.jurisdictions.first?.rawValue ?? "…") + "&start_date=…&end_date=….")
        }
        if leftOut.erased > 0 {
            words.append("\(leftOut.erased) events of erased requests are left out: of those only the word that they were erased is sent.")
        }
        return words
    }

    /// Hands over all that a job has left, at the pace asked for.
    ///
    /// - Returns: how many events that was.
    static func drive(_ job: Int64, _ total: Int64, _ rate: Int, _ store: ReplayStore) async throws -> Int64 {
        let pace = Pace(perSecond: rate, total: total)
        let before = try await store.job(job)?.queued ?? 0
        while true {
            let progress = try await store.step(job, count: pace.stride)
            let done = progress.queued - before
            if progress.isDone {
                pace.finish(done)
                return done
            }
            try await pace.wait(after: done)
        }
    }

    private func show(_ count: ReplayExtent, job: Int64?, verb: String, of tenant: Tenant?) throws {
        let seconds = (count.events + Int64(rate) - 1) / Int64(rate)
        try common.show(
            text: (["\(count.events) events (\(count.bytes) bytes) \(verb), in about \(Pace.text(seconds: seconds))."]
                + Self.words(on: count.leftOut, of: tenant)).joined(separator: "\n"),
            json: View(
                job: job, events: count.events, bytes: count.bytes, seconds: seconds, emptied: count.leftOut.emptied,
                erased: count.leftOut.erased))
    }

    private func selection(_ administration: Administration, _ tenant: Tenant) async throws -> ReplaySelection {
        var id: ServiceRequestID?
        if let request {
            let named = try await administration.request(request)
            guard try await administration.store.owner(of: named)?.production == tenant.id else {
                throw ValidationError("\(tenant.key) has no service request \(request).")
            }
            id = named
        }
        let word = try status.map { text in
            guard let word = PublicStatus(rawValue: text) else { throw ValidationError("--status must be open or closed.") }
            return word
        }
        // A request's events begin in the month that its number names.
        let beginning = try from.map { try Self.moment($0, "--from") } ?? id.map(\.beginningOfMonth) ?? .now
        let end = try to.map { try Self.moment($0, "--to") } ?? .now
        guard beginning < end else { throw ValidationError("--from must be before --to.") }
        return ReplaySelection(from: beginning, to: end, service: service, status: word, request: id)
    }

    private static func moment(_ text: String, _ option: String) throws -> Timestamp {
        guard let moment = Timestamp(parsing: text) else {
            throw ValidationError("\(option) \(text) is no date and time, as in 2026-11-24T08:00:00Z.")
        }
        // Events are numbered by year and month in two digits each, from the first month of 2000 on.
        return max(moment, Timestamp(seconds: 946_684_800))
    }
}
