/// What a tenant tells about its city, each kind a document of its own that is kept version by version.
public enum ReferenceKind: String, Sendable, CaseIterable {
    /// Services with their groups, questions and translations.
    case catalogue
    /// The territory.
    case boundary
    /// The CRM's own status codes, and what each stands for.
    case statusMapping = "status_mapping"
    case pointsOfInterest = "points_of_interest"
    case parkings
    case facilities
    case serviceObjects = "service_objects"
    /// Of the places in the four before.
    case placeCategories = "place_categories"

    /// As it stands in paths and on command lines: words joined by hyphens.
    public var pathName: String { String(rawValue.map { $0 == "_" ? "-" : $0 }) }

    /// Takes the words joined by hyphens or underscores.
    public init?(pathName: some StringProtocol) {
        self.init(rawValue: String(pathName.map { $0 == "-" ? "_" : $0 }))
    }

    /// The member that tells one entry of the document from the others, where the document is a list; nil where it is one whole.
    public var entryKey: String? {
        switch self {
        case .catalogue: "service_code"
        case .boundary: nil
        case .statusMapping: "code"
        case .pointsOfInterest, .parkings, .facilities, .serviceObjects, .placeCategories: "id"
        }
    }
}
