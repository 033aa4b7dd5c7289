/// Reads a whole document of places, which is a list of them. All of it is valid, or every fault is told.
public struct PlaceListReader {
    public static let maximumPlaces = 50_000

    private let kind: PlaceKind
    private let language: Language

    /// - Parameter language: of texts that name none.
    public init(kind: PlaceKind, language: Language) {
        self.kind = kind
        self.language = language
    }

    /// - Throws: ``ReferenceFaults``, each with a JSON pointer.
    public func places(_ document: JSONValue) throws(ReferenceFaults) -> [Place] {
        let items = try Self.list(document, maximum: Self.maximumPlaces, "places")
        var faults: [ReferenceFault] = []
        var places: [Place] = []
        var indexes: [PlaceID: Int] = [:]
        for (index, item) in items.enumerated() {
            guard let members = item.object else {
                faults.append(ReferenceFault("/\(index)", "A place must be an object, and this is \(item.kindName)."))
                continue
            }
            var reader = PlaceReader(members, at: "/\(index)", kind: kind, language: language)
            let place = reader.place()
            faults += reader.faults
            if let id = reader.id {
                if let first = indexes[id] {
                    faults.append(ReferenceFault("/\(index)/id", "id \(id) occurs twice: first in entry \(first + 1)."))
                } else {
                    indexes[id] = index
                }
            }
            if let place { places.append(place) }
        }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return places
    }

    fileprivate static func list(_ document: JSONValue, maximum: Int, _ what: String) throws(ReferenceFaults) -> [JSONValue] {
        guard let items = document.array else {
            throw ReferenceFaults([ReferenceFault("", "The document must be a list of \(what), and this is \(document.kindName).")])
        }
        guard items.count <= maximum else {
            throw ReferenceFaults([ReferenceFault("", "\(maximum) \(what) at most, and there are \(items.count).")])
        }
        return items
    }
}

/// Reads the document of categories: a list of `{"id", "label", "parent"}`.
public struct PlaceCategoryReader {
    public static let maximumCategories = 500

    private let language: Language
    private var faults: [ReferenceFault] = []

    /// - Parameter language: of texts that name none.
    public init(language: Language) { self.language = language }

    /// - Throws: ``ReferenceFaults``, each with a JSON pointer.
    public func categories(_ document: JSONValue) throws(ReferenceFaults) -> [PlaceCategory] {
        var reader = self
        return try reader.read(try PlaceListReader.list(document, maximum: Self.maximumCategories, "categories"))
    }

    private mutating func read(_ items: [JSONValue]) throws(ReferenceFaults) -> [PlaceCategory] {
        var categories: [PlaceCategory] = []
        var indexes: [Int] = []
        for (index, item) in items.enumerated() {
            guard let members = item.object else {
                refuse("/\(index)", "A category must be an object with id and label.")
                continue
            }
            guard let category = category(item, members, at: "/\(index)") else { continue }
            if categories.contains(where: { $0.id == category.id }) { refuse("/\(index)/id", "id \(category.id) occurs twice.") }
            categories.append(category)
            indexes.append(index)
        }
        let tree = PlaceCategoryTree(categories)
        for (index, category) in zip(indexes, categories) {
            guard let parent = category.parent else { continue }
            if tree.category(parent) == nil {
                refuse("/\(index)/parent", "parent “\(String(parent.prefix(64)))” is no category.")
            } else if tree.line(from: category.id).last?.parent != nil {
                refuse("/\(index)/parent", "category \(category.id) is above itself, or more than \(PlaceCategoryTree.maximumDepth) deep.")
            }
        }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return categories
    }

    private mutating func refuse(_ pointer: String, _ text: String) { faults.append(ReferenceFault(pointer, text)) }

    private mutating func category(_ item: JSONValue, _ members: [JSONValue.Member], at pointer: String) -> PlaceCategory? {
        for member in members where !["id", "label", "parent"].contains(member.name) {
            let name = String(member.name.prefix(64))
            refuse(pointer + JSONPointer.step(name), "\(name) is no member of a category: id, label, parent.")
        }
        let parent = item["parent"]?.string
        if parent == nil, let given = item["parent"], given != .null { refuse("\(pointer)/parent", "parent must be the id of a category.") }
        let label = label(item["label"], "\(pointer)/label")
        guard let id = item["id"]?.string.flatMap({ PlaceID($0) }) else {
            refuse("\(pointer)/id", "id is required: letters, digits, hyphens, dots, underscores or tildes.")
            return nil
        }
        return PlaceCategory(id: id.rawValue, label: label, parent: parent)
    }

    private mutating func label(_ value: JSONValue?, _ pointer: String) -> LocalizedText {
        let texts = value?.string.map { [JSONValue.Member(language.rawValue, .string($0))] } ?? value?.object ?? []
        var translations: [Language: String] = [:]
        for member in texts {
            guard let language = Language(parsing: member.name), let text = member.value.string, text.unicodeScalars.count <= 200 else {
                refuse(pointer, "label must be texts of 1 to 200 characters by language.")
                continue
            }
            let clean = CleanText.singleSpaced(text)
            if !clean.isEmpty { translations[language] = clean }
        }
        if translations.isEmpty { refuse(pointer, "label is required: a text, or an object of texts by language.") }
        return LocalizedText(translations)
    }
}
