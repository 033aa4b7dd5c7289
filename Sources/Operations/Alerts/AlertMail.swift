import Curl
import Open311
import Storage

/// Sends an alert by mail: to the installation's own administrator, or to the contact that the tenant has now.
public struct AlertMail: Sendable {
    private let client: SMTPClient
    private let from: MailAddress
    private let operators: MailAddress?
    private static let doubtfulAttempts = 3

    /// - Parameters:
    ///   - client: the caller does not use it for anything else.
    ///   - operators: of the installation's own administrator.
    public init(client: SMTPClient, from: MailAddress, operators: MailAddress?) {
        self.client = client
        self.from = from
        self.operators = operators
    }

    func send(_ delivery: AlertDelivery) async -> AlertWebhook.Outcome {
        let address =
            delivery.what.recipient == .operator ? operators : delivery.address.flatMap { try? MailAddress(validating: $0.rawValue) }
        // The contact may have been taken away since.
        guard let to = address, let id = try? MailMessageID(name: "alert-\(delivery.number)", domain: from.domain) else {
            return .never("no_address")
        }
        let message = MailMessage(
            from: from, fromName: HeaderText(cleaning: "Bus311"), to: to, subject: HeaderText(cleaning: delivery.what.subject),
            text: delivery.what.body, id: id, date: delivery.createdAt.seconds)
        do throws(MailError) {
            // Well within the two minutes for which nobody else takes the delivery, with the goodbye.
            try await client.send(message, timeout: .seconds(40))
            return .sent
        } catch {
            // One recipient refused for good: trying again would change nothing. Anything else may pass.
            let reason = error.kind.rawValue + (error.reply.map { "_\($0.code)" } ?? "")
            // What the server may have taken each time is not told for a whole day.
            let isDoubted = error.mayHaveArrived && delivery.attempts >= Self.doubtfulAttempts
            return error.kind == .refused || error.kind == .invalidMessage || isDoubted ? .never(reason) : .later(reason)
        }
    }

    func close() async { await client.close() }
}
