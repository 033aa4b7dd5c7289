import Curl
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Sends what alerts have to tell, again and again until it arrives, for a day at most.
public struct AlertDispatch: ServiceLifecycle.Service {
    /// Until each next attempt, in seconds; after the last there is none. About a day in all.
    static let pauses: [Int64] = [5, 30, 60, 300, 900, 1_800, 3_600, 3_600, 7_200, 7_200, 14_400, 14_400, 21_600]

    private let outbox: AlertOutbox
    private let webhook: AlertWebhook?
    private let mail: AlertMail?
    private let interval: Duration
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    public init(
        outbox: AlertOutbox, webhook: AlertWebhook?, mail: AlertMail?, interval: Duration, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.outbox = outbox
        self.webhook = webhook
        self.mail = mail
        self.interval = interval
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    // One at a time: there are few, and what was taken is nobody else's for two minutes.
                    while !Task.isCancelled, let delivery = try await outbox.take(1).first {
                        try await settle(delivery, await send(delivery))
                    }
                } catch {
                    logger.warning("alerts not delivered", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: interval)
            }
        }
        await outbox.close()
        await webhook?.close()
        await mail?.close()
    }

    /// In a task of its own: what is under way when the service is told to stop is ended, not sent again after the start.
    private func send(_ delivery: AlertDelivery) async -> AlertWebhook.Outcome {
        let (webhook, mail) = (webhook, mail)
        // A mail to a tenant's own people is its business; what goes to the operator is the installation's.
        let tenant = delivery.what.recipient == .operator ? nil : delivery.tenant
        return await OutgoingCalls.$tenant.withValue(tenant?.rawValue) {
            await Task {
                switch delivery.what.channel {
                case .webhook: await webhook?.send(delivery) ?? .never("no_webhook")
                case .email: await mail?.send(delivery) ?? .never("no_mail_server")
                }
            }.value
        }
    }

    private func settle(_ delivery: AlertDelivery, _ outcome: AlertWebhook.Outcome) async throws(StorageError) {
        let channel = delivery.what.channel.rawValue
        let result: String
        switch outcome {
        case .sent:
            try await outbox.sent(delivery)
            result = "sent"
        case .later(let reason) where delivery.attempts <= Self.pauses.count:
            try await outbox.failed(delivery, after: .seconds(Self.pauses[delivery.attempts - 1]), reason: reason)
            result = "later"
        case .later(let reason), .never(let reason):
            try await outbox.failed(delivery, after: nil, reason: reason)
            result = "given_up"
        }
        Counter(label: "o311_alert_deliveries_total", dimensions: [("channel", channel), ("result", result)]).increment()
        report("alerts-\(channel)", result != "given_up" && result != "later", result == "sent" ? "" : "\(outcome)")
        guard result != "sent" else { return }
        logger.log(
            level: result == "later" ? .warning : .error, "an alert was not delivered",
            metadata: [
                "delivery": "\(delivery.number)", "channel": "\(channel)", "recipient": "\(delivery.what.recipient.rawValue)",
                "attempt": "\(delivery.attempts)", "result": "\(result)", "reason": "\(outcome)",
            ])
    }
}
