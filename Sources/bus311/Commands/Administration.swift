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
        let trail = AdministrationTrail.current
        if let trail { OutgoingCalls.observe { trail.note($0) } }
        var failure: (any Error)?
        do { try await work() } catch { failure = error }
        let settings = try await settings()
        if let database = (try? settings.database(.admin)) ?? (try? settings.database(.photos)) {
            let store = try AdministrationStore(configuration: database)
            do { try await store.audit(trail?.entries(failure) ?? []) } catch {
                await store.close()
                throw failure ?? AuditFault(detail: "\(error)")
            }
            await store.close()
        }
        if let failure { throw failure }
    }

    func administer(_ work: (Administration) async throws -> Void) async throws {
        let administration = try Administration(try await settings())
        let trail = AdministrationTrail.current
        if let trail { OutgoingCalls.observe { trail.note($0) } }
        var failure: (any Error)?
        do { try await work(administration) } catch { failure = error }
        do {
            try await administration.store.audit(trail?.entries(failure) ?? [])
        } catch {
            await administration.store.close()
            throw failure ?? AuditFault(detail: "\(error)")
        }
        await administration.store.close()
        if let failure { throw failure }
    }
}
