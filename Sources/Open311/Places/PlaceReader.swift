/// Reads one place from a JSON object, noting every fault with the pointer to where it is.
struct PlaceReader {
    static let members: Set<String> = [
        "id", "name", "description", "category", "tags", "lat", "long", "entrance", "outline", "address", "phone", "url", "icon", "codes",
        "parent", "hours", "price", "capacity", "stale_after_minutes",
    ]

    let kind: PlaceKind
    /// Of a text that names none.
    let language: Language
    private let object: [String: JSONValue]
    private let pointer: String
    private(set) var faults: [ReferenceFault] = []
    /// When it can be read, whatever else is wrong.
    private(set) var id: PlaceID?

    init(_ members: [JSONValue.Member], at pointer: String, kind: PlaceKind, language: Language) {
        object = Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        self.pointer = pointer
        self.kind = kind
        self.language = language
    }

    /// - Returns: nil when it has no id, name or position; then there is a fault.
    mutating func place() -> Place? {
        for name in object.keys.sorted() where !Self.members.contains(name) {
            refuse(
                Self.step(name),
                "\(String(name.prefix(64))) is no member of a place. Members: \(Self.members.sorted().joined(separator: ", ")).")
        }
        id = id("id")
        if object["id"] == nil { refuse("id", "id is required.") }
        let name = text("name", maximum: 200)
        if name.translations.isEmpty { refuse("name", "name is required: a text, or an object of texts by language.") }
        let position = position()
        if kind != .parking {
            for name in ["capacity", "stale_after_minutes"] where object[name] != nil { refuse(name, "\(name) is for parkings only.") }
        }
        // Without an id or a position it is no place; what else is wrong with it is told all the same.
        guard let someID = id ?? PlaceID("unnamed"), let somewhere = position ?? Coordinate(latitude: 0, longitude: 0) else { return nil }
        var place = Place(id: someID, name: name, category: line("category", maximum: 100) ?? kind.usualCategory, position: somewhere)
        place.summary = text("description", maximum: 4_000)
        place.tags = words("tags", maximum: 20)
        place.entrance = entrance()
        place.outline = outline()
        place.address = line("address", maximum: 500)
        place.phone = line("phone", maximum: 50)
        place.url = address("url")
        place.icon = address("icon")
        place.codes = words("codes", maximum: 10)
        place.parent = self.id("parent")
        if id != nil, place.parent == id { refuse("parent", "parent is the place itself.") }
        place.hours = text("hours", maximum: 1_000)
        place.price = text("price", maximum: 1_000)
        place.capacity = whole("capacity", 0...1_000_000)
        place.staleAfter = whole("stale_after_minutes", 1...1_440)
        return id == nil || position == nil ? nil : place
    }

    /// - Parameter name: a member, or a path to what is inside of one.
    private mutating func refuse(_ name: String, _ text: String) { faults.append(ReferenceFault("\(pointer)/\(name)", text)) }

    /// A name that came from outside, as a step of a JSON pointer without its slash.
    private static func step(_ name: String) -> String { String(JSONPointer.step(String(name.prefix(64))).dropFirst()) }

    // MARK: Members

    private func value(_ name: String) -> JSONValue? {
        guard let value = object[name], value != .null else { return nil }
        return value
    }

    private mutating func line(_ name: String, maximum: Int) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else {
            refuse(name, "\(name) must be a text.")
            return nil
        }
        return checked(text, name, maximum)
    }

    private mutating func checked(_ text: String, _ name: String, _ maximum: Int) -> String? {
        let clean = CleanText.singleSpaced(text)
        if CleanText.isLonger(clean, than: maximum) { refuse(name, "\(name) is too long: \(maximum) characters at most.") }
        return clean.isEmpty ? nil : clean
    }

    private mutating func id(_ name: String) -> PlaceID? {
        guard let text = line(name, maximum: 1_000) else {
            if object[name]?.string != nil, name == "id" { refuse(name, "\(name) is empty.") }
            return nil
        }
        let id = PlaceID(text)
        if id == nil {
            refuse(
                name,
                "\(name) “\(String(text.prefix(64)))” must be 1 to \(PlaceID.maximumLength) letters, digits, hyphens, dots, underscores or tildes."
            )
        }
        return id
    }

    private mutating func text(_ name: String, maximum: Int) -> LocalizedText {
        guard let value = value(name) else { return LocalizedText([:]) }
        if let text = value.string { return LocalizedText(checked(text, name, maximum).map { [language: $0] } ?? [:]) }
        guard let texts = value.object else {
            refuse(name, "\(name) must be a text, or an object of texts by language.")
            return LocalizedText([:])
        }
        var translations: [Language: String] = [:]
        for member in texts where member.value != .null {
            let tag = member.name
            guard let language = Language(parsing: tag) else {
                refuse("\(name)/\(Self.step(tag))", "“\(String(tag.prefix(32)))” is no language: write fr, en or nl-BE.")
                continue
            }
            guard let text = member.value.string else {
                refuse("\(name)/\(Self.step(tag))", "\(name) in \(language) must be a text.")
                continue
            }
            if let clean = checked(text, name, maximum) { translations[language] = clean }
        }
        return LocalizedText(translations)
    }

    private mutating func words(_ name: String, maximum: Int) -> [String] {
        guard let value = value(name) else { return [] }
        guard let items = value.array, case let words = items.compactMap(\.string), words.count == items.count else {
            refuse(name, "\(name) must be a list of texts.")
            return []
        }
        if words.count > maximum { refuse(name, "\(name): \(maximum) at most.") }
        var kept: [String] = []
        for (index, word) in words.prefix(maximum).enumerated() {
            if word.contains(",") { refuse("\(name)/\(index)", "\(name) may hold no comma: make it two.") }
            if let clean = checked(word, "\(name)/\(index)", 100), !kept.contains(clean) { kept.append(clean) }
        }
        return kept
    }

    private mutating func address(_ name: String) -> String? {
        guard let text = line(name, maximum: 2_000) else { return nil }
        if !WebAddress.isAbsolute(text) { refuse(name, "\(name) must be an absolute http or https URL.") }
        return text
    }

    private mutating func whole(_ name: String, _ range: ClosedRange<Int>) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.number, number.rounded() == number, let whole = Int(exactly: number), range.contains(whole) else {
            refuse(name, "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).")
            return nil
        }
        return whole
    }

    // MARK: Where

    private mutating func degrees(_ value: JSONValue?, _ name: String, _ bound: Double) -> Double? {
        guard let value, value != .null else {
            refuse(name, "\(name) is required.")
            return nil
        }
        guard let degrees = value.number, degrees.isFinite, abs(degrees) <= bound else {
            refuse(name, "\(name) must be a number of degrees from \(-Int(bound)) to \(Int(bound)).")
            return nil
        }
        return degrees
    }

    /// Of the place itself, or the middle of its outline.
    private mutating func position() -> Coordinate? {
        if value("lat") == nil, value("long") == nil, value("outline") != nil {
            guard let middle = Self.middle(of: Self.corners(object["outline"])) else {
                _ = outline()
                return nil
            }
            return middle
        }
        let latitude = degrees(object["lat"], "lat", 90)
        let longitude = degrees(object["long"], "long", 180)
        return latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } }
    }

    private mutating func entrance() -> Coordinate? {
        guard let value = value("entrance") else { return nil }
        guard value.object != nil else {
            refuse("entrance", "entrance must be an object with lat and long.")
            return nil
        }
        let latitude = degrees(value["lat"], "entrance/lat", 90)
        let longitude = degrees(value["long"], "entrance/long", 180)
        return latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } }
    }

    private mutating func outline() -> [Coordinate] {
        guard let value = value("outline") else { return [] }
        guard let corners = Self.corners(value) else {
            refuse("outline", "outline must be a GeoJSON Polygon with one ring of at least three corners, each [long, lat].")
            return []
        }
        let outline = PlaceOutline(corners)
        if let problem = outline.problem { refuse("outline", "outline \(problem).") }
        return corners
    }

    /// The outer ring of a GeoJSON polygon, without the repeated first corner.
    static func corners(_ value: JSONValue?) -> [Coordinate]? {
        guard let value, value["type"]?.string == "Polygon", let rings = value["coordinates"]?.array, rings.count == 1,
            let ring = rings[0].array
        else { return nil }
        var corners: [Coordinate] = []
        for point in ring {
            guard let numbers = point.array, numbers.count >= 2, let longitude = numbers[0].number, let latitude = numbers[1].number,
                let corner = Coordinate(latitude: latitude, longitude: longitude)
            else { return nil }
            corners.append(corner)
        }
        if corners.count > 1, corners.first == corners.last { corners.removeLast() }
        return corners.count >= 3 ? corners : nil
    }

    private static func middle(of corners: [Coordinate]?) -> Coordinate? {
        guard let corners, let box = PlaceOutline(corners).box else { return nil }
        return Coordinate(latitude: (box.south + box.north) / 2, longitude: (box.west + box.east) / 2)
    }
}
