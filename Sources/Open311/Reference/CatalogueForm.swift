/// Reads services from a tree, noting everything that is no service.
struct CatalogueForm {
    /// Of texts that come without one.
    let language: Language
    private(set) var faults: [ReferenceFault] = []
    private(set) var advice: [ReferenceFault] = []
    /// Where the array of services stands.
    private var root = ""
    /// For each service that was read: its place in the array.
    private var places: [Int] = []
    /// For each of those: the place of each of its attributes.
    private var attributePlaces: [[Int]] = []

    init(language: Language) { self.language = language }

    /// A finding about what was read, with its place in what was sent.
    func fault(_ finding: CatalogueFinding) -> ReferenceFault {
        let position = finding.position
        let service = position.service < places.count ? places[position.service] : position.service
        var pointer = root + JSONPointer.step(service)
        if let attribute = position.attribute {
            let own = position.service < attributePlaces.count ? attributePlaces[position.service] : []
            pointer += "/attributes" + JSONPointer.step(attribute < own.count ? own[attribute] : attribute)
        }
        return ReferenceFault(pointer + position.rest, "\(finding.service): \(finding.place): \(finding.text).")
    }

    mutating func services(_ value: JSONValue) -> [Service] {
        var list = value.array
        if list == nil, let inner = value["services"]?.array {
            list = inner
            root = "/services"
        }
        guard let list else {
            faults.append(
                ReferenceFault(
                    "", "A catalogue is an array of services, or an object whose member services is one; this is \(value.kindName)."))
            return []
        }
        var services: [Service] = []
        for (index, entry) in list.enumerated() {
            guard let service = service(entry, root + JSONPointer.step(index)) else { continue }
            services.append(service)
            places.append(index)
        }
        return services
    }

    private mutating func service(_ value: JSONValue, _ path: String) -> Service? {
        guard value.object != nil else {
            faults.append(ReferenceFault(path, "A service is an object; this is \(value.kindName)."))
            return nil
        }
        warn(of: value, path, known: Self.serviceMembers)
        let words = text(value, "service_code", path, isRequired: true)
        let kind = choice(value, "type", path, ServiceKind.allCases.map(\.rawValue)).flatMap { ServiceKind(rawValue: $0) }
        let name = texts(value, "service_name", path)
        let summary = texts(value, "description", path)
        let group = texts(value, "group", path)
        let keywords = keywords(value, path)
        var attributes: [(place: Int, attribute: ServiceAttribute)] = []
        let entries = array(value, "attributes", path)
        var orders = QuestionOrders(given: entries.compactMap { $0["order"]?.number })
        for (index, entry) in entries.enumerated() {
            let place = path + "/attributes" + JSONPointer.step(index)
            if let attribute = attribute(entry, &orders, place) { attributes.append((index, attribute)) }
        }
        guard let words else { return nil }
        let code: ServiceCode
        do { code = try ServiceCode(validating: words) } catch {
            faults.append(ReferenceFault(path + "/service_code", "\(error)."))
            return nil
        }
        // Sorted here, so that the service keeps this very order and each attribute its place.
        attributes.sort { ($0.attribute.order, $0.place) < ($1.attribute.order, $1.place) }
        attributePlaces.append(attributes.map(\.place))
        return Service(
            code: code, kind: kind ?? .realtime, name: name, summary: summary, group: group, keywords: keywords,
            attributes: attributes.map(\.attribute))
    }

    private static let serviceMembers: Set<String> = [
        "service_code", "type", "service_name", "description", "group", "keywords", "attributes",
    ]
    private static let attributeMembers: Set<String> = [
        "code", "variable", "datatype", "required", "order", "description", "datatype_description", "values",
    ]

    private mutating func attribute(_ value: JSONValue, _ orders: inout QuestionOrders, _ path: String) -> ServiceAttribute? {
        guard value.object != nil else {
            faults.append(ReferenceFault(path, "An attribute is an object; this is \(value.kindName)."))
            return nil
        }
        warn(of: value, path, known: Self.attributeMembers)
        let code = text(value, "code", path, isRequired: true)
        let type = choice(value, "datatype", path, ServiceAttribute.DataType.allCases.map(\.rawValue), isRequired: true)
        let isVariable = flag(value, "variable", path) ?? true
        let isRequired = flag(value, "required", path) ?? false
        let order = orders.order(given: whole(value, "order", path, QuestionOrders.range))
        let question = texts(value, "description", path)
        let hint = texts(value, "datatype_description", path)
        var choices: [ServiceAttribute.Choice] = []
        for (number, entry) in array(value, "values", path).enumerated() {
            let place = path + "/values" + JSONPointer.step(number)
            guard entry.object != nil else {
                faults.append(ReferenceFault(place, "A value is an object with key and name; this is \(entry.kindName)."))
                continue
            }
            warn(of: entry, place, known: ["key", "name"])
            let key = text(entry, "key", place, isRequired: true)
            let name = texts(entry, "name", place)
            if let key { choices.append(ServiceAttribute.Choice(key: key, name: name)) }
        }
        guard let code else { return nil }
        // Of a wrong type, the rest is looked at all the same.
        let known = type.flatMap { ServiceAttribute.DataType(rawValue: $0) }
        return ServiceAttribute(
            code: code, isVariable: isVariable, dataType: known ?? (choices.isEmpty ? .string : .singlevaluelist), isRequired: isRequired,
            order: order, question: question, hint: hint,
            choices: choices)
    }

    // MARK: Members

    /// A member that is absent or null is nil.
    private func member(_ value: JSONValue, _ name: String) -> JSONValue? {
        let member = value[name]
        return member == .null ? nil : member
    }

    private mutating func wrong(_ value: JSONValue, _ name: String, _ path: String, _ wanted: String) {
        faults.append(ReferenceFault(path + JSONPointer.step(name), "\(name) must be \(wanted), not \(value.kindName)."))
    }

    private mutating func text(_ value: JSONValue, _ name: String, _ path: String, isRequired: Bool = false) -> String? {
        guard let member = member(value, name) else {
            if isRequired { faults.append(ReferenceFault(path + JSONPointer.step(name), "\(name) is missing.")) }
            return nil
        }
        guard let words = member.string?.trimmingSpaces else {
            wrong(member, name, path, "a string")
            return nil
        }
        if isRequired, words.isEmpty {
            faults.append(ReferenceFault(path + JSONPointer.step(name), "\(name) is empty."))
            return nil
        }
        return words
    }

    private mutating func choice(
        _ value: JSONValue, _ name: String, _ path: String, _ allowed: [String], isRequired: Bool = false
    ) -> String? {
        guard let word = text(value, name, path, isRequired: isRequired) else { return nil }
        guard allowed.contains(word) else {
            faults.append(
                ReferenceFault(
                    path + JSONPointer.step(name),
                    "\(name): “\(word.prefix(64))” is unknown. Allowed: \(allowed.joined(separator: ", "))."))
            return nil
        }
        return word
    }

    private mutating func flag(_ value: JSONValue, _ name: String, _ path: String) -> Bool? {
        guard let member = member(value, name) else { return nil }
        if member.bool == nil { wrong(member, name, path, "true or false") }
        return member.bool
    }

    private mutating func whole(_ value: JSONValue, _ name: String, _ path: String, _ range: ClosedRange<Int>) -> Int? {
        guard let member = member(value, name) else { return nil }
        guard let number = member.number, let whole = Int(exactly: number), range.contains(whole) else {
            faults.append(
                ReferenceFault(
                    path + JSONPointer.step(name), "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)."))
            return nil
        }
        return whole
    }

    private mutating func array(_ value: JSONValue, _ name: String, _ path: String) -> [JSONValue] {
        guard let member = member(value, name) else { return [] }
        if member.array == nil { wrong(member, name, path, "an array") }
        return member.array ?? []
    }

    private mutating func keywords(_ value: JSONValue, _ path: String) -> [String] {
        var keywords: [String] = []
        for (index, entry) in array(value, "keywords", path).enumerated() {
            if let word = entry.string?.trimmingSpaces {
                if !word.isEmpty { keywords.append(word) }
            } else {
                faults.append(ReferenceFault(path + "/keywords" + JSONPointer.step(index), "A keyword is a string, not \(entry.kindName)."))
            }
        }
        return keywords
    }

    /// A text in its languages, or a bare string in the tenant's own. An empty translation counts as absent.
    private mutating func texts(_ value: JSONValue, _ name: String, _ path: String) -> LocalizedText {
        guard let member = member(value, name) else { return LocalizedText([:]) }
        if let text = member.string?.trimmingSpaces { return LocalizedText(text.isEmpty ? [:] : [language: text]) }
        guard let translations = member.object else {
            wrong(member, name, path, "an object of language to text, as in {\"fr\": \"…\"}, or a string")
            return LocalizedText([:])
        }
        var texts: [Language: String] = [:]
        for translation in translations {
            let place = path + JSONPointer.step(name) + JSONPointer.step(translation.name)
            guard let language = Language(parsing: translation.name) else {
                faults.append(
                    ReferenceFault(place, "“\(translation.name.prefix(32))” is no language: write a tag such as fr, en or nl-BE."))
                continue
            }
            if translation.value == .null { continue }
            guard let text = translation.value.string?.trimmingSpaces else {
                faults.append(ReferenceFault(place, "A text must be a string, not \(translation.value.kindName)."))
                continue
            }
            if texts[language] != nil { faults.append(ReferenceFault(place, "The language \(language) occurs twice.")) }
            if !text.isEmpty { texts[language] = text }
        }
        return LocalizedText(texts)
    }

    private mutating func warn(of value: JSONValue, _ path: String, known: Set<String>) {
        for member in value.object ?? [] where !known.contains(member.name) {
            advice.append(
                ReferenceFault(
                    path + JSONPointer.step(member.name), "“\(member.name.prefix(64))” is no member that is known here, and is not kept."))
        }
    }
}

/// Gives the questions of a service that come without `order` one that no other has: the next one after the largest before it that
/// nobody was given.
private struct QuestionOrders {
    static let range = 1...1_000_000

    private var taken: Set<Int>
    private var largest = 0

    /// - Parameter given: what the service's questions say, right or not.
    init(given: [Double]) { taken = Set(given.compactMap { Int(exactly: $0) }) }

    /// - Parameter order: of the next question; nil where it says none.
    mutating func order(given order: Int?) -> Int {
        var next = order ?? largest + 1
        if order == nil {
            while taken.contains(next) { next += 1 }
            // Behind the last number there is room before it.
            if !Self.range.contains(next) { next = Self.range.first { !taken.contains($0) } ?? next }
        }
        taken.insert(next)
        largest = max(largest, next)
        return next
    }
}

extension String {
    /// Without white space at its ends: nobody means it, and a table does not keep it.
    fileprivate var trimmingSpaces: String {
        var text = drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
