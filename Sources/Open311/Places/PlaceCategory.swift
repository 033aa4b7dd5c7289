/// One node of the tree of categories.
public struct PlaceCategory: Sendable, Equatable {
    public let id: String
    public var label: LocalizedText
    /// The category above it.
    public var parent: String?

    public init(id: String, label: LocalizedText, parent: String? = nil) {
        self.id = id
        self.label = label
        self.parent = parent
    }

    /// What every city has, in both languages, so that a visitor finds a parking under either word (CitySDK reference 2.5).
    public static let common: [PlaceCategory] = [
        ("parking", "Parc de stationnement", "Parking"), ("museum", "Musée", "Museum"), ("town-hall", "Mairie", "Town hall"),
        ("park", "Jardin", "Park"), ("toilet", "Toilettes", "Toilet"), ("library", "Bibliothèque", "Library"),
        ("tourist-office", "Office de tourisme", "Tourist office"), ("sport", "Équipement sportif", "Sport"),
        ("other", "Autre", "Other"),
    ].map { PlaceCategory(id: $0.0, label: LocalizedText([.french: $0.1, .english: $0.2])) }
}

/// A tenant's categories: what it published, and of those that every city has what it did not say anew.
public struct PlaceCategoryTree: Sendable {
    public static let maximumDepth = 30

    /// In the order to show them; those of the tenant first.
    public let categories: [PlaceCategory]
    private let byID: [String: PlaceCategory]
    private let children: [String: [PlaceCategory]]

    public init(_ own: [PlaceCategory]) {
        let ids = Set(own.map(\.id))
        categories = own + PlaceCategory.common.filter { !ids.contains($0.id) }
        byID = Dictionary(categories.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        children = Dictionary(grouping: categories.filter { $0.parent != nil }, by: { $0.parent ?? "" })
    }

    public func category(_ id: String) -> PlaceCategory? { byID[id] }
    public func children(of id: String) -> [PlaceCategory] { children[id] ?? [] }

    /// The category and all above it; one that is not known stands for itself.
    public func line(from id: String) -> [PlaceCategory] {
        var found: [PlaceCategory] = []
        var next: String? = id
        while let id = next, found.count < Self.maximumDepth, !found.contains(where: { $0.id == id }) {
            let category = byID[id] ?? PlaceCategory(id: id, label: LocalizedText([:]))
            found.append(category)
            next = category.parent
        }
        return found
    }

    /// The roots under which something stands: those of the tenant, and the common ones that a place or category names.
    public func roots(used: Set<String>) -> [PlaceCategory] {
        let named = Set(used.flatMap { line(from: $0).map(\.id) })
        let known = categories.filter { category in
            (category.parent.map { byID[$0] == nil } ?? true)
                && (named.contains(category.id) || !PlaceCategory.common.contains { $0 == category })
        }
        let unknown = used.filter { byID[$0] == nil }.sorted().map { PlaceCategory(id: $0, label: LocalizedText([:])) }
        return known + unknown
    }

    /// The ids of the categories that have one of these words somewhere in a label or id, and of all below them.
    ///
    /// - Parameter used: ids that places name, whether the tree knows them or not.
    public func ids(matching words: [String], used: Set<String>) -> [String] {
        let folded = words.map(SearchWords.folded).filter { !$0.isEmpty }
        func matches(_ category: PlaceCategory) -> Bool {
            let texts = (Array(category.label.translations.values) + [category.id]).map(SearchWords.folded)
            return texts.contains { text in folded.contains { text.contains($0) } }
        }
        let every = Set(categories.map(\.id)).union(used)
        return every.filter { id in line(from: id).contains(where: matches) }.sorted()
    }
}
