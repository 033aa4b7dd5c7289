/// The collections of things that a city publishes: each is a document of its own among the tenant's reference data.
public enum PlaceKind: String, Sendable, CaseIterable, Hashable {
    case pointOfInterest = "poi"
    case parking
    case facility
    /// What requests are about and no visitor looks for: a lamp post, a bench.
    case object

    /// The reference data that hold its places.
    public var collection: ReferenceKind {
        switch self {
        case .pointOfInterest: .pointsOfInterest
        case .parking: .parkings
        case .facility: .facilities
        case .object: .serviceObjects
        }
    }

    /// Nil for reference data that hold no places.
    public init?(collection: ReferenceKind) {
        guard let kind = Self.allCases.first(where: { $0.collection == collection }) else { return nil }
        self = kind
    }

    /// Of a place that names none.
    public var usualCategory: String { self == .parking ? "parking" : "other" }
}

/// The id of a place, the same in paths, forms and messages: 1 to 100 letters, digits and `-._~`, of its own among all kinds of its
/// tenant.
public struct PlaceID: Sendable, Hashable, Comparable, CustomStringConvertible {
    public static let maximumLength = 100
    public let rawValue: String

    public init?(_ text: String) {
        guard (1...Self.maximumLength).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed), text != ".", text != ".." else {
            return nil
        }
        rawValue = text
    }

    /// RFC 3986's unreserved characters: nothing that a path would have to escape.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        (97...122).contains(byte | 32) || (48...57).contains(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "~")
    }

    public static func < (left: PlaceID, right: PlaceID) -> Bool { left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8) }
    public var description: String { rawValue }
}

/// A thing of the city with a place: a museum, a parking, a town hall, a lamp post.
public struct Place: Sendable, Equatable {
    public let id: PlaceID
    public var name: LocalizedText
    public var summary = LocalizedText([:])
    /// The id of a category of the tenant's, or of one that every city has; any other text is a category by itself.
    public var category: String
    public var tags: [String] = []
    /// Its middle.
    public var position: Coordinate
    /// Where one goes in, when that is elsewhere.
    public var entrance: Coordinate?
    /// The ground it covers; at least three corners, not closed.
    public var outline: [Coordinate] = []
    public var address: String?
    public var phone: String?
    public var url: String?
    public var icon: String?
    /// What stands on it: a number on a lamp post, the text of a QR code.
    public var codes: [String] = []
    public var parent: PlaceID?
    public var hours = LocalizedText([:])
    public var price = LocalizedText([:])
    /// Places for cars.
    public var capacity: Int?
    /// After how many minutes a count of free places is old.
    public var staleAfter: Int?

    public static let usualStaleAfter = 15

    public init(id: PlaceID, name: LocalizedText, category: String, position: Coordinate) {
        self.id = id
        self.name = name
        self.category = category
        self.position = position
    }
}
