import ArgumentParser
import Foundation
import Open311
import Storage

extension NoticeKind: ExpressibleByArgument {}

/// Notices to citizens by e-mail. (`bus311 notice` sends messages to a CRM.)
struct NoticesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notices", abstract: "E-mails to citizens: who is written to, in which words, and what became of each.",
        discussion: "Example: bus311 notices list --state failed",
        subcommands: [
            Policy.self, NoticeTemplateCommand.self, NoticePreviewCommand.self, List.self, Retry.self, NoticeTestCommand.self,
        ])

    // MARK: Policy

    struct Policy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show or change whether a tenant's citizens are written to; from the next event on.",
            discussion: """
                Examples: bus311 notices policy valmont-7f3a9c --kinds received,accepted,done,rejected --reply-to mairie@valmont.example
                          bus311 notices policy valmont-7f3a9c --kinds none
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "received, accepted, done, rejected, joined by commas; all or none.") var kinds: String?
        @Option(help: "Shown in place of the sender's address; the tenant's name when it is not said.") var fromName: String?
        @Option(help: "Where answers go; the sender's address when it is not said.") var replyTo: String?

        struct View: Encodable {
            let tenant: String
            let kinds: [String]
            let from_name: String?
            let reply_to: String?
        }

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                var policy = try await administration.store.noticePolicy(of: tenant.id)
                if kinds != nil || fromName != nil || replyTo != nil {
                    policy = try changed(policy)
                    try await administration.store.setNoticePolicy(policy, of: tenant.id)
                }
                let names = NoticeKind.chosen.filter { policy?.kinds.contains($0) == true }.map(\.rawValue)
                let view = View(
                    tenant: tenant.key.rawValue, kinds: names, from_name: policy?.fromName, reply_to: policy?.replyTo?.rawValue)
                try common.show(
                    text: "\(tenant.key)  notices \(names.isEmpty ? "none" : names.joined(separator: ","))"
                        + "  from \(view.from_name ?? tenant.name)\(view.reply_to.map { "  answers to \($0)" } ?? "")",
                    json: view)
            }
        }

        private func changed(_ before: NoticePolicy?) throws -> NoticePolicy? {
            var chosen = before?.kinds ?? []
            if let kinds {
                let words = kinds.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
                chosen = try kinds == "none" ? [] : kinds == "all" ? Set(NoticeKind.chosen) : Set(words.map(Self.kind))
            }
            do {
                let reply = try replyTo.map { (text) throws(InvalidValue) in try EmailAddress(validating: text) }
                return try NoticePolicy(kinds: chosen, fromName: fromName ?? before?.fromName, replyTo: reply ?? before?.replyTo)
            } catch {
                throw ValidationError(error.name == "email" ? "--reply-to \(error.problem)." : "--from-name \(error.problem).")
            }
        }

        private static func kind(_ word: String) throws -> NoticeKind {
            guard let kind = NoticeKind(rawValue: word), NoticeKind.chosen.contains(kind) else {
                throw ValidationError(
                    "--kinds has \(word): write \(NoticeKind.chosen.map(\.rawValue).joined(separator: ", ")), joined by commas, or all, or none."
                )
            }
            return kind
        }
    }

    // MARK: List

    enum State: String, ExpressibleByArgument, CaseIterable {
        case waiting, sending, sent, failed, expired, doubtful, dropped
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The notices, newest first: state, attempts, and the code of what went wrong. No address, no words.",
            discussion: "Example: bus311 notices list --tenant valmont-7f3a9c --state failed")
        @OptionGroup var common: CommonOptions
        @Option(help: "Of this tenant only.") var tenant: String?
        @Option(help: "waiting, sending, sent, failed, expired, doubtful or dropped.") var state: State?
        @Option(help: "Of this service_request_id only.") var request: String?
        @Option(help: "At most so many, 1 to 1000.") var limit: Int32 = 100

        struct View: Encodable {
            let id: Int64
            let tenant: String?
            let service_request_id: String
            let kind: String
            let state: String
            let reason: String?
            let attempts: Int32
            let created_datetime: String
            let next_attempt_datetime: String?
            let settled_datetime: String?

            init(_ notice: ListedNotice) {
                id = notice.id
                tenant = notice.tenant
                service_request_id = notice.request.description
                kind = notice.kind
                state = notice.state
                reason = notice.reason
                attempts = notice.attempts
                created_datetime = notice.createdAt.iso8601
                next_attempt_datetime = notice.settledAt == nil ? notice.nextAttemptAt.iso8601 : nil
                settled_datetime = notice.settledAt?.iso8601
            }

            var line: String {
                let when = settled_datetime ?? next_attempt_datetime.map { "next attempt \($0)" } ?? ""
                return
                    "\(id)  \(tenant ?? "-")  \(service_request_id)  \(kind)  \(state)\(reason.map { " (\($0))" } ?? "")  attempts \(attempts)  \(when)"
            }
        }

        func run() async throws {
            guard (1...1_000).contains(limit) else { throw ValidationError("--limit is 1 to 1000.") }
            try await common.administer { administration in
                var id: ServiceRequestID?
                if let request { id = try await administration.request(request) }
                var of: TenantID?
                if let tenant { of = try await administration.tenant(tenant).id }
                let views = try await administration.store.notices(of: of, state: state?.rawValue, request: id, limit: limit).map {
                    View($0)
                }
                try common.show(text: views.isEmpty ? "No notices." : views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    // MARK: Retry

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have notices sent again that failed, expired or are in doubt, or at once what waits; never what was sent.",
            discussion: """
                A notice in doubt may have arrived: its reader may get it a second time, under the same Message-ID.
                Examples: bus311 notices retry 4711
                          bus311 notices retry --tenant valmont-7f3a9c --state failed
                """)
        @OptionGroup var common: CommonOptions
        @Argument(help: "The notice's number, from bus311 notices list.") var notice: Int64?
        @Option(help: "All of this tenant's in the state of --state.") var tenant: String?
        @Option(help: "waiting, failed, expired or doubtful.") var state: State?

        struct View: Encodable { let waiting: Int }

        func run() async throws {
            guard (notice == nil) == (tenant != nil), (tenant == nil) == (state == nil) else {
                throw ValidationError("Give a notice's number, or both --tenant and --state.")
            }
            let retriable: [State] = [.waiting, .failed, .expired, .doubtful]
            if let state, !retriable.contains(state) {
                throw ValidationError("--state \(state.rawValue): only waiting, failed, expired and doubtful notices can be sent again.")
            }
            try await common.administer { administration in
                if let notice {
                    switch try await administration.store.retryNotice(notice) {
                    case .waits: break
                    case .unknown: throw ValidationError("There is no notice \(notice). List them: bus311 notices list")
                    case .refused(let state, let reason):
                        throw ValidationError(
                            "Notice \(notice) is \(state)\(reason.map { " (\($0))" } ?? ""): it is not sent again. "
                                + "Only waiting, failed, expired and doubtful notices are.")
                    }
                    return try common.show(text: "Notice \(notice) is sent at once.", json: View(waiting: 1))
                }
                let tenant = try await administration.tenant(tenant ?? "")
                let count = try await administration.store.retryNotices(of: tenant.id, state: state?.rawValue ?? "")
                try common.show(text: "\(count) notices are sent again.", json: View(waiting: count))
            }
        }
    }
}
