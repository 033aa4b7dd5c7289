import Open311
import Postgres

/// A search as the steps of one pipeline.
struct SearchStatement: Sendable {
    let steps: [(statement: Statement, parameters: [Parameter])]
    private let offset: Int?

    /// More cells than this are looked through one by one, newest first.
    private static let maximumCells = 256

    init(_ filter: ServiceRequestFilter, _ tenant: TenantID) {
        var filter = filter
        var offset = 0
        var counts = false
        var cursor: SearchCursor?
        switch filter.position {
        case .offset(let passed, let isCounted): (offset, counts) = (passed, isCounted)
        case .after(let last): cursor = last
        }
        if let cursor {
            // The window of the first page: it must not move from page to page.
            if filter.updated == nil {
                (filter.requestedFrom, filter.requestedTo) = (cursor.from, cursor.to)
            } else {
                filter.updated = cursor.from...max(cursor.from, cursor.to)
            }
        }
        self.offset = cursor == nil ? offset : nil
        let isPlain = filter.isPlain
        let general = isPlain && !counts ? [] : Self.filters(filter, tenant)
        let isByUpdate = filter.updated != nil
        var steps = [RequestSQL.tenant(tenant, plansForParameters: !isPlain)]
        if isPlain {
            steps.append((RequestSQL.list, Self.list(filter, tenant, cursor, offset)))
        } else if let statement = SearchSQL.pages[SearchSQL.Shape(order: filter.order, isByUpdate: isByUpdate)] {
            let page: [Parameter] = [
                .int64(cursor?.id.rawValue), .timestamp(cursor?.moment.microseconds), .int32(Int32(filter.limit + 1)),
                .int32(Int32(offset)),
            ]
            steps.append((statement, general + page))
        }
        if counts { steps.append((SearchSQL.count(isByUpdate: isByUpdate), general)) }
        self.steps = steps
    }

    /// How many match in all, when that is known.
    ///
    /// - Parameters:
    ///   - counted: the answer of the counting step, where there was one.
    ///   - found: how many stand on the page.
    func count(counted: Int?, found: Int, hasMore: Bool) -> Int? {
        if let counted { return counted > SearchSQL.countedAtMost ? nil : counted }
        // A page that is the last one counts by itself; an empty one says nothing of those before it.
        guard let offset, !hasMore, found > 0 || offset == 0 else { return nil }
        return offset + found
    }

    private static func list(_ filter: ServiceRequestFilter, _ tenant: TenantID, _ cursor: SearchCursor?, _ offset: Int) -> [Parameter] {
        [
            .int32(tenant.rawValue), .int64(lowestID(filter.requestedFrom)),
            .timestamp(filter.requestedFrom.microseconds), .timestamp(filter.requestedTo.microseconds),
            .timestamp((cursor?.moment ?? .distantFuture).microseconds), .int64(cursor?.id.rawValue ?? .max), codes(filter), isOpen(filter),
            .int32(Int32(filter.limit + 1)), .int32(Int32(offset)),
        ]
    }

    /// The first id of the month: no request made from that moment on has a lower one.
    private static func lowestID(_ moment: Timestamp) -> Int64 {
        // Ids have two digits of the year: they order within this century.
        (2000...2099).contains(moment.civil.year) ? ServiceRequestID(number: 0, at: moment).rawValue : 0
    }

    private static func filters(_ filter: ServiceRequestFilter, _ tenant: TenantID) -> [Parameter] {
        let (circle, box) = (filter.circle, filter.area)
        let cells = box?.cells(maximum: maximumCells)
        return [
            .int32(tenant.rawValue), .timestamp(filter.requestedFrom.microseconds), .timestamp(filter.requestedTo.microseconds),
            codes(filter), isOpen(filter), filter.detailedStatuses.map { .texts($0) } ?? .null, filter.agencies.map { .texts($0) } ?? .null,
            .text(filter.text.map(pattern)), .text(filter.object.flatMap { $0.isFragment ? nil : $0.type }), .text(filter.object?.id),
            cells.map { .int32s($0) } ?? .null,
            .double(box?.south), .double(box?.north), .double(box?.west), .double(box?.east), .double(circle?.centre.latitude),
            .double(circle?.centre.longitude), .double(circle?.radius), filter.hasMedia.map { .bool($0) } ?? .null,
            .timestamp(filter.updated?.lowerBound.microseconds),
            .timestamp(filter.updated?.upperBound.microseconds), .int64(lowestID(filter.requestedFrom)),
            .text(filter.object.flatMap { $0.isFragment ? pattern($0.type) : nil }),
        ]
    }

    private static func codes(_ filter: ServiceRequestFilter) -> Parameter {
        filter.serviceCodes.map { .texts($0.map(\.rawValue)) } ?? .null
    }

    private static func isOpen(_ filter: ServiceRequestFilter) -> Parameter {
        filter.statuses.count == 1 ? .bool(filter.statuses.contains(.open)) : .null
    }

    /// `like` pattern of a text that may hold anything.
    static func pattern(_ text: String) -> String {
        var pattern = "%"
        for character in text {
            if character == "%" || character == "_" || character == "\\" { pattern.append("\\") }
            pattern.append(character)
        }
        return pattern + "%"
    }
}

extension ServiceRequestFilter {
    /// Whether it asks no more than window, services and status, newest first: what ``RequestSQL/list`` answers.
    fileprivate var isPlain: Bool {
        order == .newestFirst && updated == nil && detailedStatuses == nil && agencies == nil && text == nil && object == nil
            && circle == nil
            && box == nil && hasMedia == nil
    }

    /// What circle and box together cover; nil without either. Two that do not meet leave a point where nothing is.
    fileprivate var area: BoundingBox? {
        guard let around = circle?.box else { return box }
        guard let box else { return around }
        return around.intersection(box) ?? BoundingBox(south: -90, west: -180, north: -90, east: -180)
    }
}
