import ArgumentParser
import Bus
import Curl
import Foundation
import Open311
import Storage

/// What administration commands work with; opened from the settings, closed after use.
struct Administration {
    let store: AdministrationStore
    let settings: Settings

    init(_ settings: Settings) throws {
        self.settings = settings
        store = try AdministrationStore(configuration: try settings.database(.admin))
    }

    /// - Throws: a sentence that names the command to list tenants.
    func tenant(_ key: String) async throws -> Tenant {
        let known = try await store.tenants()
        guard let tenant = known.first(where: { $0.key.rawValue == key }) else {
            throw ValidationError("There is no tenant \(key). List them: bus311 tenant list")
        }
        AdministrationTrail.current?.note(tenant.id)
        return tenant
    }

    /// - Parameter overcommits: whether queues may be promised more than the broker's disk has.
    func provisioner(overcommits: Bool = false) throws -> Provisioner {
        let client = try HTTPClient(name: "bus311-broker")
        let credentials = BasicAuthentication(user: settings.provisionerUser, password: try settings.provisionerPassword)
        return Provisioner(
            broker: BrokerAdministration(client: client, baseURL: try settings.managementURL, credentials: credentials),
            overcommits: overcommits)
    }
}

/// What the command was for is done, and nothing tells of it.
struct AuditFault: Error, CustomStringConvertible {
    let detail: String

    var description: String {
        "The command was carried out, but the audit could not be written (\(detail)). Write down by hand that it was, then repair the database."
    }
}

extension CommonOptions {
    /// For a command that needs no database of its own to work: audited where one is set.
    func audited(_ work: () async throws -> Void) async throws {
        let failure = await AdministrationTrail.failure(of: work)
        let settings: Settings
        do { settings = try await self.settings() } catch { throw failure ?? error }
        if let database = (try? settings.database(.admin)) ?? (try? settings.database(.photos)) {
            try await using(try AdministrationStore(configuration: database)) { try await $0.audit(after: failure) }
        }
        if let failure { throw failure }
    }

    func administer(_ work: (Administration) async throws -> Void) async throws {
        let administration = try Administration(try await settings())
        try await using(administration.store) { store in
            let failure = await AdministrationTrail.failure { try await work(administration) }
            try await store.audit(after: failure)
            if let failure { throw failure }
        }
    }
}

extension AdministrationTrail {
    /// Carries a command's work out and notes the calls that it makes.
    fileprivate static func failure(of work: () async throws -> Void) async -> (any Error)? {
        if let trail = current { OutgoingCalls.observe { trail.note($0) } }
        do { try await work() } catch { return error }
        return nil
    }
}

extension AdministrationStore {
    /// Writes what the command did, or why it could not.
    ///
    /// - Throws: the command's own failure before that of the audit.
    fileprivate func audit(after failure: (any Error)?) async throws {
        do { try await audit(AdministrationTrail.current?.entries(failure) ?? []) } catch {
            throw failure ?? AuditFault(detail: "\(error)")
        }
    }
}
