import Open311
import Storage

/// What a CRM reads of updates and of what they made: the members of one object each.
enum LifecycleDocuments {
    static func write(_ applied: AppliedUpdate, _ updateID: String, _ writer: inout JSONWriter) {
        writer.name("service_request_id")
        writer.quoted(applied.request.rawValue)
        writer.name("update_id")
        writer.value(updateID)
        writer.name("outcome")
        writer.value(applied.outcome.rawValue)
        writer.name("applied")
        writer.value(applied.outcome != .superseded)
        writer.name("status")
        writer.value(applied.status.publicStatus.rawValue)
        writer.name("detailed_status")
        writer.value(applied.status.description)
        writer.name("updated_datetime")
        writer.value(applied.updatedAt)
        writer.name("version")
        writer.value(applied.version)
        writer.name("receipt_id")
        writer.value(applied.receipt?.description)
    }

    /// One result for each item, in their order, and how many there are of each kind.
    static func write(_ items: [StatusBatchForm.Item], _ results: [Result<AppliedUpdate, Problem>], _ writer: inout JSONWriter) {
        var counts: [String: Int64] = [:]
        for result in results { counts[(try? result.get().outcome.rawValue) ?? "refused", default: 0] += 1 }
        for (name, word) in [("applied", "applied"), ("superseded", "superseded"), ("repeated", "repeated"), ("refused", "refused")]
            as [(StaticString, String)]
        {
            writer.name(name)
            writer.value(counts[word] ?? 0)
        }
        writer.name("results")
        writer.beginArray()
        for (index, (item, result)) in zip(items, results).enumerated() {
            writer.beginObject()
            writer.name("index")
            writer.value(Int64(index))
            switch result {
            case .success(let applied): write(applied, item.updateID ?? "", &writer)
            case .failure(let problem):
                writer.name("service_request_id")
                writer.value(item.requestText)
                writer.name("update_id")
                writer.value(item.updateID)
                writer.name("outcome")
                writer.value("refused")
                writer.name("error")
                problem.write(&writer)
            }
            writer.endObject()
        }
        writer.endArray()
    }

    static func write(_ view: LifecycleView, _ writer: inout JSONWriter) {
        writer.name("service_request_id")
        writer.quoted(view.id.rawValue)
        writer.name("public_service_request_id")
        writer.value(view.isResolved ? view.givenID?.text ?? view.id.description : nil)
        writer.name("token")
        writer.value(view.token)
        writer.name("service_code")
        writer.value(view.serviceCode)
        writer.name("catalogue_version")
        if let version = view.catalogueVersion { writer.value(Int64(version)) } else { writer.null() }
        writer.name("status")
        writer.value(view.status.publicStatus.rawValue)
        writer.name("detailed_status")
        writer.value(view.status.description)
        writer.name("next_statuses")
        writer.beginArray()
        for next in GeneralStatus.allCases where view.status.general.successors.contains(next) { writer.value(next.rawValue) }
        writer.endArray()
        writer.name("status_notes")
        writer.value(view.statusNotes)
        writer.name("agency_responsible")
        writer.value(view.agencyResponsible)
        writer.name("expected_datetime")
        writer.value(view.expectedAt)
        writer.name("service_notice")
        writer.value(view.serviceNotice)
        writer.name("external_references")
        writer.beginArray()
        for reference in view.references { writer.value(reference) }
        writer.endArray()
        writer.name("merged_into")
        writer.value(view.mergedInto?.description)
        writer.name("requested_datetime")
        writer.value(view.requestedAt)
        writer.name("updated_datetime")
        writer.value(view.updatedAt)
        writer.name("acknowledged_datetime")
        writer.value(view.acknowledgedAt)
        writer.name("hidden")
        writer.value(view.isHidden)
        writer.name("erased")
        writer.value(view.isErased)
        writer.name("version")
        writer.value(view.version)
    }

    static func write(_ refused: [KeptRefusal], _ writer: inout JSONWriter) {
        writer.beginArray()
        for refusal in refused {
            writer.beginObject()
            write(refusal, &writer)
            writer.endObject()
        }
        writer.endArray()
    }

    /// The error is the one that its sender was answered.
    static func write(_ refusal: KeptRefusal, _ writer: inout JSONWriter) {
        writer.name("service_request_id")
        writer.value(refusal.request?.description)
        writer.name("update_id")
        writer.value(refusal.id)
        writer.name("error")
        writer.beginObject()
        writer.name("code")
        writer.value(refusal.fault.code)
        writer.name("title")
        writer.value(refusal.fault.title)
        writer.name("detail")
        writer.value(refusal.fault.detail)
        writer.name("errors")
        writer.faults(refusal.fault.members)
        writer.endObject()
        writer.name("times")
        writer.value(Int64(refusal.times))
        writer.name("accepted_since")
        writer.value(refusal.isAcceptedSince)
        receipt(refusal.receipt, "refused", refusal.door, refusal.refusedAt, &writer)
    }

    private static func receipt(
        _ id: EventID?, _ outcome: String?, _ door: String?, _ receivedAt: Timestamp, _ writer: inout JSONWriter
    ) {
        writer.name("receipt")
        writer.beginObject()
        writer.name("receipt_id")
        writer.value(id?.description)
        writer.name("outcome")
        writer.value(outcome)
        writer.name("door")
        writer.value(door)
        writer.name("received_datetime")
        writer.value(receivedAt)
        writer.endObject()
    }

    static func write(_ update: KeptUpdate, _ writer: inout JSONWriter) {
        writer.name("update_id")
        writer.value(update.id)
        writer.name("status")
        writer.value(update.status)
        writer.name("status_code")
        writer.value(update.statusCode)
        writer.name("status_notes")
        writer.value(update.statusNotes)
        writer.name("internal_notes")
        writer.value(update.internalNotes)
        writer.name("agency_responsible")
        writer.value(update.agencyResponsible)
        writer.name("expected_datetime")
        writer.value(update.expectedAt)
        writer.name("service_notice")
        writer.value(update.serviceNotice)
        writer.name("external_reference")
        writer.value(update.externalReference)
        writer.name("merged_into")
        writer.value(update.mergedInto?.description)
        writer.name("ack")
        writer.value(update.isAcknowledgement)
        writer.name("sequence")
        if let sequence = update.sequence { writer.value(sequence) } else { writer.null() }
        writer.name("updated_datetime")
        writer.value(update.occurredAt)
        writer.name("counts")
        writer.value(update.counts)
        receipt(update.receipt, update.outcome, update.door, update.receivedAt, &writer)
    }
}
