import Foundation
import Open311
import Testing

@testable import API

@Suite("status-ingest.json and docs/vendors/errors.md")
struct StatusIngestDescriptionTests {
    private static let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL

    private func document() throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(StatusIngestService.openAPIDocument))
        return try #require(parsed as? [String: Any])
    }

    @Test("every reference leads somewhere, every operation has a name of its own, every refusal is a problem")
    func isWhole() throws {
        let document = try document()
        var names: [String] = []
        for (path, methods) in try #require(document["paths"] as? [String: [String: Any]]) {
            for (method, value) in methods {
                let operation = try #require(value as? [String: Any])
                names.append(try #require(operation["operationId"] as? String))
                let responses = try #require(operation["responses"] as? [String: [String: Any]])
                #expect(Set(responses.keys).isSuperset(of: ["401", "405", "500", "503"]), "\(method) \(path)")
                for (status, response) in responses where status >= "400" {
                    #expect(
                        (response["content"] as? [String: Any])?.keys.first == "application/problem+json", "\(method) \(path) \(status)")
                }
            }
        }
        #expect(Set(names).count == names.count)
        for reference in Set(String(decoding: StatusIngestService.openAPIDocument, as: UTF8.self).matches(of: /"#\/([^"]+)"/).map(\.1)) {
            var part: Any? = document
            for word in reference.split(separator: "/") { part = (part as? [String: Any])?[String(word)] }
            #expect(part != nil, "\(reference) leads nowhere")
        }
    }

    @Test("what lists and live counts take is described, and no member hides another")
    func parameters() throws {
        #expect(throws: Never.self, "a member that occurs twice") { try JSONReader.value(StatusIngestService.openAPIDocument) }
        let paths = try #require(try document()["paths"] as? [String: [String: Any]])
        func names(_ path: String) -> Set<String> {
            let operation = paths[path]?["get"] as? [String: Any]
            return Set((operation?["parameters"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String })
        }
        #expect(names("/v1/service-requests/{service_request_id}/updates") == ["service_request_id", "limit", "after"])
        #expect(names("/v1/status-updates/refused") == ["limit", "after"])
        for method in ["put", "post"] {
            let body = (paths["/v1/live-counts"]?[method] as? [String: Any])?["requestBody"] as? [String: Any]
            #expect(Set((body?["content"] as? [String: Any] ?? [:]).keys) == ["application/json", "text/csv"])
        }
    }

    @Test("the catalogue for vendors has every code of the program, and no other")
    func codesAreListed() throws {
        let catalogue = try String(contentsOf: Self.root.appending(path: "docs/vendors/errors.md"), encoding: .utf8)
        let listed = Set(catalogue.matches(of: /(?m)^\| `([a-z-]+)` \|/).map { String($0.1) })
        var inCode: Set<String> = []
        let sources = Self.root.appending(path: "Sources")
        for file in try FileManager.default.subpathsOfDirectory(atPath: sources.path) where file.hasSuffix(".swift") {
            let text = try String(contentsOf: sources.appending(path: file), encoding: .utf8)
            let found = text.matches(of: /(?:StatusUpdateFault|Problem)\(\s*(?:\d+,\s*)?"([a-z-]+)"/)
            inCode.formUnion(found.map { String($0.1) })
        }
        #expect(inCode.count > 40)
        #expect(listed.subtracting(inCode) == [], "nowhere in the program")
        #expect(inCode.subtracting(listed) == [], "nowhere in errors.md")
    }
}
