import Curl
import Foundation

/// The broker's management HTTP API: how exchanges, queues, policies and users are read and changed.
///
/// Every operation is one request with its own time limit; putting what is there already and deleting what is gone both succeed.
public struct BrokerAdministration: Sendable {
    private let client: HTTPClient
    private let baseURL: String
    private let credentials: BasicAuthentication
    private let timeout: Duration

    /// - Parameters:
    ///   - client: the caller closes it.
    ///   - baseURL: of the management interface, as in `http://127.0.0.1:15672`; a path before `/api` is kept.
    ///   - credentials: of a user with the tag `administrator`.
    ///   - timeout: of each request.
    public init(client: HTTPClient, baseURL: String, credentials: BasicAuthentication, timeout: Duration = .seconds(15)) {
        self.client = client
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.credentials = credentials
        self.timeout = timeout
    }

    /// Reads an object; `nil` when there is none.
    func get<Value: Decodable>(
        _ type: Value.Type,
        _ path: [String],
        query: [(String, String)] = []
    ) async throws(BrokerAdministrationError) -> Value? {
        let operation = ManagementOperation(method: "GET", path: path, query: query)
        let response = try await send(operation)
        if response.status == 404 { return nil }
        guard response.isSuccess else { throw refusal(response, of: operation) }
        return try decode(response, of: operation)
    }

    /// Reads every page of a long list. Items that come or go meanwhile may be missed or seen twice.
    func list<Item: Decodable>(
        _ type: Item.Type,
        _ path: [String],
        query: [(String, String)] = [],
        pageSize: Int = 500
    ) async throws(BrokerAdministrationError) -> [Item] {
        var items: [Item] = []
        var page = 1
        while true {
            let paging = [("page", String(page)), ("page_size", String(pageSize))]
            let operation = ManagementOperation(method: "GET", path: path, query: query + paging)
            let response = try await send(operation)
            if response.status == 404 { return items }
            // The list has become shorter while it was read.
            if response.status == 400, page > 1, Refusal(response)?.error == "page_out_of_range" { return items }
            guard response.isSuccess else { throw refusal(response, of: operation) }
            let answer: Page<Item> = try decode(response, of: operation)
            items += answer.items
            guard page < answer.pageCount else { return items }
            page += 1
        }
    }

    func put(_ path: [String], _ body: some Encodable) async throws(BrokerAdministrationError) {
        try await change(ManagementOperation(method: "PUT", path: path), body: body)
    }

    func post(_ path: [String], _ body: some Encodable) async throws(BrokerAdministrationError) {
        try await change(ManagementOperation(method: "POST", path: path), body: body)
    }

    /// Deletes; what is not there is as good as deleted.
    func delete(_ path: [String]) async throws(BrokerAdministrationError) {
        let operation = ManagementOperation(method: "DELETE", path: path)
        let response = try await send(operation)
        guard response.isSuccess || response.status == 404 else { throw refusal(response, of: operation) }
    }

    /// The status of a check that answers 503 when it fails, and its reason.
    func check(_ path: [String]) async throws(BrokerAdministrationError) -> (passed: Bool, reason: String) {
        let operation = ManagementOperation(method: "GET", path: path)
        let response = try await send(operation)
        guard response.isSuccess || response.status == 503 else { throw refusal(response, of: operation) }
        return (response.isSuccess, Refusal(response)?.reason ?? "")
    }

    // MARK: One request

    private func change(_ operation: ManagementOperation, body: some Encodable) async throws(BrokerAdministrationError) {
        let bytes: [UInt8]
        do {
            bytes = Array(try JSONEncoder().encode(body))
        } catch {
            throw .malformedAnswer(operation: operation.description, detail: "its body cannot be written as JSON")
        }
        let response = try await send(operation, body: bytes)
        guard response.isSuccess else { throw refusal(response, of: operation) }
    }

    func send(_ operation: ManagementOperation, body: [UInt8]? = nil) async throws(BrokerAdministrationError) -> HTTPResponse {
        do {
            return try await client.send(
                HTTPRequest(
                    method: operation.method,
                    url: baseURL + operation.pathAndQuery,
                    headers: [HTTPHeader(name: "Content-Type", value: "application/json")],
                    body: body,
                    basicAuthentication: credentials,
                    timeout: timeout,
                    maximumResponseBytes: 32 * 1_048_576
                )
            )
        } catch {
            throw .unreachable(operation: operation.description, error)
        }
    }

    private func decode<Value: Decodable>(
        _ response: HTTPResponse,
        of operation: ManagementOperation
    ) throws(BrokerAdministrationError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(response.body))
        } catch DecodingError.keyNotFound(let key, _) {
            throw .malformedAnswer(operation: operation.description, detail: "it has no \(key.stringValue)")
        } catch {
            throw .malformedAnswer(operation: operation.description, detail: "it is not the JSON that was expected")
        }
    }

    func refusal(_ response: HTTPResponse, of operation: ManagementOperation) -> BrokerAdministrationError {
        let refusal = Refusal(response)
        // "Login failed" is the broker's reason for a wrong password; a user without rights gets another.
        if response.status == 401, refusal?.reason == nil || refusal?.reason == "Login failed" {
            return .notAuthenticated(operation: operation.description)
        }
        let reason = String((refusal?.reason ?? refusal?.error ?? "no reason given").prefix(300))
        if response.status == 401 || response.status == 403 { return .notAllowed(operation: operation.description, reason: reason) }
        return .refused(operation: operation.description, status: response.status, reason: reason)
    }
}

/// One request to the management API, as it is shown in errors: without host and credentials.
struct ManagementOperation: CustomStringConvertible {
    let method: String
    /// The segments below `/api`, not yet encoded: a virtual host may be named `/`.
    let path: [String]
    var query: [(String, String)] = []

    var pathAndQuery: String {
        let query = query.map { "\(Self.encode($0))=\(Self.encode($1))" }.joined(separator: "&")
        return "/api/" + path.map(Self.encode).joined(separator: "/") + (query.isEmpty ? "" : "?" + query)
    }

    var description: String { "\(method) /api/" + path.map(Self.encode).joined(separator: "/") }

    /// Everything but RFC 3986's unreserved characters.
    static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}

private struct Page<Item: Decodable>: Decodable {
    let items: [Item]
    let pageCount: Int

    enum CodingKeys: String, CodingKey {
        case items
        case pageCount = "page_count"
    }
}

/// The body of a refusal; either field may be something else than text, and is then left out.
private struct Refusal: Decodable {
    let error: String?
    let reason: String?

    init?(_ response: HTTPResponse) {
        guard let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(response.body)) else { return nil }
        self = refusal
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        error = try? container.decode(String.self, forKey: .error)
        reason = try? container.decode(String.self, forKey: .reason)
    }

    enum CodingKeys: CodingKey { case error, reason }
}
