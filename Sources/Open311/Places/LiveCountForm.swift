/// What a parking's counter says: so many places were free at that moment.
public struct GivenCount: Sendable, Equatable {
    public let id: PlaceID
    public let free: Int
    public let countedAt: Timestamp

    public init(id: PlaceID, free: Int, countedAt: Timestamp) {
        self.id = id
        self.free = free
        self.countedAt = countedAt
    }
}

/// Live counts as counters send them: `{"counts": [{"id", "free", "counted_datetime"}]}`, one object of a single parking, or a table
/// with those columns.
public struct LiveCountForm {
    public static let maximumCounts = 1_000
    /// Of a body, in bytes.
    public static let maximumSize = 262_144
    public static let maximumFree = 1_000_000
    /// How far a counter's clock may be ahead, in seconds.
    public static let maximumLead: Int64 = 300

    private let receivedAt: Timestamp
    private var faults: [ReferenceFault] = []

    public init(receivedAt: Timestamp) { self.receivedAt = receivedAt }

    /// - Throws: ``ReferenceFaults`` with every fault; nothing of it is stored then.
    public func counts(json bytes: [UInt8]) throws(ReferenceFaults) -> [GivenCount] {
        guard let items = (try? JSONReader.value(bytes))?["counts"]?.array else {
            throw Self.fault("", "The body must be a JSON object with counts, a list: {\"counts\": [{\"id\": \"p-1\", \"free\": 80}]}.")
        }
        var reader = self
        return try reader.read(items, pointer: { "/counts/\($0)" })
    }

    /// Of one parking, which the path names.
    public func count(of id: PlaceID, json bytes: [UInt8]) throws(ReferenceFaults) -> GivenCount {
        guard let object = try? JSONReader.value(bytes), let members = object.object else {
            throw Self.fault("", "The body must be a JSON object with free: {\"free\": 80}.")
        }
        if let named = object["id"]?.string, named != id.rawValue { throw Self.fault("/id", "id is another than the path's.") }
        var reader = self
        let named = JSONValue.object(members.filter { $0.name != "id" } + [.init("id", .string(id.rawValue))])
        guard let count = try reader.read([named], pointer: { _ in "" }).first else { throw Self.fault("", "free is required.") }
        return count
    }

    /// - Parameter charset: as the sender names it; nil for UTF-8.
    public func counts(table bytes: [UInt8], charset: String?) throws(ReferenceFaults) -> [GivenCount] {
        let table = try Table(csv: bytes, charset: charset)
        var reader = self
        reader.faults = table.faults
        for (index, name) in table.columns.enumerated() where !["", "id", "free", "counted_datetime"].contains(name) {
            reader.faults.append(
                ReferenceFault(
                    "#cell=1,\(index + 1)", "The column “\(name.prefix(64))” is unknown. Known: id, free, counted_datetime."))
        }
        let rows = table.rows.filter { !$0.isBroken }
        guard !rows.isEmpty || reader.faults.isEmpty else { throw ReferenceFaults(reader.faults) }
        let items = rows.map { row in
            JSONValue.object(
                zip(table.columns, row.cells).filter { !$0.1.isEmpty }.map { name, cell in
                    .init(name, name == "free" ? DecimalText.number(cell).map { .number($0) } ?? .string(cell) : .string(cell))
                })
        }
        return try reader.read(items, pointer: { "#row=\(rows[$0].number)" })
    }

    private static func fault(_ pointer: String, _ text: String) -> ReferenceFaults { ReferenceFaults([ReferenceFault(pointer, text)]) }

    private mutating func refuse(_ pointer: String, _ member: String, _ text: String) {
        // A row of a table has no pointer into it.
        faults.append(ReferenceFault(pointer.hasPrefix("#") ? pointer : "\(pointer)/\(member)", text))
    }

    private mutating func read(_ items: [JSONValue], pointer: (Int) -> String) throws(ReferenceFaults) -> [GivenCount] {
        guard (1...Self.maximumCounts).contains(items.count) else {
            throw Self.fault("/counts", "1 to \(Self.maximumCounts) counts at a time, and there are \(items.count).")
        }
        var counts: [GivenCount] = []
        var seen: [PlaceID: Int] = [:]
        for (index, item) in items.enumerated() {
            let place = pointer(index)
            guard item.object != nil else {
                faults.append(ReferenceFault(place, "A count must be an object with id and free."))
                continue
            }
            let id = item["id"]?.string.flatMap { PlaceID(CleanText.singleSpaced($0)) }
            if id == nil { refuse(place, "id", "id must be that of a parking.") }
            if let id, let first = seen.updateValue(index, forKey: id) {
                refuse(place, "id", "id \(id) occurs twice: first in \(pointer(first)).")
            }
            let free = item["free"]?.number.flatMap { Int(exactly: $0) }
            if free.map({ (0...Self.maximumFree).contains($0) }) != true {
                refuse(place, "free", "free must be a whole number from 0 to \(Self.maximumFree).")
            }
            let moment = moment(item["counted_datetime"], place)
            if let id, let free { counts.append(GivenCount(id: id, free: free, countedAt: moment ?? receivedAt)) }
        }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return counts
    }

    private mutating func moment(_ value: JSONValue?, _ place: String) -> Timestamp? {
        guard let value, value != .null else { return nil }
        guard let moment = value.string.flatMap({ Timestamp(parsing: $0) }),
            (Timestamp.distantPast...Timestamp.distantFuture).contains(moment)
        else {
            refuse(place, "counted_datetime", "counted_datetime must be a date and time, as in 2026-03-01T10:00:00Z.")
            return nil
        }
        if moment > receivedAt.adding(seconds: Self.maximumLead) {
            refuse(place, "counted_datetime", "counted_datetime is in the future: check the counter's clock and zone.")
        }
        return moment
    }
}
