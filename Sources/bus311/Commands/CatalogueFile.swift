import ArgumentParser
import Foundation
import Open311

/// Reads a catalogue as a city would write it: a JSON array of services.
enum CatalogueFile {
    private struct Entry: Decodable {
        struct Choice: Decodable {
            let key: String
            let name: [String: String]
        }

        struct Attribute: Decodable {
            let code: String
            let variable: Bool?
            let datatype: String
            let required: Bool?
            /// Without it the attribute's place in the file counts.
            let order: Int?
            let description: [String: String]
            let datatype_description: [String: String]?
            let values: [Choice]?
        }

        let service_code: String
        let type: String?
        let service_name: [String: String]
        let description: [String: String]
        let group: [String: String]
        let keywords: [String]?
        let attributes: [Attribute]?
    }

    static func services(at path: String) throws -> [Service] {
        let entries = try JSONDecoder().decode([Entry].self, from: try Data(contentsOf: URL(fileURLWithPath: path)))
        return try entries.map { entry in
            guard let kind = ServiceKind(rawValue: entry.type ?? "realtime") else {
                throw ValidationError("\(path): \(entry.service_code): type must be realtime, batch or blackbox.")
            }
            return Service(
                code: try ServiceCode(validating: entry.service_code),
                kind: kind,
                name: text(entry.service_name),
                summary: text(entry.description),
                group: text(entry.group),
                keywords: entry.keywords ?? [],
                attributes: try (entry.attributes ?? []).enumerated().map { try attribute($1, order: $0 + 1, of: entry.service_code, path) }
            )
        }
    }

    private static func attribute(_ entry: Entry.Attribute, order: Int, of service: String, _ path: String) throws -> ServiceAttribute {
        guard let type = ServiceAttribute.DataType(rawValue: entry.datatype) else {
            throw ValidationError("\(path): \(service): \(entry.code): datatype \(entry.datatype) is unknown.")
        }
        return ServiceAttribute(
            code: entry.code, isVariable: entry.variable ?? true, dataType: type, isRequired: entry.required ?? false,
            order: entry.order ?? order,
            question: text(entry.description), hint: text(entry.datatype_description ?? [:]),
            choices: (entry.values ?? []).map { ServiceAttribute.Choice(key: $0.key, name: text($0.name)) })
    }

    private static func text(_ translations: [String: String]) -> LocalizedText {
        LocalizedText(
            Dictionary(
                translations.compactMap { tag, text in Language(parsing: tag).map { ($0, text) } }, uniquingKeysWith: { first, _ in first })
        )
    }
}
