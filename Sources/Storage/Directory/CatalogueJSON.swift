import Foundation
import Open311

/// How a catalogue's texts and attributes stand in the database: JSON objects of language to text, and an array of attributes.
enum CatalogueJSON {
    private struct StoredChoice: Codable {
        let key: String
        let name: [String: String]
    }

    private struct StoredAttribute: Codable {
        let code: String
        let variable: Bool
        let datatype: String
        let required: Bool
        let order: Int
        let question: [String: String]
        let hint: [String: String]
        let choices: [StoredChoice]
    }

    static func text(_ bytes: [UInt8]) -> LocalizedText {
        localized((try? JSONDecoder().decode([String: String].self, from: Data(bytes))) ?? [:])
    }

    static func bytes(_ text: LocalizedText) -> [UInt8] {
        var writer = JSONWriter(capacity: 64)
        writer.beginObject()
        for (language, value) in text.translations.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            writer.name(escaping: language.rawValue)
            writer.value(value)
        }
        writer.endObject()
        return writer.bytes
    }

    static func attributes(_ bytes: [UInt8]) -> [ServiceAttribute] {
        let stored = (try? JSONDecoder().decode([StoredAttribute].self, from: Data(bytes))) ?? []
        return stored.map { attribute in
            ServiceAttribute(
                code: attribute.code,
                isVariable: attribute.variable,
                dataType: ServiceAttribute.DataType(rawValue: attribute.datatype) ?? .string,
                isRequired: attribute.required,
                order: attribute.order,
                question: localized(attribute.question),
                hint: localized(attribute.hint),
                choices: attribute.choices.map { ServiceAttribute.Choice(key: $0.key, name: localized($0.name)) }
            )
        }
    }

    static func bytes(_ attributes: [ServiceAttribute]) throws(StorageError) -> [UInt8] {
        let stored = attributes.map { attribute in
            StoredAttribute(
                code: attribute.code,
                variable: attribute.isVariable,
                datatype: attribute.dataType.rawValue,
                required: attribute.isRequired,
                order: attribute.order,
                question: plain(attribute.question),
                hint: plain(attribute.hint),
                choices: attribute.choices.map { StoredChoice(key: $0.key, name: plain($0.name)) }
            )
        }
        do { return Array(try JSONEncoder().encode(stored)) } catch {
            throw StorageError(.internalFault, detail: "catalogue not encodable")
        }
    }

    private static func plain(_ text: LocalizedText) -> [String: String] {
        Dictionary(text.translations.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    private static func localized(_ texts: [String: String]) -> LocalizedText {
        LocalizedText(
            Dictionary(
                texts.compactMap { tag, text in Language(parsing: tag).map { ($0, text) } }, uniquingKeysWith: { first, _ in first }))
    }
}
