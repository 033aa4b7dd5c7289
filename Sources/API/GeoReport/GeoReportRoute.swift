/// The routes of the citizen API: the table that the gateway serves by and that openapi.json is held to.
enum GeoReportRoute: String, CaseIterable {
    case discovery
    case services
    case service
    case requests
    case request
    case token
    case updates
    case serviceObjects = "service_objects"
    case serviceObject = "service_object"

    /// Below a base, as in openapi.json.
    var template: String {
        switch self {
        case .discovery: "/discovery.{format}"
        case .services: "/services.{format}"
        case .service: "/services/{service_code}.{format}"
        case .requests: "/requests.{format}"
        case .request: "/requests/{service_request_id}.{format}"
        case .token: "/tokens/{token}.{format}"
        case .updates: "/servicerequestupdates.{format}"
        case .serviceObjects: "/service_objects.{format}"
        case .serviceObject: "/service_objects/{service_object_id}.{format}"
        }
    }

    var takesPost: Bool { self == .requests || self == .updates }

    /// As in `Allow`.
    var allowed: String { takesPost ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS" }
}
