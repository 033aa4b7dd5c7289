import Foundation
import Open311

/// Reads the arguments of GET requests (window rules of the GeoReport reference, 8.2; filters of both references).
struct SearchQuery {
    let query: FormFields
    private let now: Timestamp
    private let timeZone: TimeZone?
    private(set) var faults: [Fault] = []

    /// - Parameter timeZone: IANA name of where a date alone begins.
    /// - Throws: every fault of the query at once.
    static func filter(_ query: FormFields, now: Timestamp, timeZone: String = "UTC") throws(Faults) -> ServiceRequestFilter {
        var reader = SearchQuery(query: query, now: now, timeZone: TimeZone(identifier: timeZone))
        let filter = reader.filter()
        if let first = reader.faults.first { throw Faults(first: first, others: Array(reader.faults.dropFirst())) }
        return filter
    }

    /// The window of an update query: what is missing reaches from ninety days before the end to now.
    static func updateWindow(_ query: FormFields, now: Timestamp, timeZone: String) throws(Faults) -> ClosedRange<Timestamp> {
        var reader = SearchQuery(query: query, now: now, timeZone: TimeZone(identifier: timeZone))
        let start = reader.moment("start_date")
        let end = reader.moment("end_date") ?? now
        let from = start ?? end.adding(days: -ServiceRequestFilter.windowDays)
        if from > end { reader.refuse("start_date", .windowReversed) }
        if let first = reader.faults.first { throw Faults(first: first, others: Array(reader.faults.dropFirst())) }
        return from...end
    }

    init(query: FormFields, now: Timestamp, timeZone: TimeZone?) {
        self.query = query
        self.now = now
        self.timeZone = timeZone
    }

    private mutating func filter() -> ServiceRequestFilter {
        let updated = updatedRange()
        let window = window(hasUpdates: updated != nil)
        let ids = list("service_request_id")
        let codes = list("service_code")
        let limit = pageSize()
        let order = order()
        var filter = ServiceRequestFilter(
            // Unknown ids are left out; a list of only unknown ids still overrides everything else.
            addresses: ids.isEmpty
                ? nil : ids.prefix(ServiceRequestFilter.maximumCount).compactMap { RequestAddress(serviceRequestID: $0) },
            serviceCodes: codes.isEmpty ? nil : codes.compactMap { try? ServiceCode(validating: $0) },
            requestedFrom: window.from, requestedTo: window.to, updated: updated, statuses: statuses(), order: order, limit: limit,
            position: position(limit: limit, order: order))
        filter.detailedStatuses = detailedStatuses()
        filter.agencies = agencies()
        filter.text = text()
        filter.object = object()
        filter.circle = circle()
        filter.box = box()
        filter.hasMedia = hasMedia()
        if order.field == .distance, query["radius"] == nil { refuse("radius", .missing) }
        return filter
    }

    mutating func refuse(_ field: String, _ problem: Fault.Problem) { faults.append(Fault(field: field, problem: problem)) }

    /// Comma lists and repetitions mean the same; spaces and empty members are nothing.
    func list(_ name: String) -> [String] {
        query.values(name).flatMap { $0.split(separator: ",") }.map { CleanText.singleSpaced(String($0)) }.filter { !$0.isEmpty }
    }

    // MARK: When

    private mutating func moment(_ name: String) -> Timestamp? {
        guard let text = query[name] else { return nil }
        guard let moment = Timestamp(parsing: text), (Timestamp.distantPast...Timestamp.distantFuture).contains(moment) else {
            refuse(name, .notADate)
            return nil
        }
        guard text.utf8.count == 10, let timeZone else { return moment }
        let offset = timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment.seconds)))
        return Timestamp(parsing: text, dateOnlyOffset: Int64(offset))
    }

    private mutating func updatedRange() -> ClosedRange<Timestamp>? {
        let after = moment("updated_after")
        let before = moment("updated_before")
        guard after != nil || before != nil else { return nil }
        let (from, to) = (after ?? .distantPast, before ?? .distantFuture)
        if from > to { refuse("updated_after", .windowReversed) }
        return from...max(from, to)
    }

    private mutating func window(hasUpdates: Bool) -> (from: Timestamp, to: Timestamp) {
        let start = moment("start_date")
        let end = moment("end_date")
        let days = ServiceRequestFilter.windowDays
        switch (start, end) {
        // Who asks what changed wants old requests too.
        case (nil, nil): return hasUpdates ? (.distantPast, .distantFuture) : (now.adding(days: -days), now)
        case (let start?, nil): return (start, hasUpdates ? .distantFuture : min(start.adding(days: days), max(now, start)))
        case (nil, let end?): return (hasUpdates ? .distantPast : end.adding(days: -days), end)
        case (let start?, let end?):
            if start > end { refuse("start_date", .windowReversed) }
            if end > start.adding(days: days) { refuse("end_date", .windowTooLong(days: days)) }
            return (start, end)
        }
    }

    // MARK: What

    private mutating func statuses() -> Set<PublicStatus> {
        let words = list("status").map { $0.lowercased() }
        if words.isEmpty { return Set(PublicStatus.allCases) }
        for word in words where PublicStatus(rawValue: word) == nil {
            refuse("status", .unknownValue(value: String(word.prefix(64)), allowed: PublicStatus.allCases.map(\.rawValue)))
        }
        return Set(words.compactMap { PublicStatus(rawValue: $0) })
    }

    /// The general ones, and whatever finer ones a CRM may have sent.
    private mutating func detailedStatuses() -> [String]? {
        let words = list("detailed_status").map { $0.uppercased() }
        for word in words where (try? DetailedStatus(validating: "RECEIVED,\(word)")) == nil {
            refuse("detailed_status", .unknownValue(value: String(word.prefix(64)), allowed: GeneralStatus.allCases.map(\.rawValue)))
        }
        return words.isEmpty ? nil : words
    }

    /// FixMyStreet joins them by bars.
    private func agencies() -> [String]? {
        let names = query.values("agency_responsible").flatMap { $0.split { $0 == "," || $0 == "|" } }
            .map { CleanText.singleSpaced(String($0)) }.filter { !$0.isEmpty }
        return names.isEmpty ? nil : names
    }

    private mutating func text() -> String? {
        guard let name = ["q", "search"].first(where: { query[$0] != nil }) else { return nil }
        let text = CleanText.singleSpaced(query[name] ?? "")
        if text.unicodeScalars.count > 200 { refuse(name, .tooLong(maximum: 200)) }
        return text.isEmpty ? nil : text
    }

    private mutating func object() -> ServiceRequestFilter.ObjectFilter? {
        guard let type = query["service_object_type"] else {
            if query["service_object_id"] != nil { refuse("service_object_id", .incompletePosition(missing: "service_object_type")) }
            return nil
        }
        return ServiceRequestFilter.ObjectFilter(type: type, id: query["service_object_id"])
    }

    private mutating func hasMedia() -> Bool? {
        guard let word = query["has_photo"]?.lowercased() else { return nil }
        guard let flag = ["true": true, "1": true, "false": false, "0": false][word] else {
            refuse("has_photo", .unknownValue(value: String(word.prefix(64)), allowed: ["true", "false"]))
            return nil
        }
        return flag
    }

    // MARK: Where

    mutating func circle() -> SearchCircle? {
        let latitude = degrees("lat", 90)
        let longitude = degrees("long", 180)
        for (name, other) in [("lat", "long"), ("long", "lat")] where query[name] == nil {
            guard let present = [other, "radius"].first(where: { query[$0] != nil }) else { continue }
            refuse(present, .incompletePosition(missing: name))
        }
        guard let text = query["radius"] else { return nil }
        guard let radius = DecimalText.number(text), (0...SearchCircle.maximumRadius).contains(radius) else {
            refuse("radius", .notARadius(maximum: Int(SearchCircle.maximumRadius)))
            return nil
        }
        guard let latitude, let longitude, let centre = Coordinate(latitude: latitude, longitude: longitude) else { return nil }
        return SearchCircle(centre: centre, radius: radius)
    }

    mutating func degrees(_ name: String, _ bound: Double) -> Double? {
        guard let text = query[name] else { return nil }
        guard let value = DecimalText.number(text), abs(value) <= bound else {
            refuse(name, .notACoordinate(minimum: -Int(bound), maximum: Int(bound)))
            return nil
        }
        return value
    }

    mutating func box() -> BoundingBox? {
        guard let text = query["bbox"] else { return nil }
        let numbers = text.split(omittingEmptySubsequences: false) { $0 == "," || $0 == ";" }.map { DecimalText.number(String($0)) }
        let known = numbers.compactMap { $0 }
        guard numbers.count == 4, known.count == 4, abs(known[0]) <= 180, abs(known[2]) <= 180, abs(known[1]) <= 90, abs(known[3]) <= 90
        else {
            refuse("bbox", .notABox)
            return nil
        }
        return BoundingBox(south: known[1], west: known[0], north: known[3], east: known[2])
    }

    // MARK: Which page

    mutating func number(_ name: String) -> Int? {
        guard let text = query[name] else { return nil }
        guard text.utf8.count <= 9, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text) else {
            refuse(name, .notAPage)
            return nil
        }
        return number
    }

    /// Larger than the maximum is the maximum; zero is as if it had not been sent.
    mutating func pageSize() -> Int {
        for name in ["page_size", "per_page", "max_requests"] {
            if let size = number(name), size > 0 { return min(size, ServiceRequestFilter.maximumCount) }
        }
        return ServiceRequestFilter.maximumCount
    }

    private mutating func order() -> ServiceRequestOrder {
        guard let name = ["sort", "order_by"].first(where: { query[$0] != nil }), let text = query[name] else { return .newestFirst }
        guard let order = ServiceRequestOrder(parsing: text) else {
            let fields = ServiceRequestOrder.Field.allCases.map(\.rawValue)
            refuse(name, .unknownValue(value: String(text.prefix(64)), allowed: fields + fields.map { "-" + $0 }))
            return .newestFirst
        }
        return order
    }

    private mutating func position(limit: Int, order: ServiceRequestOrder) -> ServiceRequestFilter.Position {
        if let text = query["cursor"] {
            guard order.hasCursor, let cursor = SearchCursor(parsing: text) else {
                refuse("cursor", .notACursor)
                return .offset(0, counts: false)
            }
            return .after(cursor)
        }
        guard let page = number("page") else { return .offset(0, counts: false) }
        let offset = (max(page, 1) - 1) * limit
        if offset > ServiceRequestFilter.maximumOffset { refuse("page", .pageTooFar(maximum: ServiceRequestFilter.maximumOffset)) }
        return .offset(min(offset, ServiceRequestFilter.maximumOffset), counts: true)
    }
}
