import Open311

/// The documents of GeoReport v2, field by field in the specification's order.
enum GeoReportDocuments {
    /// Runs `write` with the writer of the wanted format.
    static func bytes(
        _ format: ResponseFormat, capacity: Int = 1_024, _ json: (inout JSONWireWriter) -> Void, _ xml: (inout XMLWireWriter) -> Void
    ) -> [UInt8] {
        switch format {
        case .json, .geojson:
            var writer = JSONWireWriter(capacity: capacity)
            json(&writer)
            return writer.bytes
        case .xml:
            var writer = XMLWireWriter(capacity: capacity)
            xml(&writer)
            return writer.bytes
        }
    }

    // MARK: Submissions

    /// What a submission is answered: of id and token one, and never an empty other (clients test for presence).
    enum SubmissionAnswer {
        case id(ServiceRequestID)
        case token(String)
        /// Of a blackbox service.
        case nothing
    }

    /// The reply to a submission.
    static func created(_ answer: SubmissionAnswer, accountID: String?, _ format: ResponseFormat) -> [UInt8] {
        bytes(format, capacity: 256, { write(answer, accountID, &$0) }, { write(answer, accountID, &$0) })
    }

    private static func write(_ answer: SubmissionAnswer, _ accountID: String?, _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_requests")
        writer.beginItem("request")
        switch answer {
        case .id(let id): writer.identifier("service_request_id", id.rawValue)
        case .token(let token): writer.field("token", token)
        case .nothing: break
        }
        writer.field("service_notice", String?.none)
        writer.field("account_id", accountID)
        writer.endItem("request")
        writer.endDocument(list: "service_requests")
    }

    /// A token, with its id once there is one: without, clients ask again.
    static func token(_ token: String, _ id: String?, _ format: ResponseFormat) -> [UInt8] {
        bytes(format, capacity: 256, { write(token, id, &$0) }, { write(token, id, &$0) })
    }

    private static func write(_ token: String, _ id: String?, _ writer: inout some WireWriter) {
        writer.beginDocument(list: "service_requests")
        writer.beginItem("request")
        if let id { writer.field("service_request_id", id) }
        writer.field("token", token)
        writer.endItem("request")
        writer.endDocument(list: "service_requests")
    }

    // MARK: Catalogue

    static func services(_ catalogue: Catalogue, languages: [Language], _ format: ResponseFormat) -> [UInt8] {
        bytes(
            format, capacity: 256 + catalogue.services.count * 400, { write(catalogue, languages, &$0) },
            { write(catalogue, languages, &$0) })
    }

    private static func write(_ catalogue: Catalogue, _ languages: [Language], _ writer: inout some WireWriter) {
        writer.beginDocument(list: "services")
        for service in catalogue.services {
            writer.beginItem("service")
            writer.field("service_code", service.code.rawValue)
            writer.field("service_name", service.name.text(in: languages) ?? service.code.rawValue)
            writer.field("description", service.summary.text(in: languages))
            writer.field("metadata", service.hasDefinition)
            writer.field("type", service.kind.rawValue)
            writer.field("keywords", service.keywords.joined(separator: ","))
            // Never null: one client calls a string method on it.
            writer.field("group", service.group.text(in: languages) ?? "")
            writer.endItem("service")
        }
        writer.endDocument(list: "services")
    }

    static func definition(_ service: Service, languages: [Language], _ format: ResponseFormat) -> [UInt8] {
        bytes(format, { write(service, languages, &$0) }, { write(service, languages, &$0) })
    }

    private static func write(_ service: Service, _ languages: [Language], _ writer: inout some WireWriter) {
        writer.beginDocument(object: "service_definition")
        writer.field("service_code", service.code.rawValue)
        writer.beginList("attributes")
        for attribute in service.attributes {
            writer.beginItem("attribute")
            writer.field("variable", attribute.isVariable)
            writer.field("code", attribute.code)
            writer.field("datatype", attribute.dataType.rawValue)
            writer.field("required", attribute.isRequired)
            writer.field("datatype_description", attribute.hint.text(in: languages))
            writer.field("order", Int64(attribute.order))
            writer.field("description", attribute.question.text(in: languages))
            if attribute.dataType.isList {
                writer.beginList("values")
                for choice in attribute.choices {
                    writer.beginItem("value")
                    writer.field("key", choice.key)
                    writer.field("name", choice.name.text(in: languages) ?? choice.key)
                    writer.endItem("value")
                }
                writer.endList("values")
            }
            writer.endItem("attribute")
        }
        writer.endList("attributes")
        writer.endDocument(object: "service_definition")
    }

    // MARK: Discovery

    struct Endpoint {
        let url: String
        let changeset: Timestamp
        let isProduction: Bool
    }

    static func discovery(contact: String, keyService: String, endpoints: [Endpoint], _ format: ResponseFormat) -> [UInt8] {
        bytes(format, { write(contact, keyService, endpoints, &$0) }, { write(contact, keyService, endpoints, &$0) })
    }

    private static func write(_ contact: String, _ keyService: String, _ endpoints: [Endpoint], _ writer: inout some WireWriter) {
        writer.beginDocument(object: "discovery")
        writer.field("changeset", endpoints.map(\.changeset).max() ?? Timestamp(seconds: 0))
        writer.field("contact", contact)
        writer.field("key_service", keyService)
        writer.beginList("endpoints")
        for endpoint in endpoints {
            writer.beginItem("endpoint")
            // The token that clients compare letter by letter.
            writer.field("specification", "http://wiki.open311.org/GeoReport_v2")
            writer.field("url", endpoint.url)
            writer.field("changeset", endpoint.changeset)
            writer.field("type", endpoint.isProduction ? "production" : "test")
            writer.beginList("formats")
            writer.item("format", "text/xml")
            writer.item("format", "application/json")
            writer.endList("formats")
            writer.endItem("endpoint")
        }
        writer.endList("endpoints")
        writer.endDocument(object: "discovery")
    }

    // MARK: Errors

    static func errors(code: Int, _ descriptions: [String], _ format: ResponseFormat) -> [UInt8] {
        bytes(format, { write(code, descriptions, &$0) }, { write(code, descriptions, &$0) })
    }

    private static func write(_ code: Int, _ descriptions: [String], _ writer: inout some WireWriter) {
        writer.beginDocument(list: "errors")
        for description in descriptions {
            writer.beginItem("error")
            writer.field("code", Int64(code))
            writer.field("description", description)
            writer.endItem("error")
        }
        writer.endDocument(list: "errors")
    }
}
