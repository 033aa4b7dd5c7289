import Open311

/// What `extensions` asks for beside the fields of GeoReport (CitySDK reference 1.4).
struct Extensions: OptionSet {
    let rawValue: Int

    static let citySDK = Extensions(rawValue: 1)
    static let media = Extensions(rawValue: 2)
    static let log = Extensions(rawValue: 4)
    /// `attributes` and `notes`, as American servers add them.
    static let history = Extensions(rawValue: 8)
    static let requester = Extensions(rawValue: 16)
    static let all: Extensions = [.citySDK, .media, .log, .history, .requester]

    private static let names: [String: Extensions] = ["citysdk": .citySDK, "media": .media, "log": .log, "requester": .requester]

    /// `true`, `all`, `1` and `yes` are everything; a list keeps the names that are known.
    ///
    /// - Returns: nil for what is off: then there is no `extended_attributes` at all.
    init?(_ query: FormFields) {
        let words = query.values("extensions").flatMap { $0.lowercased().split(separator: ",") }.map { CleanText.singleSpaced(String($0)) }
        var found: Extensions = []
        for word in words {
            if ["true", "all", "1", "yes", "t"].contains(word) { found = .all }
            if let named = Self.names[word] { found.formUnion(named) }
        }
        if found.isEmpty { return nil }
        self = found
    }

    init(rawValue: Int) { self.rawValue = rawValue }
}
