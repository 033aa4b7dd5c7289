import HTTPTypes
import Hummingbird
import Open311
import Storage

/// Where a page stands among the others, in headers: the body is the plain list.
struct PageHeaders {
    let filter: ServiceRequestFilter
    let page: ServiceRequestPage
    let reading: Reading
    /// Scheme and authority of the gateway as citizens see it.
    let root: String

    static let resultCount = HTTPField.Name("X-Result-Count") ?? .from
    static let pageCount = HTTPField.Name("X-Page-Count") ?? .from
    static let pageSize = HTTPField.Name("X-Page-Size") ?? .from
    static let pageNumber = HTTPField.Name("X-Page") ?? .from
    static let nextPage = HTTPField.Name("X-Next-Page-URL") ?? .from
    static let previousPage = HTTPField.Name("X-Previous-Page-URL") ?? .from
    static let link = HTTPField.Name("Link") ?? .from

    func write(into response: inout Response) {
        response.headers[Self.pageSize] = String(filter.limit)
        if let count = page.count {
            response.headers[Self.resultCount] = String(count)
            response.headers[Self.pageCount] = String((count + filter.limit - 1) / filter.limit)
        }
        var links: [String] = []
        if case .offset(let offset, counts: true) = filter.position {
            let number = offset / filter.limit + 1
            response.headers[Self.pageNumber] = String(number)
            if number > 1 {
                let url = url([("page", String(number - 1))])
                response.headers[Self.previousPage] = url
                links.append("<\(url)>; rel=\"prev\"")
            }
        }
        if let url = next {
            response.headers[Self.nextPage] = url
            links.append("<\(url)>; rel=\"next\"")
        }
        if !links.isEmpty { response.headers[Self.link] = links.joined(separator: ", ") }
    }

    /// By the last request of this page where the order allows, so that nothing is passed over and nothing repeated; else by
    /// the page's number.
    private var next: String? {
        guard page.hasMore, let last = page.requests.last else { return nil }
        guard filter.order.hasCursor else {
            guard case .offset(let offset, _) = filter.position else { return nil }
            return url([("page", String(offset / filter.limit + 2))])
        }
        let window: (from: Timestamp, to: Timestamp)
        if case .after(let cursor) = filter.position {
            window = (cursor.from, cursor.to)
        } else {
            window = filter.updated.map { ($0.lowerBound, $0.upperBound) } ?? (filter.requestedFrom, filter.requestedTo)
        }
        let moment = filter.order.field == .updated ? last.updatedAt : last.requestedAt
        return url([("cursor", SearchCursor(from: window.from, to: window.to, moment: moment, id: last.id).description)])
    }

    /// The same search elsewhere. The caller's key stays out: addresses are logged and shared.
    private func url(_ position: [(name: String, value: String)]) -> String {
        let replaced: Set<String> = ["page", "cursor", "page_size", "per_page", "max_requests", "api_key"]
        let kept = reading.query.all.filter { !replaced.contains($0.name) && !$0.value.isEmpty }
        let all = kept + [(name: "page_size", value: String(filter.limit))] + position
        return root + reading.request.uri.path + "?"
            + all.map { "\(FormWriter.escaped($0.name))=\(FormWriter.escaped($0.value))" }
            .joined(separator: "&")
    }
}

/// Writes what ``FormReader`` reads.
enum FormWriter {
    static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: ","):
                bytes.append(byte)
            default:
                bytes.append(UInt8(ascii: "%"))
                for digit in [byte >> 4, byte & 15] { bytes.append(digit < 10 ? 48 + digit : 55 + digit) }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
