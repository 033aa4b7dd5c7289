import ArgumentParser
import Foundation
import Open311
import Storage

extension OperatorNotice.ReferenceData: ExpressibleByArgument {}

struct NoticeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notice", abstract: "Send a CRM a message that is about no service request.", subcommands: [Ping.self, Refresh.self])

    struct View: Encodable {
        let event: String
        let type: String
    }

    struct Ping: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "bus.ping: the CRM proves that it consumes by acknowledging it.",
            discussion: "Example: bus311 notice ping valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        func run() async throws {
            try await NoticeCommand.send(common, to: tenant) { .ping($0, origin: $1) }
        }
    }

    struct Refresh: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "reference_data.refresh_requested: the CRM is asked to send its reference data anew.",
            discussion: "Example: bus311 notice refresh valmont-7f3a9c --what services --reason 'Catalogue 2027'")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "services or points_of_interest; may be repeated.") var what: [OperatorNotice.ReferenceData]
        @Option(help: "For the people at the CRM; up to 1000 characters.") var reason: String?

        func run() async throws {
            guard !what.isEmpty else { throw ValidationError("Name at least one --what: services, points_of_interest.") }
            guard (reason ?? "").unicodeScalars.count <= 1_000 else { throw ValidationError("--reason may have 1000 characters at most.") }
            try await NoticeCommand.send(common, to: tenant) { .refresh(what, because: reason, of: $0, origin: $1) }
        }
    }

    private static func send(
        _ common: CommonOptions, to key: String, _ notice: (TenantKey, ServiceRequestEvent.Origin) -> OperatorNotice
    ) async throws {
        try await common.administer { administration in
            let tenant = try await administration.tenant(key)
            let notice = notice(tenant.key, administration.settings.origin)
            try await administration.store.send(notice, to: tenant)
            try common.show(
                text: "\(notice.kind.rawValue) \(notice.id) is on its way.",
                json: View(event: notice.id.description, type: notice.kind.rawValue))
        }
    }
}
