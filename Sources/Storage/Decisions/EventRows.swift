import Open311
import Postgres

/// The events of one change as the parameters of `bus311_add_events`.
enum EventRows {
    /// Ids, types and bodies, in this order.
    static func parameters(_ events: [ServiceRequestEvent]) -> [Parameter] {
        [
            .uuids(events.map { ($0.id.high, $0.id.low) }), .texts(events.map(\.kind.rawValue)), .byteStrings(events.map(\.body)),
        ]
    }
}
