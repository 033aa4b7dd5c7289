/// The two formats of GeoReport, chosen by the path's extension, and GeoJSON for lists of what has a place.
public enum ResponseFormat: Sendable, Equatable {
    case json, xml, geojson

    var contentType: String {
        switch self {
        case .json: "application/json; charset=utf-8"
        case .xml: "text/xml; charset=utf-8"
        case .geojson: "application/geo+json"
        }
    }

    /// The format that the end of a path names, even of one that is no resource's: its refusal is read by the same client.
    init?(extensionOf path: String) {
        if path.hasSuffix(".json") {
            self = .json
        } else if path.hasSuffix(".xml") {
            self = .xml
        } else if path.hasSuffix(".geojson") {
            self = .geojson
        } else {
            return nil
        }
    }

    /// Of whatever is no service request, such as an error.
    var ofDocuments: ResponseFormat { self == .geojson ? .json : self }

    /// For a path without a known extension: JSON for who prefers it, otherwise XML.
    ///
    /// - Returns: nil when the caller accepts neither.
    static func negotiated(accept: String?) -> ResponseFormat? {
        var best: (format: ResponseFormat, quality: Double)?
        let ranges = (accept ?? "*/*").lowercased().split(separator: ",")
        for range in ranges.isEmpty ? ["*/*"] : ranges {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " } }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            let format: ResponseFormat
            switch parts.first {
            case "application/json": format = .json
            case "text/xml", "application/xml", "text/*", "application/*", "*/*": format = .xml
            default: continue
            }
            if quality > best?.quality ?? 0 { best = (format, quality) }
        }
        return best?.format
    }
}
