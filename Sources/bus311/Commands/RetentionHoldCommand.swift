import ArgumentParser
import Foundation
import Open311
import Storage

/// Legal holds.
struct RetentionHoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep a request from going, while a court or an insurer asks for it.",
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Nothing of the request goes, by its term or by an erasure, until the hold is removed.",
            discussion: "Example: bus311 retention hold add 2611000004217 --because 'case 26/0417'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "service_request_id") var request: String
        @Option(help: "Why, for the record: a file number, no names.") var because: String

        func run() async throws {
            let reason = try Reason.checked(because)
            try await common.administer { administration in
                let id = try await administration.request(request)
                if let owner = try await administration.store.owner(of: id) { AdministrationTrail.current?.note(id, of: owner) }
                let outcome = try await administration.store.hold(id, because: reason, by: Operator.name)
                switch outcome {
                case .unknown: throw ValidationError("No tenant has a service request \(id).")
                case .erased: throw ValidationError("There is nobody in \(id) any more: it was erased before.")
                case .held, .repeated: break
                }
                try common.show(
                    text: outcome == .held ? "\(id) is held." : "\(id) was held already; its first reason stands.",
                    json: ["service_request_id": id.description, "outcome": outcome.rawValue])
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Requests that are held.", discussion: "Example: bus311 retention hold list --all")
        @OptionGroup var common: CommonOptions
        @Flag(help: "Those too whose hold was removed, for 400 days.") var all = false

        private struct View: Encodable {
            let service_request_id: String
            let tenant: String?
            let reason: String
            let placed: String
            let by: String
            let removed: String?
            let removed_by: String?
        }

        func run() async throws {
            try await common.administer { administration in
                let names = try await RetentionCommand.names(administration)
                let views = try await administration.store.holds(includingReleased: all).map { hold in
                    View(
                        service_request_id: hold.request.description, tenant: names[hold.tenant.production], reason: hold.reason,
                        placed: hold.placedAt.iso8601, by: hold.placedBy, removed: hold.releasedAt?.iso8601, removed_by: hold.releasedBy)
                }
                let lines = views.map { view in
                    "\(view.service_request_id)  \(view.tenant ?? "-")  since \(view.placed)  \(view.reason) (\(view.by))"
                        + (view.removed.map { "  removed \($0) (\(view.removed_by ?? "-"))" } ?? "")
                }
                try common.show(text: lines.isEmpty ? "Nothing is held." : lines.joined(separator: "\n"), json: views)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let the request go when its time comes; if that was before, with the next run.",
            discussion: "Example: bus311 retention hold remove 2611000004217")
        @OptionGroup var common: CommonOptions
        @Argument(help: "service_request_id") var request: String

        func run() async throws {
            try await common.administer { administration in
                let id = try await administration.request(request)
                if let owner = try await administration.store.owner(of: id) { AdministrationTrail.current?.note(id, of: owner) }
                guard try await administration.store.release(id, by: Operator.name) else {
                    throw ValidationError("\(id) is not held. List them: bus311 retention hold list")
                }
                try common.show(
                    text: "\(id) is held no more.", json: ["service_request_id": id.description, "outcome": "removed"])
            }
        }
    }
}
