import ArgumentParser
import Foundation
import Open311

/// Reads a catalogue as a city would write it: a JSON array of services.
enum CatalogueFile {
    private struct Entry: Codable {
        struct Choice: Codable {
            let key: String
            let name: [String: String]
        }

        struct Attribute: Codable {
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
        let entries: [Entry]
        do {
            entries = try JSONDecoder().decode([Entry].self, from: try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch let error as DecodingError {
            throw ValidationError("\(path) is no catalogue: \(Self.sentence(error))")
        }
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

    /// Where in the file, and what is wrong there.
    private static func sentence(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
            let path = (context.codingPath + [last].compactMap { $0 }).map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
            return path.isEmpty ? "at its beginning" : "at " + path.joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context): "\(place(context, key)): it is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(place(context)): it has the wrong type"
        case .dataCorrupted(let context): "\(place(context)): it is not JSON"
        @unknown default: "it cannot be read"
        }
    }

    /// The same form, from what is stored.
    static func data(_ services: [Service]) throws -> Data {
        let entries = services.map { service in
            Entry(
                service_code: service.code.rawValue, type: service.kind.rawValue, service_name: plain(service.name),
                description: plain(service.summary), group: plain(service.group), keywords: service.keywords,
                attributes: service.attributes.map { attribute in
                    Entry.Attribute(
                        code: attribute.code, variable: attribute.isVariable, datatype: attribute.dataType.rawValue,
                        required: attribute.isRequired, order: attribute.order, description: plain(attribute.question),
                        datatype_description: plain(attribute.hint),
                        values: attribute.choices.map { Entry.Choice(key: $0.key, name: plain($0.name)) })
                })
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(entries) + Data("\n".utf8)
    }

    private static func plain(_ text: LocalizedText) -> [String: String] {
        Dictionary(text.translations.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: { first, _ in first })
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
