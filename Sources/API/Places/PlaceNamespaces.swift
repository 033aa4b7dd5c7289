import Open311

/// The namespaces of service objects that a city owns: with an object's id behind it, each is the address of that object.
struct PlaceNamespaces {
    /// Points of interest, parkings and facilities: CitySDK Tourism's `base`.
    let pois: String
    /// What no visitor looks for.
    let objects: String

    /// - Parameter root: scheme and authority of the gateway as citizens see it.
    init(root: String, tenant: Tenant) {
        pois = "\(root)/\(tenant.key)/tourism/pois/"
        objects = "\(root)/\(tenant.key)/open311/v2/service_objects/"
    }

    func namespace(of kind: PlaceKind) -> String { kind == .object ? objects : pois }

    /// The kinds that live in it; nil for somebody else's.
    func kinds(of namespace: String) -> Set<PlaceKind>? {
        switch namespace {
        case pois: [.pointOfInterest, .parking, .facility]
        case objects: [.object]
        default: nil
        }
    }
}
