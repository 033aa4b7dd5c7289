/// Where an update stands in the history of its request: by when it happened in the CRM, then by the CRM's own counter, then by
/// arrival.
public struct LifecyclePosition: Sendable, Hashable, Comparable {
    public let occurredAt: Timestamp
    /// The CRM's counter, where it sends one.
    public let sequence: Int64?
    /// Of two that the CRM does not tell apart, the later word counts.
    public let arrival: Timestamp
    public let updateID: String

    public init(occurredAt: Timestamp, sequence: Int64?, arrival: Timestamp, updateID: String) {
        self.occurredAt = occurredAt
        self.sequence = sequence
        self.arrival = arrival
        self.updateID = updateID
    }

    public static func < (left: Self, right: Self) -> Bool {
        if let first = left.isBefore(right) { return first }
        return (left.arrival, left.updateID) < (right.arrival, right.updateID)
    }

    /// By the CRM's own order only; nil where that says nothing.
    public func isBefore(_ other: Self) -> Bool? {
        let (own, others) = (sequence ?? .min, other.sequence ?? .min)
        return (occurredAt, own) == (other.occurredAt, others) ? nil : (occurredAt, own) < (other.occurredAt, others)
    }
}

/// One step of a request's history: what an update says.
public struct LifecycleStep: Sendable, Equatable {
    public let position: LifecyclePosition
    public var status: StatusUpdate.RequestedStatus?
    public var statusNotes: String?
    public var agencyResponsible: String?
    public var expectedAt: Timestamp?
    public var serviceNotice: String?
    public var externalReference: String?
    public var mergedInto: ServiceRequestID?

    public init(position: LifecyclePosition, status: StatusUpdate.RequestedStatus?) {
        self.position = position
        self.status = status
    }

    /// - Parameter parent: that the update's `merged_into` was found to mean.
    public init(_ update: StatusUpdate, arrival: Timestamp, mergedInto parent: ServiceRequestID?) {
        position = LifecyclePosition(
            occurredAt: update.occurredAt, sequence: update.sourceSequence, arrival: arrival, updateID: update.id)
        status = update.status
        statusNotes = update.statusNotes
        agencyResponsible = update.agencyResponsible
        expectedAt = update.expectedAt
        serviceNotice = update.serviceNotice
        externalReference = update.externalReference
        mergedInto = parent
    }
}

/// What the CRM's updates have made of a request. What a step does not mention stays as it was.
public struct Lifecycle: Sendable, Equatable {
    public var status: DetailedStatus
    public var statusNotes: String?
    public var agencyResponsible: String?
    public var expectedAt: Timestamp?
    public var serviceNotice: String?
    public var externalReference: String?
    public var mergedInto: ServiceRequestID?
    /// The update that brought the general status, or the merging: whoever is told of that is told what it said. Nil before the first.
    public var movedBy: String?

    public init(_ status: DetailedStatus = DetailedStatus(.received)) { self.status = status }

    /// - Throws: ``IllegalTransition``; nothing has changed then.
    public mutating func take(_ step: LifecycleStep) throws(IllegalTransition) {
        let next = step.status?.resolved(from: status) ?? status
        try status.checkMove(to: next)
        // Opened again, it stands for itself.
        let parent = step.mergedInto ?? (step.status != nil && next.publicStatus == .open ? nil : mergedInto)
        if next.general != status.general || parent != mergedInto { movedBy = step.position.updateID }
        status = next
        statusNotes = step.statusNotes ?? statusNotes
        agencyResponsible = step.agencyResponsible ?? agencyResponsible
        expectedAt = step.expectedAt ?? expectedAt
        serviceNotice = step.serviceNotice ?? serviceNotice
        externalReference = step.externalReference ?? externalReference
        mergedInto = parent
    }

    /// The whole history in its order. A step that would be illegal where it stands is void.
    ///
    /// The states form ranks (``GeneralStatus/rank``) and no step leads down, so the end depends on the steps alone: not on the
    /// order in which they came, nor on how often.
    ///
    /// - Parameter steps: in any order.
    /// - Returns: what became of the request, and the positions of the void steps.
    public static func replayed(_ steps: [LifecycleStep]) -> (end: Lifecycle, void: Set<LifecyclePosition>) {
        var end = Lifecycle()
        var void: Set<LifecyclePosition> = []
        for step in steps.sorted(by: { $0.position < $1.position }) {
            do { try end.take(step) } catch { void.insert(step.position) }
        }
        return (end, void)
    }
}
