/// A catalogue as a table. A row is a service; where `attribute` is filled it is a question of the service above or named; where
/// `value` is filled too it is a choice of that question. Texts stand in columns such as `service_name.fr`.
public enum CatalogueTable {
    private static let plain = ["service_code", "type", "keywords", "attribute", "datatype", "variable", "required", "order", "value"]
    private static let texts = ["service_name", "description", "group", "datatype_description", "name"]

    private static let serviceColumns: Set<String> = ["type", "keywords", "service_name", "description", "group"]
    private static let attributeColumns: Set<String> = ["datatype", "variable", "required", "order", "description", "datatype_description"]

    private static let ownService = "the service needs a row of its own, where attribute is empty"
    private static let ownQuestion = "the question needs a row of its own, where value is empty"

    /// Services as a tree, with the cell behind each part of it. Lists of questions and choices are keyed by their codes, so that the
    /// tree is a patch too (``ReferencePatch``).
    public static func tree(_ table: Table, language: Language) throws(ReferenceFaults) -> PlacedTree {
        var builder = TableBuilder(table: table, language: language, plain: Set(plain), texts: Set(texts))
        guard let codeColumn = table.columns.firstIndex(of: "service_code") else {
            throw ReferenceFaults([
                ReferenceFault(
                    "#row=1", "There is no column service_code. Known: \((plain + texts.map { $0 + ".fr" }).joined(separator: ", ")).")
            ])
        }
        var current = ""
        for row in table.rows {
            if !row.cells[codeColumn].isEmpty { current = CleanText.singleSpaced(row.cells[codeColumn]) }
            guard !current.isEmpty else {
                builder.fault(row, codeColumn, "service_code is empty, and no service stands above.")
                continue
            }
            let attribute = builder.text(row, "attribute")
            let value = builder.text(row, "value")
            switch (attribute, value) {
            case (nil, nil):
                builder.begin([current], row, codeColumn)
                builder.fill([current], row, serviceColumns, of: "a service's row")
            case (let attribute?, nil):
                builder.begin(
                    [current, "attributes", attribute], row, builder.column("attribute"),
                    outer: [1: "This row is a question's: \(ownService)."])
                builder.fill(
                    [current, "attributes", attribute], row, attributeColumns, of: "a question's row",
                    remedy: "leave the cell empty, and say it in the service's own row, where attribute is empty")
            case (let attribute?, let value?):
                builder.begin(
                    [current, "attributes", attribute, "values", value], row, builder.column("value"),
                    outer: [1: "This row is a choice's: \(ownService).", 3: "This row is a choice's: \(ownQuestion)."])
                builder.fill(
                    [current, "attributes", attribute, "values", value], row, ["name"], of: "a choice's row",
                    remedy: "leave the cell empty, and say it in the row of the service, or of its question")
            case (nil, _?):
                builder.fault(row, builder.column("value"), "A value needs the attribute that it belongs to, in the column attribute.")
            }
        }
        return builder.finished()
    }

    /// - Parameter document: in the canonical form.
    public static func csv(_ document: JSONValue) -> [UInt8] {
        let services = document.array ?? []
        var languages: Set<String> = []
        func collect(_ value: JSONValue?) { for member in value?.object ?? [] { languages.insert(member.name) } }
        for service in services {
            for name in ["service_name", "description", "group"] { collect(service[name]) }
            for attribute in service["attributes"]?.array ?? [] {
                collect(attribute["description"])
                collect(attribute["datatype_description"])
                for choice in attribute["values"]?.array ?? [] { collect(choice["name"]) }
            }
        }
        let tags = languages.sorted()
        let columns = plain + texts.flatMap { name in tags.map { name + "." + $0 } }
        var writer = TableWriter()
        writer.row(columns)
        func write(_ fields: [String: String], _ localized: [String: JSONValue?]) {
            writer.row(
                columns.map { column in
                    if let field = fields[column] { return field }
                    guard let dot = column.firstIndex(of: "."), let value = localized[String(column[..<dot])] else { return "" }
                    return value?[String(column[column.index(after: dot)...])]?.string ?? ""
                })
        }
        for service in services {
            let code = service["service_code"]?.string ?? ""
            write(
                [
                    "service_code": code, "type": service["type"]?.string ?? "",
                    "keywords": (service["keywords"]?.array ?? []).compactMap(\.string).joined(separator: ", "),
                ], ["service_name": service["service_name"], "description": service["description"], "group": service["group"]])
            for attribute in service["attributes"]?.array ?? [] {
                let name = attribute["code"]?.string ?? ""
                write(
                    [
                        "service_code": code, "attribute": name, "datatype": attribute["datatype"]?.string ?? "",
                        "variable": attribute["variable"]?.bool == false ? "false" : "true",
                        "required": attribute["required"]?.bool == true ? "true" : "false",
                        "order": attribute["order"]?.number.map { DecimalForm.text($0) } ?? "",
                    ], ["description": attribute["description"], "datatype_description": attribute["datatype_description"]])
                for choice in attribute["values"]?.array ?? [] {
                    write(["service_code": code, "attribute": name, "value": choice["key"]?.string ?? ""], ["name": choice["name"]])
                }
            }
        }
        return writer.bytes
    }
}
