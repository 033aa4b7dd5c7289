import Open311

/// What a path below `/{tenant}/ld` asks for (CitySDK Linked Data, reading).
struct LinkedTarget: Equatable {
    enum Resource: Equatable {
        case endpoint
        case layers
        case layer(String)
        case layerObjects(String)
        /// When an object's data on a layer came and changed.
        case layerObject(String, String)
        case fields(String)
        case field(String, String)
        case layerOwners(String)
        case context(String)
        case objects
        case object(String)
        case objectLayers(String)
        case data(String, String)
        case owners
        case owner(String)
        case ownerLayers(String)
        /// Of all this, as OpenAPI.
        case description
    }

    let tenant: String
    /// Nil when no resource has this path.
    let resource: Resource?
    /// Whether the path ends in `.json`.
    let isJSON: Bool
    /// Another ending of a list, as in `objects.csv`.
    let hasOtherExtension: Bool

    /// - Returns: nil when the path is none of Linked Data's.
    init?(path: String) {
        var words = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard words.count >= 2, words[1] == "ld" else { return nil }
        tenant = words[0]
        words.removeFirst(2)
        if words == [""] { words = [] }
        var isJSON = false
        var hasOtherExtension = false
        // Ids have dots of their own: only lists have endings.
        if let last = words.last {
            for list in ["layers", "objects", "owners", "fields", "context"] where last.hasPrefix(list + ".") {
                isJSON = last == list + ".json"
                hasOtherExtension = !isJSON && last != list + ".jsonld"
                words[words.count - 1] = list
            }
        }
        self.isJSON = isJSON
        self.hasOtherExtension = hasOtherExtension
        resource = Self.resource(words.map { FormReader.pathSegment($0[...]) ?? "" })
    }

    /// An empty word is no resource's: `//` leads nowhere.
    private static func resource(_ words: [String]) -> Resource? {
        guard !words.contains("") else { return nil }
        switch (words.first, words.count) {
        case (nil, _): return .endpoint
        case ("layers", 1): return .layers
        case ("layers", 2): return .layer(words[1])
        case ("layers", 3):
            switch words[2] {
            case "objects": return .layerObjects(words[1])
            case "fields": return .fields(words[1])
            case "owners": return .layerOwners(words[1])
            case "context": return .context(words[1])
            default: return nil
            }
        case ("layers", 4) where words[2] == "objects": return .layerObject(words[1], words[3])
        case ("layers", 4) where words[2] == "fields": return .field(words[1], words[3])
        case ("objects", 1): return .objects
        case ("objects", 2): return .object(words[1])
        case ("objects", 3) where words[2] == "layers": return .objectLayers(words[1])
        case ("objects", 4) where words[2] == "layers": return .data(words[1], words[3])
        case ("swagger", 1): return .description
        case ("owners", 1): return .owners
        case ("owners", 2): return .owner(words[1])
        case ("owners", 3) where words[2] == "layers": return .ownerLayers(words[1])
        default: return nil
        }
    }
}
