import Foundation
import Open311

/// A tenant's limits and credentials as they stand in the database: what is absent is as for every tenant.
enum ArrangementJSON {
    private struct Queue: Codable {
        var messages: Int?
        var bytes: Int?

        init(_ length: TenantLimits.QueueLength) {
            messages = length.messages
            bytes = length.bytes
        }

        var length: TenantLimits.QueueLength { TenantLimits.QueueLength(messages: messages, bytes: bytes) }
    }

    private struct Stored: Codable {
        var request_queue: Queue?
        var dead_queue: Queue?
        var status_queue: Queue?
        var connections: Int?
        var channels: Int?
        var requests_per_minute: Int?
        var slots: Int?
        var reads_dead_letters: Bool?
        var holidays: String?
        var service_hours: [String]?
        var closures: [String]?
        var acknowledge_within_hours: Int?
        var progress_within_days: Int?
        var progress_of_services: [String: Int]?
        // Read by the database too (bus311_retention_term).
        var retention_months: Int?
        var retention_services: [String: Int]?
        var retention_tells_crm: Bool?
        var retention_rest_days: Int?
    }

    static func bytes(
        _ limits: TenantLimits, _ credentials: TenantCredentials, _ terms: ServiceTerms = ServiceTerms()
    ) throws(StorageError) -> [UInt8] {
        var stored = Stored(
            request_queue: limits.requestQueue.isStandard ? nil : Queue(limits.requestQueue),
            dead_queue: limits.deadQueue.isStandard ? nil : Queue(limits.deadQueue),
            status_queue: limits.statusQueue.isStandard ? nil : Queue(limits.statusQueue), connections: limits.connections,
            channels: limits.channels, requests_per_minute: limits.requestsPerMinute, slots: credentials.slots,
            reads_dead_letters: credentials.readsDeadLetters)
        stored.holidays = terms.calendar.holidays.rawValue
        stored.service_hours = terms.calendar.hours.map(\.description)
        stored.closures = terms.calendar.closures.map(\.description)
        stored.acknowledge_within_hours = terms.acknowledgeWithinHours
        stored.progress_within_days = terms.progressWithinDays
        stored.progress_of_services =
            terms.progressOfServices.isEmpty
            ? nil : Dictionary(terms.progressOfServices.map { ($0.code.rawValue, $0.days) }, uniquingKeysWith: { _, last in last })
        let standard = RetentionPolicy()
        stored.retention_months = terms.retention.months == standard.months ? nil : terms.retention.months
        stored.retention_services =
            terms.retention.services.isEmpty
            ? nil
            : Dictionary(terms.retention.services.map { ($0.code.rawValue, $0.months) }, uniquingKeysWith: { _, last in last })
        stored.retention_tells_crm = terms.retention.tellsCRM == standard.tellsCRM ? nil : terms.retention.tellsCRM
        stored.retention_rest_days = terms.retention.restDays == standard.restDays ? nil : terms.retention.restDays
        do { return Array(try JSONEncoder().encode(stored)) } catch {
            throw StorageError(.internalFault, detail: "arrangement not encodable")
        }
    }

    /// What cannot be read counts as absent.
    static func read(_ bytes: [UInt8]) -> (limits: TenantLimits, credentials: TenantCredentials, terms: ServiceTerms) {
        let stored = (try? JSONDecoder().decode(Stored.self, from: Data(bytes))) ?? Stored()
        var limits = TenantLimits()
        limits.requestQueue = stored.request_queue?.length ?? limits.requestQueue
        limits.deadQueue = stored.dead_queue?.length ?? limits.deadQueue
        limits.statusQueue = stored.status_queue?.length ?? limits.statusQueue
        limits.connections = stored.connections ?? limits.connections
        limits.channels = stored.channels ?? limits.channels
        limits.requestsPerMinute = stored.requests_per_minute
        var credentials = TenantCredentials()
        credentials.slots = stored.slots ?? credentials.slots
        credentials.readsDeadLetters = stored.reads_dead_letters ?? credentials.readsDeadLetters
        return (limits, credentials, terms(stored))
    }

    private static func terms(_ stored: Stored) -> ServiceTerms {
        var terms = ServiceTerms()
        terms.calendar.holidays = stored.holidays.flatMap { HolidayRegion(rawValue: $0) } ?? terms.calendar.holidays
        terms.calendar.hours = stored.service_hours?.compactMap { ServiceHours($0) } ?? []
        terms.calendar.closures = stored.closures?.compactMap { DayRange($0) } ?? []
        terms.acknowledgeWithinHours = stored.acknowledge_within_hours ?? terms.acknowledgeWithinHours
        terms.progressWithinDays = stored.progress_within_days ?? terms.progressWithinDays
        terms.progressOfServices = (stored.progress_of_services ?? [:]).sorted { $0.key < $1.key }.compactMap { code, days in
            (try? ServiceCode(validating: code)).map { ServiceDelay($0, days: days) }
        }
        terms.retention = retention(stored)
        return terms
    }

    private static func retention(_ stored: Stored) -> RetentionPolicy {
        var policy = RetentionPolicy()
        policy.months = stored.retention_months ?? policy.months
        policy.services = (stored.retention_services ?? [:]).sorted { $0.key < $1.key }.compactMap { code, months in
            (try? ServiceCode(validating: code)).map { RetentionPolicy.ServiceTerm($0, months: months) }
        }
        policy.tellsCRM = stored.retention_tells_crm ?? policy.tellsCRM
        policy.restDays = stored.retention_rest_days ?? policy.restDays
        return policy
    }
}
