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
    }

    static func bytes(_ limits: TenantLimits, _ credentials: TenantCredentials) throws(StorageError) -> [UInt8] {
        let stored = Stored(
            request_queue: limits.requestQueue.isStandard ? nil : Queue(limits.requestQueue),
            dead_queue: limits.deadQueue.isStandard ? nil : Queue(limits.deadQueue),
            status_queue: limits.statusQueue.isStandard ? nil : Queue(limits.statusQueue), connections: limits.connections,
            channels: limits.channels, requests_per_minute: limits.requestsPerMinute, slots: credentials.slots,
            reads_dead_letters: credentials.readsDeadLetters)
        do { return Array(try JSONEncoder().encode(stored)) } catch {
            throw StorageError(.internalFault, detail: "arrangement not encodable")
        }
    }

    /// What cannot be read counts as absent.
    static func read(_ bytes: [UInt8]) -> (limits: TenantLimits, credentials: TenantCredentials) {
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
        return (limits, credentials)
    }
}
