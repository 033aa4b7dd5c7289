import Open311

/// Reads the arguments of Tourism's searches: names in any case, several values by commas or by repetition.
struct TourismQuery {
    static let maximumCount = 1_000
    private static let usualCount = 10

    private let values: [String: [String]]

    init(_ query: FormFields) {
        var values: [String: [String]] = [:]
        for (name, value) in query.all where !value.isEmpty { values[name.lowercased(), default: []].append(value) }
        self.values = values
    }

    func list(_ name: String) -> [String] {
        (values[name] ?? []).flatMap { $0.split(separator: ",") }.map { CleanText.singleSpaced(String($0)) }.filter { !$0.isEmpty }
    }

    func text(_ name: String) -> String? { values[name]?.first }

    /// Tourism's `offset` is the number of a page, from 0; with `limit=-1` it counts places.
    func page() throws(GeoReportError) -> (limit: Int, offset: Int) {
        let limit = try whole("limit", atLeast: -1) ?? Self.usualCount
        let offset = try whole("offset", atLeast: 0) ?? 0
        if limit == -1 { return (Self.maximumCount, min(offset, PlaceFilter.maximumOffset)) }
        let size = min(limit, Self.maximumCount)
        return (size, min(offset * size, PlaceFilter.maximumOffset))
    }

    private func whole(_ name: String, atLeast minimum: Int) throws(GeoReportError) -> Int? {
        guard let text = text(name) else { return nil }
        guard text.utf8.count <= 9, let number = Int(text), number >= minimum else {
            throw GeoReportError(400, "\(name) must be a whole number, \(minimum) or more.")
        }
        return number
    }

    /// - Throws: 400 for what is none of the forms of `coords`.
    func filter() throws(GeoReportError) -> PlaceFilter {
        var filter = PlaceFilter()
        filter.kinds = [.pointOfInterest, .parking, .facility]
        (filter.limit, filter.offset) = try page()
        filter.tags = list("tag")
        // The minimal form wins.
        filter.words = values["minimal"] != nil ? list("minimal") : list("complete")
        filter.includesRetired = values["deleted"] != nil
        if let text = text("coords") { try place(text, &filter) }
        return filter
    }

    var isMinimal: Bool { values["minimal"] != nil }

    /// `lat long`, `lat long metres`, or a ground: two opposite corners, or three and more in a row.
    private func place(_ text: String, _ filter: inout PlaceFilter) throws(GeoReportError) {
        let groups = text.split(separator: ",").map { $0.split(separator: " ").map { DecimalText.number(String($0)) } }
        let numbers = groups.map { $0.compactMap { $0 } }
        guard !groups.isEmpty, groups.count <= PlaceOutline.maximumCorners, zip(groups, numbers).allSatisfy({ $0.count == $1.count }) else {
            throw Self.badPlace
        }
        if numbers.count == 1 || numbers.count == 3 && numbers.allSatisfy({ $0.count == 1 }) {
            let flat = numbers.flatMap { $0 }
            guard flat.count == 2 || flat.count == 3, let centre = Coordinate(latitude: flat[0], longitude: flat[1]) else {
                throw Self.badPlace
            }
            // What is no radius is a metre; a point alone is touched by what covers it.
            let radius = flat.count == 3 ? (flat[2] <= 0 ? 1 : flat[2]) : 0
            guard radius <= SearchCircle.maximumRadius else { throw Self.badPlace }
            filter.circle = SearchCircle(centre: centre, radius: radius)
            return
        }
        let corners = numbers.compactMap { $0.count == 2 ? Coordinate(latitude: $0[0], longitude: $0[1]) : nil }
        guard corners.count == numbers.count, corners.count >= 2 else { throw Self.badPlace }
        filter.ground =
            corners.count > 2
            ? corners
            : BoundingBox(
                south: corners[0].latitude, west: corners[0].longitude, north: corners[1].latitude, east: corners[1].longitude
            ).corners
    }

    private static let badPlace = GeoReportError(
        400,
        "coords must be “lat long”, “lat long metres”, two opposite corners “lat long,lat long”, or the corners of a ground; 100000 metres at most."
    )
}
