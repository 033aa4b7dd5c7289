import Open311

/// What a path of the gateway asks for.
struct GeoReportTarget: Equatable {
    enum Resource: Equatable {
        case discovery
        case services
        case service(code: String)
        case requests
        case request(id: String)
        case token(String)
        case updates
        case serviceObjects
        case serviceObject(id: String)

        /// Whether its answer is a list of things with a place.
        var isOfPlaces: Bool {
            switch self {
            case .requests, .request, .serviceObjects, .serviceObject: true
            default: false
            }
        }

        var route: GeoReportRoute {
            switch self {
            case .discovery: .discovery
            case .services: .services
            case .service: .service
            case .requests: .requests
            case .request: .request
            case .token: .token
            case .updates: .updates
            case .serviceObjects: .serviceObjects
            case .serviceObject: .serviceObject
            }
        }
    }

    /// The tenant named by the path's prefix, as written.
    let tenant: String?
    /// Whether the path goes through `test/`: the endpoint where apps are tried.
    let isTest: Bool
    let resource: Resource
    /// Nil when the path has no extension: `Accept` decides.
    let format: ResponseFormat?

    /// - Parameter path: without the query; repeated slashes count as one.
    /// - Returns: nil when no resource has this path.
    init?(path: String) {
        var words = path.split(separator: "/")
        guard let last = words.popLast() else { return nil }
        let (stem, format) = Self.splitExtension(last)
        guard let name = FormReader.pathSegment(stem) else { return nil }
        self.format = format
        // /…/services/{code}.json: the word before the last names the resource.
        let parent = words.last.map(String.init)
        switch (parent, name) {
        case ("services", _), ("service", _):
            words.removeLast()
            resource = .service(code: name)
        case ("requests", _), ("request", _):
            words.removeLast()
            resource = .request(id: name)
        case ("tokens", _):
            words.removeLast()
            resource = .token(name)
        case ("service_objects", _):
            words.removeLast()
            resource = .serviceObject(id: name)
        case (_, "service_objects"): resource = .serviceObjects
        case (_, "servicerequestupdates"): resource = .updates
        case (_, "services"): resource = .services
        case (_, "requests"): resource = .requests
        case (_, "discovery"): resource = .discovery
        default: return nil
        }
        if format == .geojson, !resource.isOfPlaces { return nil }
        let isUnderBase = words.suffix(2) == ["open311", "v2"]
        if isUnderBase { words.removeLast(2) }
        // No tenant's key can be this word: each ends in six hexadecimal digits.
        isTest = words.last == "test"
        if isTest { words.removeLast() }
        guard words.count <= 1, isUnderBase || resource == .discovery else { return nil }
        tenant = words.first.map(String.init)
    }

    /// The last dot separates the extension; an unknown one belongs to no resource, unless it is part of a code or id.
    private static func splitExtension(_ word: Substring) -> (Substring, ResponseFormat?) {
        if word.hasSuffix(".json") { return (word.dropLast(5), .json) }
        if word.hasSuffix(".xml") { return (word.dropLast(4), .xml) }
        if word.hasSuffix(".geojson") { return (word.dropLast(8), .geojson) }
        return (word, nil)
    }
}
