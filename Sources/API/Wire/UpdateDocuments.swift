import Open311
import Storage

/// The documents of FixMyStreet's update extension.
enum UpdateDocuments {
    static func list(_ updates: [PublishedUpdate], _ format: ResponseFormat) -> [UInt8] {
        GeoReportDocuments.bytes(
            format, capacity: 128 + updates.count * 300, { write(updates, &$0) }, { write(updates, &$0) })
    }

    private static func write(_ updates: [PublishedUpdate], _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_request_updates")
        for update in updates {
            writer.beginItem("request_update")
            // A CRM's ids are unique for their request only.
            writer.field("update_id", "\(update.request)-\(update.id)")
            writer.field("service_request_id", update.publicID)
            writer.field("status", ExtendedStatus.name(of: update.status))
            writer.field("updated_datetime", update.at)
            writer.field("description", update.notes ?? "")
            writer.field("media_url", "")
            if case .detailed(let status) = update.status { writer.field("external_status_code", status.description) }
            if let reference = update.reference { writer.field("customer_reference", reference) }
            writer.endItem("request_update")
        }
        writer.endDocument(list: "service_request_updates")
    }

    /// The reply to an update: its number here.
    static func taken(_ number: Int64, accountID: String?, _ format: ResponseFormat) -> [UInt8] {
        GeoReportDocuments.bytes(
            format, capacity: 256, { write(number, accountID, &$0) }, { write(number, accountID, &$0) })
    }

    private static func write(_ number: Int64, _ accountID: String?, _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_request_updates")
        writer.beginItem("request_update")
        writer.identifier("update_id", number)
        if let accountID { writer.field("account_id", accountID) }
        writer.endItem("request_update")
        writer.endDocument(list: "service_request_updates")
    }
}
