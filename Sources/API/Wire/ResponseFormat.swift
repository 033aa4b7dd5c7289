/// The two formats of GeoReport, chosen by the path's extension.
public enum ResponseFormat: Sendable, Equatable {
    case json, xml

    var contentType: String {
        switch self {
        case .json: "application/json; charset=utf-8"
        case .xml: "text/xml; charset=utf-8"
        }
    }

    /// For a path without a known extension: JSON for who prefers it, otherwise XML.
    static func preferred(accept: String?) -> ResponseFormat {
        let kinds = (accept ?? "").lowercased().split(separator: ",").map { $0.drop { $0 == " " } }
        return kinds.first { $0.hasPrefix("application/json") || $0.contains("xml") }?.hasPrefix("application/json") == true ? .json : .xml
    }
}
