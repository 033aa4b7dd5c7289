/// What a search of CitySDK's Linked Data may ask of places. Filters combine with AND.
public struct LinkedPlaceFilter: Sendable, Equatable {
    /// A condition on an object's data.
    public struct Field: Sendable, Equatable {
        public let name: String
        /// Nil: it is there, whatever it says.
        public let value: String?

        public init(name: String, value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// Empty when nothing matches.
    public var kinds: Set<PlaceKind> = [.pointOfInterest, .parking, .facility]
    /// As it stands in a `cdk_id`, behind the layer.
    public var linkedID: String?
    /// In a title, without regard to case and accents; where it stands first, best.
    public var title: String?
    public var fields: [Field] = []
    /// Wholly inside.
    public var box: BoundingBox?
    public var circle: SearchCircle?
    /// From where distances count, and by which they are ordered.
    public var origin: Coordinate?
    /// Touched by this place's ground, or its point.
    public var touching: Place?
    public var excluded: PlaceID?
    public var limit = 10
    public var offset = 0

    public init() {}

    /// The id of a place as it stands in a `cdk_id`: lower case, a dot for each run of what is no letter, digit or underscore.
    public static func linkedID(_ id: PlaceID) -> String {
        id.rawValue.lowercased().split { !($0.isLetter || $0.isNumber || $0 == "_") }.joined(separator: ".")
    }
}

/// A place with what Linked Data show of it.
public struct LinkedPlace: Sendable, Equatable {
    public let known: KnownPlace
    public let title: String
    /// Keys with texts, in one order.
    public let data: [(key: String, value: String)]

    public init(known: KnownPlace, title: String, data: [(key: String, value: String)]) {
        self.known = known
        self.title = title
        self.data = data
    }

    public static func == (left: LinkedPlace, right: LinkedPlace) -> Bool {
        left.known == right.known && left.title == right.title && left.data.elementsEqual(right.data, by: ==)
    }
}
