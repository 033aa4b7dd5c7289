/// What a search for places may ask. Filters combine with AND.
public struct PlaceFilter: Sendable, Equatable {
    /// Of a page.
    public static let maximumCount = 1_000
    /// Places that a page's number may pass over.
    public static let maximumOffset = 50_000

    public var kinds: Set<PlaceKind> = Set(PlaceKind.allCases)
    public var ids: [PlaceID]?
    /// Ids of categories, any of them; empty when nothing matches.
    public var categories: [String]?
    /// All of them.
    public var tags: [String] = []
    /// All of them stand somewhere in a name, without regard to case and accents.
    public var words: [String] = []
    /// Touched by the place; closed by its first corner.
    public var ground: [Coordinate]?
    public var circle: SearchCircle?
    /// From where distances count, and by which they are ordered; nil orders by id.
    public var origin: Coordinate?
    public var parent: PlaceID?
    public var code: String?
    public var includesRetired = false
    public var limit = PlaceFilter.maximumCount
    public var offset = 0

    public init() {}

    /// The box that a match touches; nil for anywhere.
    public var box: BoundingBox? {
        guard let around = circle?.box else { return ground.flatMap { PlaceOutline($0).box } }
        guard let box = ground.flatMap({ PlaceOutline($0).box }) else { return around }
        return around.intersection(box) ?? BoundingBox(south: -90, west: -180, north: -90, east: -180)
    }
}

extension BoundingBox {
    /// Its corners, for ``PlaceFilter/ground``.
    public var corners: [Coordinate] {
        [(south, west), (south, east), (north, east), (north, west)].compactMap { Coordinate(latitude: $0.0, longitude: $0.1) }
    }
}

/// A place as it is known now.
public struct KnownPlace: Sendable, Equatable {
    public let kind: PlaceKind
    public let place: Place
    public let createdAt: Timestamp
    /// When the reference data last said something new of it.
    public let updatedAt: Timestamp
    /// Since when it is no longer among them.
    public let retiredAt: Timestamp?
    /// Of a parking that was ever counted.
    public let count: LiveCount?
    /// From the search's origin.
    public var metres: Double?

    public init(
        kind: PlaceKind, place: Place, createdAt: Timestamp, updatedAt: Timestamp, retiredAt: Timestamp?, count: LiveCount?,
        metres: Double? = nil
    ) {
        self.kind = kind
        self.place = place
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.retiredAt = retiredAt
        self.count = count
        self.metres = metres
    }

    /// Whether the count is too old to be believed.
    public func isStale(at now: Timestamp) -> Bool {
        guard let count else { return false }
        return count.countedAt.adding(seconds: Int64(place.staleAfter ?? Place.usualStaleAfter) * 60) < now
    }

    /// Of the places for cars, in percent, 0 to 100; nil without a fresh count or a capacity.
    public func occupation(at now: Timestamp) -> Int? {
        guard let count, !isStale(at: now), let capacity = place.capacity, capacity > 0 else { return nil }
        return Int((Double(max(0, capacity - count.free)) * 100 / Double(capacity)).rounded())
    }
}

/// How many places of a parking are free.
public struct LiveCount: Sendable, Equatable {
    public let free: Int
    public let countedAt: Timestamp
    public let receivedAt: Timestamp

    public init(free: Int, countedAt: Timestamp, receivedAt: Timestamp) {
        self.free = free
        self.countedAt = countedAt
        self.receivedAt = receivedAt
    }
}
