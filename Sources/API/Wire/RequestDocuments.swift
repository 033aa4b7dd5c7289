import Open311
import Storage

/// Lists of service requests: GeoReport v2's seventeen fields in its order, then what `extensions` asks for.
enum RequestDocuments {
    /// What stands beside the core of each request.
    struct Details {
        let extensions: Extensions
        let history: [ServiceRequestID: [HistoryEntry]]
        /// Only for a key with that right.
        let reporters: [ServiceRequestID: Reporter]
        /// For the wording of answers.
        let catalogue: Catalogue
        let languages: [Language]
    }

    static func bytes(_ requests: [ServiceRequest], _ details: Details?, _ format: ResponseFormat) -> [UInt8] {
        let capacity = 128 + requests.count * (details == nil ? 900 : 1_600)
        if format == .geojson { return features(requests, details, capacity: capacity) }
        return GeoReportDocuments.bytes(
            format, capacity: capacity, { write(requests, details, &$0) }, { write(requests, details, &$0) })
    }

    private static func write(_ requests: [ServiceRequest], _ details: Details?, _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_requests")
        for request in requests {
            writer.beginItem("request")
            write(request, &writer)
            if let details { write(request, details, &writer) }
            writer.endItem("request")
        }
        writer.endDocument(list: "service_requests")
    }

    /// RFC 7946: what has no position is a feature without geometry.
    private static func features(_ requests: [ServiceRequest], _ details: Details?, capacity: Int) -> [UInt8] {
        var writer = JSONWireWriter(capacity: capacity)
        writer.beginDocument(object: "collection")
        writer.field("type", "FeatureCollection")
        writer.beginList("features")
        for request in requests {
            writer.beginItem("feature")
            writer.field("type", "Feature")
            writer.identifier("id", request.id.rawValue)
            if let point = request.location.coordinate {
                writer.beginObject("geometry")
                writer.field("type", "Point")
                writer.beginList("coordinates")
                writer.item("long", point.longitude)
                writer.item("lat", point.latitude)
                writer.endList("coordinates")
                writer.endObject("geometry")
            } else {
                writer.field("geometry", String?.none)
            }
            writer.beginObject("properties")
            write(request, &writer)
            if let details { write(request, details, &writer) }
            writer.endObject("properties")
            writer.endItem("feature")
        }
        writer.endList("features")
        writer.endDocument(object: "collection")
        return writer.bytes
    }

    private static func write(_ request: ServiceRequest, _ writer: inout some WireWriter) {
        if let given = request.givenID {
            writer.field("service_request_id", given.text)
        } else {
            writer.identifier("service_request_id", request.id.rawValue)
        }
        writer.field("status", request.status.publicStatus.rawValue)
        writer.field("status_notes", request.statusNotes)
        writer.field("service_name", request.serviceName)
        writer.field("service_code", request.serviceCode.rawValue)
        writer.field("description", request.description)
        writer.field("agency_responsible", request.agencyResponsible)
        writer.field("service_notice", request.serviceNotice)
        writer.field("requested_datetime", request.requestedAt)
        writer.field("updated_datetime", max(request.updatedAt, request.requestedAt))
        writer.field("expected_datetime", request.expectedAt)
        writer.field("address", request.location.address)
        writer.field("address_id", request.location.addressID)
        writer.field("zipcode", request.location.zipcode)
        writer.field("lat", request.location.coordinate?.latitude)
        writer.field("long", request.location.coordinate?.longitude)
        writer.field("media_url", request.mediaURLs.first)
    }

    // MARK: Extensions

    private static func write(_ request: ServiceRequest, _ details: Details, _ writer: inout some WireWriter) {
        let history = details.history[request.id] ?? []
        writer.beginObject("extended_attributes")
        if details.extensions.contains(.citySDK) {
            if let title = request.shownTitle { writer.field("title", title) }
            writer.field("detailed_status", request.status.description)
            if let parent = request.mergedInto { writer.identifier("merged_into", parent.rawValue) }
            if let parent = request.parent {
                writer.beginObject("parent")
                writer.field("service_request_id", parent.publicID)
                writer.field("status", parent.status.publicStatus.rawValue)
                writer.field("detailed_status", parent.status.description)
                writer.field("status_notes", parent.statusNotes)
                writer.field("updated_datetime", parent.updatedAt)
                writer.endObject("parent")
            }
            if let object = request.object {
                writer.field("service_object_id", object.id)
                writer.field("service_object_type", object.type)
            }
        }
        if details.extensions.contains(.media), !request.mediaURLs.isEmpty {
            writer.beginList("media_urls")
            for url in request.mediaURLs { writer.item("media_url", url) }
            writer.endList("media_urls")
        }
        if details.extensions.contains(.log), !history.isEmpty { log(history, &writer) }
        if let reporter = details.reporters[request.id] { write(reporter, &writer) }
        writer.endObject("extended_attributes")
        guard details.extensions.contains(.history) else { return }
        answers(request, details, &writer)
        notes(request, history, &writer)
    }

    /// CitySDK's `log`: three states, whatever finer ones there are.
    private static func log(_ history: [HistoryEntry], _ writer: inout some WireWriter) {
        writer.beginList("log")
        for entry in history {
            writer.beginItem("entry")
            writer.field("time", entry.at)
            writer.field("status", entry.status.map { $0.publicStatus == .closed ? "done" : "handling" } ?? "handling")
            writer.field("note", entry.notes)
            writer.endItem("entry")
        }
        writer.endList("log")
    }

    private static func write(_ reporter: Reporter, _ writer: inout some WireWriter) {
        writer.beginObject("requester")
        writer.field("first_name", reporter.firstName)
        writer.field("last_name", reporter.lastName)
        writer.field("email", reporter.email)
        writer.field("phone", reporter.phone)
        writer.field("account_id", reporter.accountID)
        writer.field("device_id", reporter.deviceID)
        writer.field("organisation", reporter.organisation)
        writer.field("siret", reporter.siret)
        writer.endObject("requester")
    }

    /// One entry for each value: `name` is the question's code, `code` the value's key where it was chosen from a list.
    private static func answers(_ request: ServiceRequest, _ details: Details, _ writer: inout some WireWriter) {
        let service = details.catalogue.service(request.serviceCode)
        writer.beginList("attributes")
        for answer in request.answers {
            let attribute = service?.attribute(answer.code)
            for value in answer.values {
                let choice = attribute?.choices.first { $0.key == value }
                writer.beginItem("attribute")
                writer.field("label", attribute?.question.text(in: details.languages) ?? answer.code)
                writer.field("name", answer.code)
                writer.field("value", choice.flatMap { $0.name.text(in: details.languages) } ?? value)
                writer.field("code", choice?.key)
                writer.endItem("attribute")
            }
        }
        writer.endList("attributes")
    }

    /// What happened, from the submission on.
    private static func notes(_ request: ServiceRequest, _ history: [HistoryEntry], _ writer: inout some WireWriter) {
        writer.beginList("notes")
        note(request.requestedAt, "submitted", nil, &writer)
        var isOpen = true
        for entry in history {
            let opens = entry.status.map { $0.publicStatus == .open } ?? isOpen
            note(entry.at, opens == isOpen ? "activity" : opens ? "opened" : "closed", entry.notes, &writer)
            isOpen = opens
        }
        writer.endList("notes")
    }

    private static func note(_ moment: Timestamp, _ type: String, _ text: String?, _ writer: inout some WireWriter) {
        writer.beginItem("note")
        writer.field("datetime", moment)
        writer.field("type", type)
        writer.field("description", text)
        writer.endItem("note")
    }
}

extension ServiceRequest {
    /// As given, or the beginning of the description (CitySDK reference 1.3).
    var shownTitle: String? {
        if let title { return title }
        let line = CleanText.singleSpaced(String(description.prefix(120)))
        return line.isEmpty ? nil : line
    }
}
