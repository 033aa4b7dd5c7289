import Open311

/// What a path below `/{tenant}/tourism/` asks for (CitySDK Tourism 1.0, reading).
struct TourismTarget: Equatable {
    enum Resource: Equatable {
        /// What there is, as URI templates.
        case entry
        case pois
        case poi(String)
        case related(String)
        case categories
        case code
    }

    let tenant: String
    /// Nil when no resource has this path.
    let resource: Resource?

    /// - Returns: nil when the path is none of Tourism's.
    init?(path: String) {
        let words = path.split(separator: "/")
        guard words.count >= 2, words[1] == "tourism" else { return nil }
        tenant = String(words[0])
        let rest = words.dropFirst(2).map { FormReader.pathSegment($0) ?? "" }
        resource =
            switch rest {
            case [], ["resources"]: .entry
            case ["pois"], ["pois", "search"]: .pois
            case ["categories"], ["categories", "search"]: .categories
            case ["search"]: .code
            default:
                if rest.count == 2, rest[0] == "pois" {
                    .poi(rest[1])
                } else if rest.count == 3, rest[0] == "pois", rest[2] == "search" {
                    .related(rest[1])
                } else {
                    nil
                }
            }
    }
}
