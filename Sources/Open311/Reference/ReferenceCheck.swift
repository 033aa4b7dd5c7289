/// One thing that is wrong with a reference document, or that its author should know.
public struct ReferenceFault: Sendable, Equatable, CustomStringConvertible {
    /// Where: a JSON pointer (RFC 6901) into the document as it was sent; a CSV fragment (RFC 7111) such as `#cell=7,3` for a table.
    public var pointer: String
    public var text: String

    public init(_ pointer: String, _ text: String) {
        self.pointer = pointer
        self.text = text
    }

    public var description: String { pointer.isEmpty ? text : "\(pointer): \(text)" }
}

/// Everything that is wrong with a reference document; nothing of it is kept.
public struct ReferenceFaults: Error, Sendable, Equatable {
    /// At least one, in the order of the document; no more than ``maximumListed``.
    public let listed: [ReferenceFault]
    /// Of all, the listed ones among them.
    public let count: Int

    public static let maximumListed = 1_000

    /// - Parameter count: of all, when some are left out already.
    public init(_ faults: [ReferenceFault], of count: Int? = nil) {
        listed = Array(faults.prefix(Self.maximumListed))
        self.count = max(count ?? 0, faults.count)
    }
}

/// A document that nothing is wrong with.
public struct CheckedReference: Sendable, Equatable {
    /// In the canonical form of its kind: what is stored, compared and given back.
    public let value: JSONValue
    /// What is legal and probably not meant, or missing in one of the tenant's languages.
    public let advice: [ReferenceFault]

    public init(value: JSONValue, advice: [ReferenceFault] = []) {
        self.value = value
        self.advice = advice
    }
}

/// What a kind's documents must be like.
public protocol ReferenceRules: Sendable {
    /// Looks at the whole document and tells every fault at once.
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference

    /// How a table of this kind becomes a tree; nil where it comes as JSON only.
    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { get }

    /// The canonical document as CSV; nil where it is given as JSON only.
    static func csv(_ document: JSONValue) -> [UInt8]?
}

extension ReferenceRules {
    public static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { nil }
    public static func csv(_ document: JSONValue) -> [UInt8]? { nil }
}

extension ReferenceKind {
    /// Nil for a kind that no version of the program takes yet.
    public var rules: (any ReferenceRules.Type)? {
        switch self {
        case .catalogue: CatalogueRules.self
        case .boundary: BoundaryRules.self
        case .statusMapping: StatusMappingRules.self
        case .pointsOfInterest: PointOfInterestRules.self
        case .parkings: ParkingRules.self
        case .facilities: FacilityRules.self
        case .serviceObjects: ServiceObjectRules.self
        case .placeCategories: PlaceCategoryRules.self
        }
    }
}
