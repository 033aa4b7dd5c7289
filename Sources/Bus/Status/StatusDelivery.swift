import AMQP
import Open311
import Storage

/// What a delivery from a status queue means. Who sent it is told by the exchange, which the broker wrote and no client can forge;
/// never by the body.
enum StatusDelivery {
    /// A message of this tenant, to be judged and answered.
    case message(StatusMessage, Tenant)
    /// Nobody can be answered: the reason, for operators.
    case unattributable(String)

    /// - Parameters:
    ///   - tenant: whose status exchange it came through; nil for nobody's.
    ///   - receivedAt: counts as the update's moment when it names none.
    init(_ delivery: Delivery, from tenant: Tenant?, receivedAt: Timestamp) {
        guard let tenant else {
            self = .unattributable("it came through no tenant's status exchange")
            return
        }
        let topology = Topology(tenant: tenant.key)
        // The broker has compared it with the connection's user; absent, it says nothing.
        if let user = delivery.userID, !CredentialSlot.allCases.contains(where: { topology.user($0) == user }) {
            self = .unattributable("its user_id is not the tenant's")
            return
        }
        let given = delivery.properties.messageID
        let id = given.flatMap { StatusUpdateForm.isUpdateID($0) ? $0 : nil }
        let content = Self.content(delivery, id: id, topology: topology, receivedAt: receivedAt, mapping: tenant.policies.lifecycle.mapping)
        self = .message(
            StatusMessage(
                id: id, correlationID: given.flatMap(Self.carried), content: content, routingKey: delivery.routingKey,
                body: delivery.body, isRedelivered: delivery.redelivered, trace: Self.trace(delivery)),
            tenant)
    }

    /// An id, whatever it is, as far as our database and a property of the receipt can hold it.
    private static func carried(_ id: String) -> String? {
        id.utf8.count <= 255 && !id.unicodeScalars.contains("\0") ? id : nil
    }

    private static func trace(_ delivery: Delivery) -> TraceContext? {
        guard case .string(let text)? = delivery.properties.header("traceparent") else { return nil }
        return TraceContext(parsing: text)
    }

    private static func content(
        _ delivery: Delivery, id: String?, topology: Topology, receivedAt: Timestamp, mapping: StatusMapping
    ) -> StatusMessage.Content {
        guard delivery.routingKey == topology.statusUpdateKey else {
            let given = CleanText.withoutControls(String(String.UnicodeScalarView(delivery.routingKey.unicodeScalars.prefix(100))))
            return .fault(
                StatusUpdateFault(
                    "wrong-routing-key", "Wrong routing key", "The routing key was \(given): use \(topology.statusUpdateKey)."), about: nil)
        }
        guard let id else {
            let fault =
                delivery.properties.messageID == nil
                ? StatusUpdateFault(
                    "missing-message-id", "Missing message id", "Set the property message_id to your own id of the update.")
                : .invalidUpdateID
            return .fault(fault, about: nil)
        }
        // A sender that says nothing of the type has nothing else to send here.
        let type = delivery.properties.contentType ?? "application/json"
        if let fault = StatusUpdateForm.fault(type: type, encoding: delivery.contentEncoding) { return .fault(fault, about: nil) }
        guard delivery.body.count <= StatusUpdateForm.maximumSize else { return .fault(.tooLarge, about: nil) }
        var request: RequestAddress?
        do {
            let form = try StatusUpdateForm(parsing: delivery.body)
            let named = try form.address()
            request = named
            return .update(try form.update(id: id, receivedAt: receivedAt, mapping: mapping), named)
        } catch {
            return .fault(error, about: request)
        }
    }
}
