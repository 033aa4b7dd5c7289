import ArgumentParser
import Foundation
import Open311
import Operations
import Storage

/// An alert as operators see its way: without text and without addresses.
private struct DeliveryView: Encodable {
    let number: Int64
    let alert: Int64?
    let channel: String
    let recipient: String
    let kind: String
    let created: String
    let attempts: Int
    let sent: String?
    let given_up: String?
    let last_error: String?

    init(_ delivery: AlertDeliveryRecord) {
        number = delivery.number
        alert = delivery.alert
        channel = delivery.channel
        recipient = delivery.recipient
        kind = delivery.kind
        created = delivery.createdAt.iso8601
        attempts = delivery.attempts
        sent = delivery.sentAt?.iso8601
        given_up = delivery.givenUpAt?.iso8601
        last_error = delivery.lastError
    }

    var isSettled: Bool { sent != nil || given_up != nil }

    var text: String {
        let state = sent.map { "sent \($0)" } ?? given_up.map { "given up \($0)" } ?? "waits, \(attempts) attempts"
        return "\(number)  alert \(alert.map { "\($0)" } ?? "-")  \(kind)  \(channel) to \(recipient)  \(state)"
            + (last_error.map { " (\($0))" } ?? "")
    }
}

struct AlertDeliveriesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deliveries", abstract: "Who was told, who is still to be told, and why not.",
        discussion: "Example: bus311 alert deliveries 12")
    @OptionGroup var common: CommonOptions
    @Argument(help: "Of this alert; the newest of all without it.") var number: Int64?

    func run() async throws {
        try await common.administer { administration in
            let views = try await administration.store.alertDeliveries(of: number).map(DeliveryView.init)
            try common.show(text: views.isEmpty ? "Nobody was told." : views.map(\.text).joined(separator: "\n"), json: views)
        }
    }
}

struct AlertTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send a test to everybody who would hear of this alert, by every way there is.",
        discussion: """
            A watch must run: it sends. Exit code 1 when something has not arrived in time.
            Examples: bus311 alert test
                      bus311 alert test valmont-7f3a9c --code NO_CONSUMER
            """)
    @OptionGroup var common: CommonOptions
    @Argument(help: "With it, the tenant's administrator and manager hear it too, where they would hear of the code.") var tenant: String?
    @Option(help: "Which alert's words.") var code: AlertCode = .noConsumer
    @Option(help: "Seconds to wait for the result; 0 does not wait.") var wait: Int = 30

    func run() async throws {
        guard (0...600).contains(wait) else { throw ValidationError("--wait must be 0 to 600 seconds.") }
        try await common.administer { administration in
            var known: AlertTenant?
            if let tenant {
                let found = try await administration.tenant(tenant)
                // Of what is the installation's no tenant hears.
                if !code.isOfInstallation { known = AlertTenant(found, contacts: try await administration.store.contacts(of: found.id)) }
            }
            var episode = AlertEpisode(AlertKey(code, known?.id), since: .now, severity: .warning)
            episode.phase = .firing
            let writer = AlertWriter(try administration.settings.alerts)
            let audiences: [AlertAudience] = known == nil ? [.administrator] : AlertAudience.allCases.filter { code.isTold(to: $0) }
            let deliveries = audiences.flatMap { audience in
                writer.deliveries(AlertNotice(.test, to: audience, of: episode, at: .now), tenant: known, signatures: [:], expires: 0)
            }
            guard !deliveries.isEmpty else {
                throw ValidationError(
                    "Nobody would hear of an alert: set mail.url, mail.from and alerts.administrator, or alerts.webhook.url; give the tenant "
                        + "contacts in its file. See docs/operators/alerts.md.")
            }
            let numbers = Set(try await administration.store.sendTest(deliveries, of: known?.id))
            var views: [DeliveryView] = []
            let deadline = ContinuousClock.now.advanced(by: .seconds(wait))
            repeat {
                views = try await administration.store.alertDeliveries(of: nil).filter { numbers.contains($0.number) }.map(
                    DeliveryView.init)
                if views.allSatisfy(\.isSettled) { break }
                try await Task.sleep(for: .milliseconds(250))
            } while ContinuousClock.now < deadline
            try common.show(text: views.map(\.text).joined(separator: "\n"), json: views)
            if wait > 0, !views.allSatisfy({ $0.sent != nil }) { throw ExitCode(1) }
        }
    }
}
