import Curl
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

#if canImport(Glibc)
    import Glibc
#endif

/// Where a process ends itself, for tests.
public enum NoticeFailPoint: String, Sendable {
    /// The server has the mail; nobody knows yet.
    case afterSent = "notice.after_sent"
}

/// Hands notices to the mail server, one after the other. When it dies between the server's word and our own, that one notice is handed
/// over once more under the same Message-ID, and never a third time: docs/operators/notices.md.
public struct NoticeMailer: ServiceLifecycle.Service {
    private let outbox: NoticeOutbox
    private let client: SMTPClient
    private let composer: NoticeComposer
    private let secret: LinkSecret
    private let plan: NoticePlan
    private let failPoint: NoticeFailPoint?
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// Settled notices are kept so long, in days.
    static let keptDays: Int32 = 90

    public init(
        outbox: NoticeOutbox, server: SMTPServer, composer: NoticeComposer, secret: LinkSecret, plan: NoticePlan,
        failPoint: NoticeFailPoint?,
        logger: Logger, report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) throws {
        self.outbox = outbox
        client = try SMTPClient(name: "bus311-mail", server: server)
        self.composer = composer
        self.secret = secret
        self.plan = plan
        self.failPoint = failPoint
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await send() }
                group.addTask { await measure() }
            }
        }
        await client.close()
        await outbox.close()
    }

    private func send() async {
        /// Of the server, in a row.
        var failures = 0
        /// Over whom it stumbled since it last did its work; a few at most.
        var stumbled: Set<[UInt8]> = []
        while !Task.isCancelled {
            var pause = min(.seconds(1), plan.minute)
            do {
                switch try await sendNext(&stumbled) {
                case .nothingDue: break
                case .done:
                    failures = 0
                    stumbled = []
                    pause = .zero
                case .putOff: pause = .zero
                case .serverFails(let error):
                    failures += 1
                    pause = plan.rest(after: failures)
                    report("mail", false, "\(error)")
                    logger.warning("mail server fails", metadata: ["kind": "\(error.kind.rawValue)", "in_a_row": "\(failures)"])
                }
                report("postgresql", true, "")
            } catch {
                report("postgresql", false, "\(error)")
                logger.error("notice not sent", metadata: ["error": "\(error)"])
            }
            if pause > .zero { try? await Task.sleep(for: pause) }
        }
    }

    private enum Outcome {
        case nothingDue
        case done
        /// Without a word from the server about it.
        case putOff
        /// Every mail would meet the same: the mailer rests.
        case serverFails(MailError)
    }

    private func sendNext(_ stumbled: inout Set<[UInt8]>) async throws(StorageError) -> Outcome {
        guard let notice = try await outbox.take(lease: plan.lease) else { return .nothingDue }
        guard let content = notice.content else { return try await end(notice, .dropped, "erased", nil) }
        if notice.doubts >= NoticePlan.maximumDoubts { return try await end(notice, .doubtful, "unanswered", nil) }
        if plan.isOver(notice.createdAt, at: .now) { return try await end(notice, .expired, "too_old", nil) }
        let addresses = secret.hashes(address: content.email)
        let standing = try await outbox.standing(of: addresses, tenant: notice.tenant)
        if standing.isRefused { return try await end(notice, .dropped, "unsubscribed", nil) }
        if standing.sentToday >= NoticePlan.maximumADay { return try await end(notice, .dropped, "too_many_a_day", nil) }
        let message: MailMessage
        do { message = try composer.message(notice, content, at: .now) } catch {
            return try await end(notice, .failed, "no_mail_address", nil)
        }
        if let error = await OutgoingCalls.$tenant.withValue(notice.tenant.production.rawValue, operation: { await handOver(message) }) {
            if NoticePlan.isStumble(error), stumbled.count < NoticePlan.stumbles { stumbled.insert(addresses[0]) }
            return try await settle(notice, error, stumbles: stumbled.count)
        }
        if failPoint == .afterSent { _exit(99) }
        report("mail", true, "")
        return try await end(notice, .sent, nil, addresses[0])
    }

    /// A stop waits for the server's word: a mail that was cut off then would be in doubt.
    private func handOver(_ message: MailMessage) async -> MailError? {
        let (client, timeout) = (self.client, plan.timeout)
        return await Task { () -> MailError? in
            do throws(MailError) { try await client.send(message, timeout: timeout) } catch { return error }
            return nil
        }.value
    }

    private func settle(_ notice: WaitingNotice, _ error: MailError, stumbles: Int) async throws(StorageError) -> Outcome {
        switch plan.step(after: error, attempts: notice.attempts, doubts: notice.doubts, stumbles: stumbles) {
        case .end(let end, let reason): return try await self.end(notice, end, reason, nil)
        case .again(let pause, let doubts, let reason):
            try await outbox.putBack(notice.id, because: reason, doubts: doubts, after: pause)
            count(notice, "again")
            return NoticePlan.isStumble(error) || error.mayHaveArrived ? .putOff : .done
        case .rest(let reason):
            try await outbox.giveBack(notice.id, because: reason)
            return .serverFails(error)
        }
    }

    private func end(
        _ notice: WaitingNotice, _ end: NoticeEnd, _ reason: String?, _ address: [UInt8]?
    ) async throws(StorageError) -> Outcome {
        guard try await outbox.settle(notice.id, end, because: reason, address: address) else { return .done }
        count(notice, end.rawValue)
        if end != .sent {
            logger.info(
                "notice not sent",
                metadata: [
                    "request": "\(notice.request)", "kind": "\(notice.kind.rawValue)", "end": "\(end.rawValue)",
                    "reason": "\(reason ?? "")",
                ])
        }
        return .done
    }

    private func count(_ notice: WaitingNotice, _ outcome: String) {
        let tenant = notice.content?.tenantKey.rawValue ?? ""
        Counter(
            label: "o311_notices_total", dimensions: [("tenant", tenant), ("kind", notice.kind.rawValue), ("outcome", outcome)]
        ).increment()
    }

    private func measure() async {
        while !Task.isCancelled {
            if let backlog = try? await outbox.backlog() {
                Gauge(label: "o311_notices_waiting").record(backlog.waiting)
                let age = backlog.oldest.map { Double(Timestamp.now.microseconds - $0.microseconds) / 1e6 } ?? 0
                Gauge(label: "o311_notices_oldest_age_seconds").record(max(0, age))
            }
            _ = try? await outbox.forget(olderThanDays: Self.keptDays)
            try? await Task.sleep(for: .seconds(5))
        }
    }
}
