import Open311
import Postgres

/// A lifecycle update as it is kept.
struct StatusRecord {
    let request: ServiceRequestID
    let update: StatusUpdate
    let arrival: Timestamp
    /// That its `merged_into` means.
    let parent: ServiceRequestID?
    let outcome: String
    let receipt: EventID

    /// Of ``StatusSQL/record``.
    ///
    /// - Parameter counts: whether an update is part of the history that citizens see.
    static func parameters(
        _ records: [StatusRecord], of tenant: TenantID, through door: StatusDoor, counts: (StatusRecord) -> Bool
    ) -> [Parameter] {
        [
            .int32(tenant.rawValue), .int64s(records.map(\.request.rawValue)), .texts(records.map(\.update.id)),
            .byteStrings(records.map(\.update.fingerprint)), .timestamps(records.map(\.update.occurredAt.microseconds)),
            .timestamps(records.map(\.arrival.microseconds)), .bools(records.map(counts)), .texts(records.map { $0.update.status?.text }),
            .texts(records.map(\.update.statusNotes)), .texts(records.map(\.update.externalReference)),
            .texts(records.map(\.update.statusCode)), .texts(records.map(\.update.internalNotes)),
            .texts(records.map(\.update.agencyResponsible)), .timestamps(records.map { $0.update.expectedAt?.microseconds }),
            .texts(records.map(\.update.serviceNotice)), .int64s(records.map { $0.parent?.rawValue ?? 0 }),
            .int64s(records.map { $0.update.sourceSequence ?? -1 }), .bools(records.map(\.update.isAcknowledgement)),
            .bools(records.map(\.update.isPublic)), .texts(records.map(\.outcome)), .text(door.rawValue),
            .uuids(records.map { ($0.receipt.high, $0.receipt.low) }),
        ]
    }
}
