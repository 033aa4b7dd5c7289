import Bus
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Writes down which tenants' users are connected to the broker, which forgets it: so that a rotation can be finished without
/// cutting anybody off.
public struct CredentialWatch: ServiceLifecycle.Service {
    private let provisioner: Provisioner
    private let sightings: CredentialSightings
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    private static let interval = Duration.seconds(30)

    /// - Parameter provisioner: of a broker user that may see every connection: the tag `monitoring` is enough.
    public init(
        provisioner: Provisioner, sightings: CredentialSightings, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.provisioner = provisioner
        self.sightings = sightings
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do throws(ProvisioningError) {
                    let seen = try await provisioner.connectedCredentials()
                    report("broker-management", true, "")
                    Gauge(label: "o311_credentials_connected").record(seen.count)
                    do throws(StorageError) {
                        try await sightings.record(seen.map { (tenant: $0.tenant, slot: $0.slot.rawValue) })
                    } catch {
                        logger.debug("sightings not written", metadata: ["error": "\(error)"])
                    }
                } catch {
                    report("broker-management", false, "\(error)")
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
        await sightings.close()
    }
}
