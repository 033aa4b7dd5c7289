/// The broker users of the product's own services. Tenants' users are made by the provisioner, not here.
public enum ServiceUser: String, Sendable, CaseIterable {
    /// Publishes the outbox.
    case relay = "svc.relay"
    /// Consumes the CRMs' status updates.
    case statusIngest = "svc.status-ingest"
    /// Takes dead letters back to their queue.
    case redrive = "svc.redrive"
    /// Makes tenants' exchanges, queues, policies and users over the management API.
    case provisioner = "svc.provisioner"
    /// Reads the broker's state.
    case monitor = "svc.monitor"
}
