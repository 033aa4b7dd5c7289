import ArgumentParser
import Foundation
import Open311

/// A catalogue as a city writes it into a file: a JSON array of services.
enum CatalogueFile {
    /// - Parameter languages: the tenant's, its own first.
    /// - Throws: ``ReferenceFaults`` with every fault; a sentence when it is no JSON at all.
    static func services(at path: String, languages: [Language]) throws -> [Service] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read: check its path and its rights.")
        }
        let value: JSONValue
        do { value = try JSONReader.value(Array(data)) } catch { throw ValidationError("\(path) is no JSON: \(error).") }
        return try CatalogueRules.services(value, languages: languages).services
    }

    /// For a command that loads it or nothing.
    static func loaded(from path: String, languages: [Language]) throws -> [Service] {
        do { return try services(at: path, languages: languages) } catch let faults as ReferenceFaults {
            throw ValidationError("\(path) was not loaded:\n" + lines(faults).joined(separator: "\n"))
        }
    }

    static func lines(_ faults: ReferenceFaults) -> [String] {
        let more = faults.count - faults.listed.count
        return faults.listed.map { "\($0.text)\($0.pointer.isEmpty ? "" : " (\($0.pointer))")" } + (more > 0 ? ["and \(more) more."] : [])
    }

    /// The same form, from what is stored.
    static func data(_ services: [Service]) throws -> Data {
        let document = try JSONSerialization.jsonObject(with: Data(CatalogueRules.document(services).canonicalBytes))
        return try JSONSerialization.data(withJSONObject: document, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            + Data("\n".utf8)
    }
}
