import HTTPTypes
import Hummingbird
import Open311

/// Reads the arguments of Linked Data's lists (CitySDK reference, 3.3).
struct LinkedQuery {
    enum Format: Equatable {
        case json, jsonld
    }

    private static let usualCount = 10
    private static let maximumCount = 1_000
    private static let maximumPage = 100

    let fields: FormFields
    /// As they were sent, for the addresses of other pages.
    private let text: String

    init(_ request: Request) throws(GeoReportError) {
        text = request.uri.query ?? ""
        do { fields = try FormReader.fields(Array(text.utf8)) } catch { throw GeoReportError(422, "The query cannot be read.") }
    }

    /// `json`, or `jsonld`, which is what is meant when nothing is said.
    func format(_ request: Request, _ target: LinkedTarget) throws(GeoReportError) -> Format {
        guard !target.hasOtherExtension else { throw Self.notAcceptable }
        if target.isJSON { return .json }
        switch fields["format"]?.lowercased() {
        case "json"?: return .json
        case "jsonld"?: return .jsonld
        case nil, ""?: break
        default: throw Self.notAcceptable
        }
        let accept = request.headers[.accept]?.lowercased() ?? ""
        return !accept.contains("ld+json") && accept.contains("application/json") ? .json : .jsonld
    }

    private static let notAcceptable = GeoReportError(406, "Unknown format: use json or jsonld.")

    var hasGeometry: Bool { fields["geom"]?.lowercased() != "false" }
    var wantsCount: Bool { fields.all.contains { $0.0 == "count" } }

    // MARK: Pages

    var size: Int {
        guard let number = fields["per_page"].flatMap({ Int($0) }), number > 0 else { return Self.usualCount }
        return min(number, Self.maximumCount)
    }

    var page: Int { min(max(fields["page"].flatMap { Int($0) } ?? 1, 1), Self.maximumPage) }

    /// The address of another page: the other arguments as they came, then these two.
    private func address(_ base: String, _ page: Int) -> String {
        let kept = text.split(separator: "&").filter { part in
            let name = part.prefix { $0 != "=" }
            return name != "page" && name != "per_page"
        }
        return base + "?" + (kept.map(String.init) + ["page=\(page)", "per_page=\(size)"]).joined(separator: "&")
    }

    /// `Link` and `X-Result-Count`. The next page stands first: one client reads nothing else. A total is told when it is asked for, or
    /// known because this page is the last.
    ///
    /// - Parameters:
    ///   - count: on all pages; nil beyond the end.
    func pages(_ base: String, count: Int?) -> (link: String?, count: Int?) {
        var links: [String] = []
        func link(_ number: Int, _ relation: String) { links.append("<\(address(base, number))>; rel=\"\(relation)\"") }
        let last = count.map { max(1, ($0 + size - 1) / size) }
        let hasNext = last.map { page < min($0, Self.maximumPage) } ?? false
        if hasNext { link(page + 1, "next") }
        let isTold = wantsCount || !hasNext
        if isTold {
            if page > 1 {
                link(1, "first")
                link(page - 1, "prev")
            }
            if let last { link(last, "last") }
        }
        return (links.isEmpty ? nil : links.joined(separator: ", "), isTold ? count : nil)
    }

    // MARK: Filters

    /// - Throws: 422 for what cannot be read, 404 for a layer that there is not.
    func filter(_ tenant: Tenant) throws(GeoReportError) -> LinkedPlaceFilter {
        var filter = LinkedPlaceFilter()
        for name in layers where name != "*" {
            guard let layer = LinkedLayer.named(name, of: tenant) else { throw Self.unknown("Layer", name) }
            filter.kinds.formIntersection(layer.kinds)
        }
        for (name, value) in fields.all {
            guard let colons = name.firstRange(of: "::") else { continue }
            let layer = String(name[..<colons.lowerBound])
            guard let found = LinkedLayer.named(layer, of: tenant) else { throw Self.unknown("Layer", layer) }
            filter.kinds.formIntersection(found.kinds)
            guard filter.fields.count < 20 else { throw GeoReportError(422, "There are more than 20 conditions on fields.") }
            filter.fields.append(
                LinkedPlaceFilter.Field(name: String(name[colons.upperBound...]), value: isBare(name) ? nil : value))
        }
        if let title = fields["title"].map(CleanText.singleSpaced), !title.isEmpty { filter.title = String(title.prefix(200)) }
        if let corners = fields["bbox"] { filter.box = try Self.box(corners) }
        if let centre = try centre() {
            filter.origin = centre
            if let text = fields["radius"] {
                guard let radius = DecimalText.number(text), (0...SearchCircle.maximumRadius).contains(radius) else {
                    throw GeoReportError(422, "radius must be metres, 0 to 100000.")
                }
                filter.circle = SearchCircle(centre: centre, radius: radius)
            }
        } else if fields["radius"] != nil {
            throw GeoReportError(422, "radius needs lat and lon.")
        }
        filter.limit = size
        filter.offset = (page - 1) * size
        return filter
    }

    /// Whether any layer's data are asked for.
    var showsData: Bool { !layers.isEmpty || fields.all.contains { $0.0.contains("::") } }

    private var layers: [String] {
        (fields["layer"] ?? "").split(separator: ",").map { CleanText.singleSpaced(String($0)) }.filter { !$0.isEmpty }
    }

    /// Said without a value: `{layer}::{field}`.
    private func isBare(_ name: String) -> Bool {
        text.split(separator: "&").contains { part in
            !part.contains("=") && (try? FormReader.fields(Array(part.utf8)))?.all.first?.0 == name
        }
    }

    private func centre() throws(GeoReportError) -> Coordinate? {
        guard fields["lat"] != nil || fields["lon"] != nil else { return nil }
        guard let latitude = fields["lat"].flatMap(DecimalText.number), let longitude = fields["lon"].flatMap(DecimalText.number),
            let centre = Coordinate(latitude: latitude, longitude: longitude)
        else { throw GeoReportError(422, "lat and lon must be degrees, both or neither.") }
        return centre
    }

    /// Two opposite corners, latitude first.
    private static func box(_ text: String) throws(GeoReportError) -> BoundingBox {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map {
            DecimalText.number(CleanText.singleSpaced(String($0)))
        }
        let read = numbers.compactMap { $0 }
        guard numbers.count == 4, read.count == 4, Coordinate(latitude: read[0], longitude: read[1]) != nil,
            Coordinate(latitude: read[2], longitude: read[3]) != nil
        else { throw GeoReportError(422, "bbox must be lat1,lon1,lat2,lon2: two opposite corners.") }
        return BoundingBox(south: read[0], west: read[1], north: read[2], east: read[3])
    }

    static func unknown(_ what: String, _ name: String) -> GeoReportError {
        GeoReportError(404, "\(what) not found: '\(name.prefix(200))'")
    }
}
