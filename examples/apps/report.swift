// Reports something to a city and follows it until it is closed, with Foundation: the same code runs on iOS.
//
//     swiftc report.swift && ./report BASE KEY DESCRIPTION [SECONDS]
//
// BASE: a city's own base, as its discovery document names it. SECONDS: between two looks, 60 if not given.
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

struct Service: Decodable {
    let service_code: String
    let type: String
    let metadata: Bool
}

struct Created: Decodable { let service_request_id: String }

struct ServiceRequest: Decodable {
    let status: String
    let status_notes: String?
}

/// A refusal is always a list of these.
struct Refusal: Error, Decodable { let description: String }

/// The answer's bytes; nil for 304. Waits and tries again when told to.
func call(_ request: URLRequest) async throws -> (body: Data?, tag: String?) {
    while true {
        let (body, response) = try await URLSession.shared.data(for: request)
        guard let answer = response as? HTTPURLResponse else { throw Refusal(description: "no HTTP answer") }
        switch answer.statusCode {
        case 200: return (body, answer.value(forHTTPHeaderField: "ETag"))
        case 304: return (nil, answer.value(forHTTPHeaderField: "ETag"))
        case 429, 503:
            try await Task.sleep(for: .seconds(Int(answer.value(forHTTPHeaderField: "Retry-After") ?? "") ?? 5))
        default: throw try JSONDecoder().decode([Refusal].self, from: body).first ?? Refusal(description: "\(answer.statusCode)")
        }
    }
}

func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
}

let arguments = CommandLine.arguments
guard arguments.count >= 4, let base = URL(string: arguments[1]) else {
    FileHandle.standardError.write(Data("usage: report BASE KEY DESCRIPTION [SECONDS]\n".utf8))
    exit(64)
}
let seconds = arguments.count > 4 ? Double(arguments[4]) ?? 60 : 60

let listed = try await call(URLRequest(url: base.appendingPathComponent("services.json"))).body ?? Data()
// One that asks no question and answers with an id.
guard let service = try JSONDecoder().decode([Service].self, from: listed).first(where: { $0.type == "realtime" && !$0.metadata }) else {
    throw Refusal(description: "no service without questions")
}

var report = URLRequest(url: base.appendingPathComponent("requests.json"))
report.httpMethod = "POST"
report.setValue(arguments[2], forHTTPHeaderField: "X-API-Key")
// Sent again with the same key after a lost connection, it is the same report.
report.setValue(UUID().uuidString, forHTTPHeaderField: "Idempotency-Key")
report.setValue("application/x-www-form-urlencoded; charset=utf-8", forHTTPHeaderField: "Content-Type")
report.httpBody = Data(
    "service_code=\(escaped(service.service_code))&lat=43.6&long=3.2&description=\(escaped(arguments[3]))".utf8)
let made = try JSONDecoder().decode([Created].self, from: try await call(report).body ?? Data())
guard let id = made.first?.service_request_id else { throw Refusal(description: "no id came back") }
print("reported: \(id)")

var look = URLRequest(url: base.appendingPathComponent("requests/\(id).json"))
look.cachePolicy = .reloadIgnoringLocalCacheData
while true {
    let (body, tag) = try await call(look)
    if let body, let request = try JSONDecoder().decode([ServiceRequest].self, from: body).first, request.status == "closed" {
        print("closed: \(request.status_notes ?? "")")
        break
    }
    // Next time only what has changed is sent.
    if let tag { look.setValue(tag, forHTTPHeaderField: "If-None-Match") }
    try await Task.sleep(for: .seconds(seconds))
}
