/// Documents of places among the reference data: what they must be like, and the same as tables.
enum PlaceRules {
    /// - Returns: the canonical form; advice about categories that have no name, and names that lack a language.
    static func check(_ value: JSONValue, _ kind: PlaceKind, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        let places = try PlaceListReader(kind: kind, language: tenant.language).places(value)
        var advice: [ReferenceFault] = []
        for (index, place) in places.enumerated() where advice.count < ReferenceFaults.maximumListed {
            for language in tenant.languages
            where place.name.translations[language] == nil && place.name.translations[language.primary] == nil {
                advice.append(ReferenceFault("/\(index)/name", "\(place.id) has no name in \(language)."))
            }
        }
        return CheckedReference(value: .array(places.map(PlaceDocument.value)), advice: advice)
    }

    private static let plain: Set<String> = [
        "id", "category", "tags", "lat", "long", "address", "phone", "url", "icon", "codes", "parent", "capacity", "stale_after_minutes",
        "outline",
    ]
    /// Columns that come once for each language, or `entrance.lat` and `entrance.long`.
    private static let parts: Set<String> = ["name", "description", "hours", "price", "entrance"]
    private static let numbers: Set<String> = ["lat", "long", "capacity", "stale_after_minutes"]
    private static let lists: Set<String> = ["tags", "codes"]

    /// One place a row; the first row names the columns: members of a place, `name.fr`, `name.en`, `entrance.lat`. Lists are separated
    /// by commas; numbers may have a decimal comma; an outline is the text of its GeoJSON.
    static func tree(_ table: Table, _ tenant: Tenant) throws(ReferenceFaults) -> PlacedTree {
        try tree(table, tenant, plain: plain, parts: parts).mapping { place in
            guard let members = place.object else { return place }
            return .object(
                members.map { member in
                    if member.name == "entrance", let point = member.value.object {
                        return .init(member.name, .object(point.map { .init($0.name, number($0.value)) }))
                    }
                    if numbers.contains(member.name) { return .init(member.name, number(member.value)) }
                    if lists.contains(member.name) { return .init(member.name, list(member.value)) }
                    if member.name == "outline" { return .init(member.name, object(member.value)) }
                    return member
                })
        }
    }

    /// - Parameters:
    ///   - plain: columns of one value.
    ///   - parts: columns of one value each for a language or a member inside.
    static func tree(_ table: Table, _ tenant: Tenant, plain: Set<String>, parts: Set<String>) throws(ReferenceFaults) -> PlacedTree {
        var builder = TableBuilder(table: table, language: tenant.language, plain: plain, texts: parts)
        guard let key = table.columns.firstIndex(of: "id") else {
            throw ReferenceFaults([ReferenceFault("#row=1", "There is no column id.")])
        }
        for row in table.rows {
            let id = CleanText.singleSpaced(row.cells[key])
            guard !id.isEmpty else {
                builder.fault(row, key, "id is empty.")
                continue
            }
            builder.begin([id], row, key)
            builder.fill([id], row, plain.union(parts))
        }
        return builder.finished()
    }

    /// What is no number stays a text, so that the check says so.
    private static func number(_ value: JSONValue) -> JSONValue {
        guard let text = value.string else { return value }
        let point = text.contains(".") ? text : text.replacing(",", with: ".")
        return DecimalText.number(point).map { .number($0) } ?? value
    }

    private static func object(_ value: JSONValue) -> JSONValue {
        guard let text = value.string, let read = try? JSONReader.value(Array(text.utf8)), read.object != nil else { return value }
        return read
    }

    private static func list(_ value: JSONValue) -> JSONValue {
        guard let text = value.string else { return value }
        return .array(text.split(separator: ",").map { .string(CleanText.singleSpaced(String($0))) }.filter { $0 != .string("") })
    }

    // MARK: As a table

    static func csv(_ document: JSONValue) -> [UInt8] { csv(document, plain: plain, parts: parts) }

    /// - Parameters: as of ``tree(_:_:plain:parts:)``.
    static func csv(_ document: JSONValue, plain: Set<String>, parts: Set<String>) -> [UInt8] {
        let places = document.array ?? []
        let names = plain.sorted { rank($0) < rank($1) }
        var used: [String: Set<String>] = [:]
        for place in places {
            for part in parts { for member in place[part]?.object ?? [] { used[part, default: []].insert(member.name) } }
        }
        let columns = names + parts.sorted().flatMap { part in (used[part] ?? []).sorted().map { part + "." + $0 } }
        var writer = TableWriter()
        writer.row(columns)
        for place in places {
            writer.row(
                columns.map { column in
                    let steps = column.split(separator: ".", maxSplits: 1).map(String.init)
                    return text(steps.count > 1 ? place[steps[0]]?[steps[1]] : place[column])
                })
        }
        return writer.bytes
    }

    private static let order = ["id", "category", "lat", "long", "address", "capacity"]
    /// What is long stands where a person does not have to scroll past it.
    private static func rank(_ name: String) -> (Int, String) {
        name == "outline" ? (order.count + 1, name) : (order.firstIndex(of: name) ?? order.count, name)
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text): text
        case .number(let number): DecimalForm.text(number)
        case .array(let items): items.compactMap(\.string).joined(separator: ", ")
        case .object: String(decoding: value?.canonicalBytes ?? [], as: UTF8.self)
        default: ""
        }
    }
}

enum PointOfInterestRules: ReferenceRules {
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        try PlaceRules.check(value, .pointOfInterest, of: tenant)
    }
    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { PlaceRules.tree }
    static func csv(_ document: JSONValue) -> [UInt8]? { PlaceRules.csv(document) }
}

enum ParkingRules: ReferenceRules {
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        try PlaceRules.check(value, .parking, of: tenant)
    }
    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { PlaceRules.tree }
    static func csv(_ document: JSONValue) -> [UInt8]? { PlaceRules.csv(document) }
}

enum FacilityRules: ReferenceRules {
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        try PlaceRules.check(value, .facility, of: tenant)
    }
    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { PlaceRules.tree }
    static func csv(_ document: JSONValue) -> [UInt8]? { PlaceRules.csv(document) }
}

enum ServiceObjectRules: ReferenceRules {
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        try PlaceRules.check(value, .object, of: tenant)
    }
    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? { PlaceRules.tree }
    static func csv(_ document: JSONValue) -> [UInt8]? { PlaceRules.csv(document) }
}

enum PlaceCategoryRules: ReferenceRules {
    static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        let categories = try PlaceCategoryReader(language: tenant.language).categories(value)
        return CheckedReference(value: .array(categories.map(PlaceDocument.value)))
    }

    static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? {
        { (table, tenant) throws(ReferenceFaults) in try PlaceRules.tree(table, tenant, plain: plain, parts: parts) }
    }

    static func csv(_ document: JSONValue) -> [UInt8]? { PlaceRules.csv(document, plain: plain, parts: parts) }

    private static let plain: Set<String> = ["id", "parent"]
    private static let parts: Set<String> = ["label"]
}
