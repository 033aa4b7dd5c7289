/// Documents of places in their canonical form: members without value left out, positions always there.
public enum PlaceDocument {
    public static func value(_ category: PlaceCategory) -> JSONValue {
        object([("id", .string(category.id)), ("label", text(category.label)), ("parent", category.parent.map { .string($0) })])
    }

    public static func value(_ place: Place) -> JSONValue {
        object([
            ("id", .string(place.id.rawValue)), ("name", text(place.name)), ("description", text(place.summary)),
            ("category", .string(place.category)), ("tags", list(place.tags)), ("lat", .number(place.position.latitude)),
            ("long", .number(place.position.longitude)),
            (
                "entrance",
                place.entrance.map { .object([.init("lat", .number($0.latitude)), .init("long", .number($0.longitude))]) }
            ), ("outline", outline(place.outline)), ("address", place.address.map { .string($0) }),
            ("phone", place.phone.map { .string($0) }), ("url", place.url.map { .string($0) }), ("icon", place.icon.map { .string($0) }),
            ("codes", list(place.codes)), ("parent", place.parent.map { .string($0.rawValue) }), ("hours", text(place.hours)),
            ("price", text(place.price)), ("capacity", place.capacity.map { .number(Double($0)) }),
            ("stale_after_minutes", place.staleAfter.map { .number(Double($0)) }),
        ])
    }

    private static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONValue.Member(name, $0) } })
    }

    private static func text(_ text: LocalizedText) -> JSONValue? {
        guard !text.translations.isEmpty else { return nil }
        return .object(
            text.translations.sorted { $0.key.rawValue < $1.key.rawValue }.map { .init($0.key.rawValue, .string($0.value)) })
    }

    private static func list(_ words: [String]) -> JSONValue? { words.isEmpty ? nil : .array(words.map { .string($0) }) }

    private static func outline(_ corners: [Coordinate]) -> JSONValue? {
        guard let first = corners.first else { return nil }
        let ring = (corners + [first]).map { JSONValue.array([.number($0.longitude), .number($0.latitude)]) }
        return .object([.init("type", .string("Polygon")), .init("coordinates", .array([.array(ring)]))])
    }

    /// A place as it stands in the database; what breaks its rules is nil.
    public static func place(_ bytes: [UInt8], kind: PlaceKind) -> Place? {
        guard let members = (try? JSONReader.value(bytes))?.object else { return nil }
        var reader = PlaceReader(members, at: "", kind: kind, language: .french)
        return reader.place()
    }
}
