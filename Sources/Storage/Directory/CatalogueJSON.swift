import Open311

/// How a catalogue's texts and attributes stand in the database: JSON objects of language to text, and an array of attributes. They
/// are written by the function that publishes a catalogue (bus311_project_catalogue).
enum CatalogueJSON {
    /// What cannot be read counts as absent.
    static func text(_ bytes: [UInt8]) -> LocalizedText { localized(try? JSONReader.value(bytes)) }

    static func attributes(_ bytes: [UInt8]) -> [ServiceAttribute] {
        ((try? JSONReader.value(bytes))?.array ?? []).compactMap { stored in
            guard let code = stored["code"]?.string else { return nil }
            return ServiceAttribute(
                code: code,
                isVariable: stored["variable"]?.bool ?? true,
                dataType: stored["datatype"]?.string.flatMap { ServiceAttribute.DataType(rawValue: $0) } ?? .string,
                isRequired: stored["required"]?.bool ?? false,
                order: stored["order"]?.number.flatMap { Int(exactly: $0) } ?? 1,
                question: localized(stored["question"]),
                hint: localized(stored["hint"]),
                choices: (stored["choices"]?.array ?? []).compactMap { choice in
                    choice["key"]?.string.map { ServiceAttribute.Choice(key: $0, name: localized(choice["name"])) }
                })
        }
    }

    private static func localized(_ texts: JSONValue?) -> LocalizedText {
        LocalizedText(
            Dictionary(
                (texts?.object ?? []).compactMap { member in
                    member.value.string.flatMap { text in Language(parsing: member.name).map { ($0, text) } }
                }, uniquingKeysWith: { first, _ in first }))
    }
}
