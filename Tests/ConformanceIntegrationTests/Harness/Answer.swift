import Curl
import Foundation
import Testing

/// What the gateway answered.
struct Answer: Sendable {
    let status: Int
    let headers: [HTTPHeader]
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    var contentType: String { header("Content-Type") ?? "" }

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }

    func json() throws -> JSON { try JSONDecoder().decode(JSON.self, from: Data(body)) }
    func xml() throws -> XMLTree { try XMLTree(body) }
    func items() throws -> [JSON] { try #require(try json().array, "no array at the top: \(text)") }
    func item() throws -> JSON { try #require(try items().first, "an empty array") }

    /// The ids of a list of service requests, in order.
    func ids() throws -> [String] { try items().compactMap { $0["service_request_id"]?.string } }

    /// The errors of an error document, which must be one in the format that the content type says.
    func errors() throws -> [(code: Int, description: String)] {
        let found: [(code: Int, description: String)]
        switch contentType {
        case "application/json; charset=utf-8":
            found = try items().map { error in
                let code = try #require(error["code"], "no code: \(text)")
                try #require(code.isIntegral, "code is no integer: \(text)")
                return (Int(code.number ?? 0), try #require(error["description"]?.string))
            }
        case "text/xml; charset=utf-8":
            let root = try xml()
            try #require(root.name == "errors" && root.children.allSatisfy { $0.name == "error" })
            found = try root.children.map { error in
                (try #require(Int(error["code"]?.text ?? "")), try #require(error["description"]?.text))
            }
        default:
            throw UnexpectedAnswer(what: "no error document but \(contentType): \(text)")
        }
        try #require(!found.isEmpty && found.allSatisfy { !$0.description.isEmpty }, "an error without description: \(text)")
        return found
    }

    /// Requires a refusal with this status in an error document, one of whose descriptions has the word.
    func requireRefusal(_ expected: Int, naming word: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(status == expected, "\(status): \(text)", sourceLocation: sourceLocation)
        let errors = try errors()
        try #require(errors.allSatisfy { $0.code == expected }, "\(text)", sourceLocation: sourceLocation)
        try #require(
            word.isEmpty || errors.contains { $0.description.contains(word) },
            "no \(word) in \(text)",
            sourceLocation: sourceLocation
        )
    }
}

extension Answer {
    /// A citizen's answer to one question, as the store keeps it.
    struct Stored: Equatable, Decodable {
        let code: String
        let values: [String]
    }
}

struct UnexpectedAnswer: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
}

/// Holds a document to xmllint, the judge outside.
enum XMLLint {
    static func check(_ bytes: [UInt8]) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-\(UUID().uuidString).xml")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/xmllint")
        process.arguments = ["--noout", "--nonet", file.path]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw UnexpectedAnswer(what: "xmllint refuses \(String(decoding: bytes, as: UTF8.self))")
        }
    }
}
