import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

struct TenantOffboard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offboard", abstract: "Export all that is held of a tenant, then close it; its key is never given again.",
        discussion: """
            Refuses while events, messages or dead letters wait. Then: export; API keys end, and what is under way is let through;
            the CRM's credentials end, and its connections are closed; what changed meanwhile is exported again; the broker's objects
            go, then the tenant. Interrupted anywhere, the same command goes on. The folder holds personal data.
            Example: bus311 tenant offboard valmont-7f3a9c --export valmont-export
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(name: .customLong("export"), help: "A new folder for the export; the same one to go on.") var folder: String
    @Option(help: "Seconds to let the CRM take what is under way, once the API keys have ended.") var grace = 30
    @Flag(help: "Even when events or messages wait: they are lost to the CRM, and stand in the export.") var force = false

    private struct View: Encodable {
        let tenant: String
        let folder: String
        let counts: [String: Int]
        let removed: [String]
        let closed_at: String
    }

    func validate() throws {
        guard (0...86_400).contains(grace) else { throw ValidationError("--grace must be 0 to 86400 seconds.") }
    }

    func run() async throws {
        try await common.administer { administration in
            let key: TenantKey
            do { key = try TenantKey(validating: tenant) } catch { throw ValidationError("\(tenant): \(error)") }
            guard let tenant = try await administration.store.tenant(key) else { return try await alreadyClosed(key, administration) }
            try await close(tenant, administration)
        }
    }

    private func close(_ tenant: Tenant, _ administration: Administration) async throws {
        let store = administration.store
        let provisioner = try administration.provisioner()
        let bus = BusTenant(tenant)
        let leaving = try ExportFolder.belongs(to: tenant.key.rawValue, at: folder)
        // A run that goes on has closed the doors already, and empties what was behind them.
        if !force, !leaving {
            // The broker's counters are seconds behind: what was taken just now, or removed, may still be told of.
            try await settle(tenant, provisioner, store)
            try await refuseWaiting(tenant, provisioner, store, after: "")
            // And what came just now shows at the second look.
            try await Task.sleep(for: .seconds(6))
            try await refuseWaiting(tenant, provisioner, store, after: "")
        }
        let exports = try ExportFolder(path: folder, tenant: tenant.key.rawValue)
        try await store.beginOffboarding(of: tenant, by: Operator.name)
        let media = try administration.settings.media
        let export = TenantDataExport(tenant: tenant, folder: exports, administration: administration, media: media)
        say("1 of 5: export into \(folder)")
        if exports.manifest?.state != (try await store.exportState(of: tenant.id)).state { _ = try await export.run() }

        say("2 of 5: API keys end; what is under way goes to the CRM")
        if try await store.revokeKeys(of: tenant.id, kind: .apiKey) > 0 {
            // Every gateway has read the directory again by then, notified or not.
            try await Task.sleep(for: .seconds(6))
        }
        if !force { try await letThrough(tenant, provisioner, store) }

        say("3 of 5: the CRM's credentials end")
        _ = try await store.revokeKeys(of: tenant.id, kind: .crmToken)
        for slot in CredentialSlot.allCases { try await provisioner.revokeCredential(bus, slot: slot) }
        // Nothing can be added from here on; what was, since the export, is exported now.
        if exports.manifest?.state != (try await store.exportState(of: tenant.id)).state { _ = try await export.run() }

        say("4 of 5: exchanges, queues and policies go")
        let removed = try await provisioner.delete(bus, force: force)
        say("5 of 5: the tenant is closed")
        try await store.record("tenant closed", by: Operator.name, of: tenant.id, detail: tenant.key.rawValue)
        _ = try await store.deleteTenant(tenant.key)
        await media?.close()
        try await finish(tenant.key, exports, removed, store)
    }

    private func finish(_ key: TenantKey, _ exports: ExportFolder, _ removed: [String], _ store: AdministrationStore) async throws {
        guard var manifest = exports.manifest, let closed = try await store.closingMoment(of: key) else {
            throw ValidationError("\(folder) has no manifest.json of \(key).")
        }
        manifest.closed_at = closed.iso8601
        try exports.write(manifest)
        let counts = manifest.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.replacingOccurrences(of: "_", with: " "))" }
        try common.show(
            text: "Closed \(key). \(folder) holds \(counts.joined(separator: ", ")); manifest.json has the hash of each file.",
            json: View(tenant: key.rawValue, folder: folder, counts: manifest.counts, removed: removed, closed_at: closed.iso8601))
    }

    /// The run before this one was cut after its last change, or this one is one too many.
    private func alreadyClosed(_ key: TenantKey, _ administration: Administration) async throws {
        guard try await administration.store.closingMoment(of: key) != nil else {
            throw ValidationError("There is no tenant \(key). List them: bus311 tenant list")
        }
        guard try ExportFolder.belongs(to: key.rawValue, at: folder) else {
            throw ValidationError("\(key) is closed already, and \(folder) is not its export.")
        }
        try await finish(key, try ExportFolder(path: folder, tenant: key.rawValue), [], administration.store)
    }

    // MARK: What waits

    private func waiting(_ tenant: Tenant, _ provisioner: Provisioner, _ store: AdministrationStore) async throws -> [String] {
        let events = try await store.waitingEvents(of: tenant)
        let queues = try await provisioner.waitingMessages(BusTenant(tenant))
        return (events > 0 ? ["\(events) events in the outbox"] : [])
            + queues.map { "\($0.messages.map(String.init) ?? "an unknown number of") messages in \($0.queue)" }
    }

    /// Waits until the broker's counters can tell, while they are all that stands in the way.
    private func settle(_ tenant: Tenant, _ provisioner: Provisioner, _ store: AdministrationStore) async throws {
        let deadline = ContinuousClock.now + .seconds(8)
        while ContinuousClock.now < deadline {
            let events = try await store.waitingEvents(of: tenant)
            let queues = try await provisioner.waitingMessages(BusTenant(tenant))
            if events > 0 || queues.isEmpty { return }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func refuseWaiting(_ tenant: Tenant, _ provisioner: Provisioner, _ store: AdministrationStore, after: String) async throws {
        let waiting = try await waiting(tenant, provisioner, store)
        guard waiting.isEmpty else {
            throw ValidationError(
                "\(tenant.key) was not closed\(after): \(waiting.joined(separator: ", ")). Let the CRM take them (dead letters: "
                    + "bus311 dead-letters return or discard), or lose them with --force.")
        }
    }

    private func letThrough(_ tenant: Tenant, _ provisioner: Provisioner, _ store: AdministrationStore) async throws {
        let deadline = ContinuousClock.now + .seconds(grace)
        while ContinuousClock.now < deadline, try await !waiting(tenant, provisioner, store).isEmpty {
            try await Task.sleep(for: .seconds(1))
        }
        try await refuseWaiting(tenant, provisioner, store, after: ", but its API keys have ended")
    }

    private func say(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
