import Foundation
import Open311
import Postgres
import Storage
import TestSupport
import Testing

/// Rows of any month, status and place, made by one statement: what a year of a city looks like.
private struct Filled {
    let city: City
    let all: [ServiceRequest]

    /// - Parameter count: of the city's requests, a third as many again belong to another city.
    init(count: Int, key: String = "valmont-7f3a9c") async throws {
        let addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: key, jurisdiction: "\(key).example")
        let owner = try PostgresConnection(configuration: addresses.owner)
        let tenant = city.tenant.id.rawValue
        try await owner.run { (session) throws(PostgresError) in
            try session.script(Self.partitions, within: .seconds(60))
            for (id, rows, from) in [(tenant, count, 0), (tenant + 1_000, count / 3, 100_000_000)] {
                _ = try session.execute(Self.fill, [.int32(id), .int32(Int32(rows)), .int64(Int64(from))])
            }
            try session.script("analyze service_requests", within: .seconds(120))
        }
        await owner.close()
        let reader = city.reader
        var filter = ServiceRequestFilter(
            requestedFrom: .distantPast, requestedTo: .distantFuture, updated: Timestamp.distantPast...Timestamp.distantFuture)
        var found: [ServiceRequest] = []
        while true {
            let page = try await reader.search(filter, of: city.tenant.id)
            found += page.requests
            guard page.hasMore, let last = page.requests.last else { break }
            filter.position = .after(
                SearchCursor(from: .distantPast, to: .distantFuture, moment: last.requestedAt, id: last.id))
        }
        all = found
    }

    private static let partitions = """
        do $$
        declare month date; prefix bigint;
        begin
            for i in 0..13 loop
                month := (date_trunc('month', now() at time zone 'UTC') - make_interval(months => i))::date;
                prefix := to_char(month, 'YYMM')::bigint;
                if to_regclass('service_requests_' || prefix) is null then
                    execute format('create table %I partition of service_requests for values from (%s) to (%s)',
                        'service_requests_' || prefix, prefix * 1000000000, (prefix + 1) * 1000000000);
                end if;
            end loop;
        end $$
        """

    private static let fill = Statement(
        "fill_requests",
        """
        insert into service_requests (id, tenant_id, service_code, service_name, description, status, open, agency_responsible,
                                      requested_at, updated_at, lat, long, address, media_urls, received_via, language, title,
                                      service_object_type, service_object_id, listed)
        select to_char(moment at time zone 'UTC', 'YYMM')::bigint * 1000000000 + $3::bigint + n, $1::integer, 'S' || n % 7, 'Service',
               case n % 5 when 0 then 'Lampadaire n° ' || n else 'Trou 100% profond_' || n end,
               (array['RECEIVED', 'IN_PROCESS,PUBLIC_WORKS_NEW', 'PROCESSED', 'REJECTED'])[1 + n % 4], n % 4 < 2,
               (array['Voirie', 'Propreté', null])[1 + n % 3], moment,
               case when n % 3 = 0 then moment else least(now(), moment + make_interval(hours => n % 500)) end,
               case when n % 11 > 0 then 43.6 + (n::bigint * 7919 % 10007) / 100070.0 end,
               case when n % 11 > 0 then 3.2 + (n::bigint * 104729 % 10007) / 100070.0 end,
               'rue ' || n % 50, case when n % 2 = 0 then array['https://img.example/' || n] else '{}' end, 'app', 'fr',
               case when n % 6 = 0 then 'Titre ' || n % 9 end, case when n % 4 = 0 then 'urn:lamps' end,
               case when n % 4 = 0 then 'lamp-' || n % 13 end, n % 97 > 0
        from (select n, date_trunc('second', now() - make_interval(secs => (n::bigint * 7873 % 400) * 86400 + n % 4000)) as moment
              from generate_series(1, $2::integer) as n) as numbers
        """)
}

/// What the filter means, without a database.
private func isWanted(_ request: ServiceRequest, _ filter: ServiceRequestFilter) -> Bool {
    let point = request.location.coordinate
    func has(_ text: String, _ field: String?) -> Bool { field?.lowercased().contains(text.lowercased()) ?? false }
    return (filter.requestedFrom...filter.requestedTo).contains(request.requestedAt)
        && filter.updated.map { $0.contains(request.updatedAt) } != false
        && filter.statuses.contains(request.status.publicStatus)
        && filter.serviceCodes.map { $0.contains(request.serviceCode) } != false
        && filter.detailedStatuses.map { !Set($0).isDisjoint(with: request.status.description.split(separator: ",").map(String.init)) }
            != false
        && filter.agencies.map { $0.contains { $0.lowercased() == request.agencyResponsible?.lowercased() } } != false
        && filter.text.map { text in
            has(text, request.description) || has(text, request.title) || has(text, request.location.address)
                || has(text, request.agencyResponsible)
        } != false
        && filter.object.map { $0.type == request.object?.type && ($0.id == nil || $0.id == request.object?.id) } != false
        && filter.box.map { box in point.map { box.contains($0) } ?? false } != false
        && filter.circle.map { circle in point.map { circle.centre.distance(to: $0) <= circle.radius } ?? false } != false
        && filter.hasMedia.map { $0 == !request.mediaURLs.isEmpty } != false
}

private func randomFilter() -> ServiceRequestFilter {
    func maybe() -> Bool { Int.random(in: 0..<4) == 0 }
    let from = Timestamp.now.adding(days: -Int64.random(in: 0...420))
    var filter = ServiceRequestFilter(requestedFrom: from, requestedTo: from.adding(days: Int64.random(in: 1...400)))
    if maybe() {
        let start = Timestamp.now.adding(days: -Int64.random(in: 0...400))
        filter.updated = start...start.adding(days: Int64.random(in: 1...300))
    }
    if maybe() { filter.statuses = [Bool.random() ? .open : .closed] }
    if maybe() {
        filter.serviceCodes = (0..<Int.random(in: 1...3)).compactMap { _ in try? ServiceCode(validating: "S\(Int.random(in: 0...8))") }
    }
    if maybe() { filter.detailedStatuses = [["RECEIVED", "PUBLIC_WORKS_NEW", "REJECTED", "NOTHING"].randomElement() ?? "X"] }
    if maybe() { filter.agencies = ["voirie"] }
    if maybe() { filter.text = ["lampadaire", "100%", "profond_1", "titre 3", "rue 7", "\\", "'"].randomElement() }
    if maybe() { filter.object = .init(type: "urn:lamps", id: Bool.random() ? "lamp-\(Int.random(in: 0...13))" : nil) }
    if maybe(), let centre = Coordinate(latitude: Double.random(in: 43.58...43.72), longitude: Double.random(in: 3.18...3.32)) {
        filter.circle = SearchCircle(centre: centre, radius: [0, 300, 2_000, 20_000].randomElement() ?? 0)
    }
    if maybe() {
        filter.box = BoundingBox(
            south: Double.random(in: 43.5...43.8), west: Double.random(in: 3.1...3.4), north: Double.random(in: 43.5...43.8),
            east: Double.random(in: 3.1...3.4))
    }
    if maybe() { filter.hasMedia = Bool.random() }
    return filter
}

@Suite("Searches")
struct SearchTests {
    @Test("filters agree with a naive model over random data, page by page, in every order")
    func agreesWithModel() async throws {
        let filled = try await Filled(count: 3_000)
        let (reader, tenant) = (filled.city.reader, filled.city.tenant.id)
        // Every 97th is not listed: neither a list nor a look-up shows it.
        #expect(filled.all.count == 3_000 - 3_000 / 97)
        for _ in 0..<150 {
            var filter = randomFilter()
            let wanted = Set(filled.all.filter { isWanted($0, filter) }.map(\.id))
            filter.limit = Int.random(in: 1...1_000)
            let field = try #require(ServiceRequestOrder.Field.allCases.randomElement())
            if field != .distance || filter.circle != nil { filter.order = ServiceRequestOrder(field, isDescending: .random()) }
            filter.position = .offset(0, counts: true)
            let first = try await reader.search(filter, of: tenant)
            #expect(first.count == wanted.count, "\(filter)")
            #expect(
                Set(first.requests.map(\.id)).isSubset(of: wanted) && first.requests.count == min(filter.limit, wanted.count), "\(filter)")
            #expect(first.hasMore == (wanted.count > filter.limit))
            let keys = first.requests.map { Self.key($0, filter) }
            #expect(keys == (filter.order.isDescending ? keys.sorted(by: >) : keys.sorted()), "\(filter.order)")
            if wanted.count < 2_000, filter.limit > 20 {
                #expect(try await Self.walk(filter, reader, tenant).sorted() == wanted.sorted(), "\(filter)")
            }
        }
    }

    private static func key(_ request: ServiceRequest, _ filter: ServiceRequestFilter) -> String {
        func padded(_ number: Int64) -> String { String(String(10_000_000_000_000_000_000 + UInt64(number)).dropFirst()) }
        let id = padded(request.id.rawValue)
        switch filter.order.field {
        case .requested: return padded(request.requestedAt.microseconds) + id
        case .updated: return padded(request.updatedAt.microseconds) + id
        case .id: return id
        case .status: return request.status.description + "|" + id
        case .distance:
            let metres = request.location.coordinate.flatMap { point in filter.circle.map { $0.centre.distance(to: point) } } ?? 0
            // Two computations may differ in the last digit.
            return padded(Int64((metres * 1_000).rounded()))
        }
    }

    /// Every page from the first on, as a client that follows `next` gets them.
    private static func walk(_ filter: ServiceRequestFilter, _ reader: ServiceRequestReader, _ tenant: TenantID) async throws
        -> [ServiceRequestID]
    {
        var filter = filter
        var found: [ServiceRequestID] = []
        var offset = 0
        filter.position = .offset(0, counts: false)
        while true {
            let page = try await reader.search(filter, of: tenant)
            found += page.requests.map(\.id)
            guard page.hasMore, let last = page.requests.last else { return found }
            offset += filter.limit
            guard filter.order.hasCursor else {
                filter.position = .offset(offset, counts: false)
                continue
            }
            let window = filter.updated.map { ($0.lowerBound, $0.upperBound) } ?? (filter.requestedFrom, filter.requestedTo)
            filter.position = .after(
                SearchCursor(
                    from: window.0, to: window.1, moment: filter.order.field == .updated ? last.updatedAt : last.requestedAt, id: last.id))
        }
    }

    @Test("the short cut for small circles decides as the distance does, from pole to pole and across the date line")
    func circlesByShortCut() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let owner = try PostgresConnection(configuration: addresses.owner)
        let disagreeing = Statement(
            "circles",
            """
            with circles as (
                select random() * 180 - 90 as lat, case when n % 5 = 0 then 179.9 - random() else random() * 360 - 180 end as long,
                       random() * 30000 as radius from generate_series(1, 40000) n
            ), pairs as (
                select *, greatest(-90, least(90, lat + (random() - 0.5) * radius / 50000)) as other_lat,
                       long + (random() - 0.5) * radius / 50000 / greatest(cos(radians(lat)), 0.01) as other_long from circles
            ), placed as (
                select lat, long, radius, other_lat,
                       case when other_long > 180 then other_long - 360 when other_long < -180 then other_long + 360 else other_long end as other_long
                from pairs
            )
            select count(*) filter (where bus311_within(lat, long, radius, other_lat, other_long)
                                    <> (bus311_distance(lat, long, other_lat, other_long) <= radius)),
                   count(*) filter (where bus311_distance(lat, long, other_lat, other_long) <= radius) from placed
            """)
        let (wrong, inside) = try await owner.run { (session) throws(PostgresError) in
            try session.execute(disagreeing).map { (row) throws(PostgresError) in (try row.int64(0), try row.int64(1)) }.first ?? (-1, 0)
        }
        #expect(wrong == 0)
        #expect((10_000...35_000).contains(inside), "half lie inside and half outside, about: \(inside)")
        await owner.close()
    }

    @Test("pages neither skip nor repeat what was there, while others store as fast as they can")
    func pagesUnderInserts() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let tenant = city.tenant
        func store(_ count: Int) async throws -> Set<ServiceRequestID> {
            try await withThrowingTaskGroup(of: ServiceRequestID.self) { group in
                for _ in 0..<count {
                    group.addTask { try await city.recorder.record(try Fixtures.submission(for: tenant), tenant: tenant).id }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
        }
        let before = try await store(300)
        let filter = ServiceRequestFilter(
            requestedFrom: Timestamp.now.adding(days: -1), requestedTo: Timestamp.now.adding(days: 1), limit: 17)
        let writing = Task {
            var stored = 0
            while !Task.isCancelled { stored += try await store(20).count }
            return stored
        }
        var seen: [ServiceRequestID] = []
        for _ in 0..<5 {
            seen = try await Self.walk(filter, city.reader, tenant.id)
            #expect(Set(seen).count == seen.count, "a request came twice")
            #expect(before.isSubset(of: seen), "a request was passed over")
        }
        writing.cancel()
        #expect(try await writing.value > 0)
    }

    @Test("a page at the end of forty thousand costs what the first costs, and narrow searches read their index")
    func plansAtVolume() async throws {
        let filled = try await Filled(count: 40_000)
        let tenant = filled.city.tenant.id.rawValue
        // As the gateway reads: under row-level security an index serves fewer conditions.
        let gateway = try PostgresConnection(configuration: filled.city.addresses.role("bus311_gateway"))
        func rowsRead(_ name: String, _ values: String, mode: String) async throws -> (plan: String, blocks: Int) {
            let statement = try #require(Statements.all.first { $0.name == name })
            return try await gateway.run { (session) throws(PostgresError) in
                try session.script(
                    "set bus311.tenant = \(tenant); set plan_cache_mode = \(mode); deallocate all; prepare hot as \(statement.sql)")
                // `deallocate all` took this connection's own statements too: each needs a name of its own.
                let explain = Statement("explain_\(Int.random(in: 0..<1_000_000_000))", "explain (analyze, buffers) execute hot(\(values))")
                let lines = try session.execute(explain).map { (row) throws(PostgresError) in try row.text(0) }
                let buffers = lines.first { $0.contains("Buffers:") } ?? ""
                let numbers = buffers.split { !$0.isNumber }.compactMap { Int($0) }
                return (lines.joined(separator: "\n"), numbers.reduce(0, +))
            }
        }
        let window = "0, now() - interval '420 days', now()"
        let first = try await rowsRead("requests_list", "\(tenant), \(window), now(), 1, null, null, 51, 0", mode: "force_generic_plan")
        let last = try await rowsRead(
            "requests_list", "\(tenant), \(window), now() - interval '390 days', 1, null, null, 51, 0", mode: "force_generic_plan")
        for answer in [first, last] {
            #expect(answer.blocks < 400, "\(answer.plan)")
        }
        func general(_ more: [Int: String]) -> String {
            (1...27).map { place in
                more[place] ?? [1: "\(tenant)", 2: "'1990-01-01'", 3: "'2200-01-01'", 22: "0", 26: "51", 27: "0"][place] ?? "null"
            }.joined(separator: ", ")
        }
        let near = try await rowsRead(
            "search_requested_down",
            general([
                11:
                    "array[\(BoundingBox(south: 43.6, west: 3.2, north: 43.603, east: 3.203).cells(maximum: 256)?.map(String.init).joined(separator: ",") ?? "")]",
                12: "43.6", 13: "43.603", 14: "3.2", 15: "3.203",
            ]), mode: "force_custom_plan")
        #expect(near.plan.contains("Index Cond: ((tenant_id = \(tenant)) AND (cell = ANY"), "\(near.plan)")
        let changed = try await rowsRead(
            "search_requested_down_changed", general([20: "now() - interval '2 hours'", 21: "now()"]), mode: "force_custom_plan")
        #expect(changed.plan.contains("_updated_at_idx") && changed.blocks < 1_500, "\(changed.plan)")
        let object = try await rowsRead("search_requested_down", general([9: "'urn:lamps'", 10: "'lamp-3'"]), mode: "force_custom_plan")
        #expect(object.blocks < 4_000, "\(object.plan)")
        await gateway.close()
    }
}
