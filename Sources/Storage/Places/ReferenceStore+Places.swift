import Open311
import Postgres

/// An id is of one kind of places: the namespace that requests name it in is one.
extension ReferenceStore {
    /// The faults of a document of places whose ids places of other kinds have; none for another document.
    public func conflicts(_ document: JSONValue, of kind: ReferenceKind, tenant: TenantID) async throws(StorageError) -> [ReferenceFault] {
        guard let places = PlaceKind(collection: kind), let entries = document.array else { return [] }
        let own = tenant.production
        let ids = entries.map { $0["id"]?.string }
        let taken = try await run { (session) throws(PostgresError) in
            let rows = try session.pipeline([
                RequestSQL.tenant(own), (PlaceSQL.taken, [.int32(own.rawValue), .texts(ids), .text(places.rawValue)]),
            ])[1]
            var taken: [String: String] = [:]
            for index in 0..<rows.count { taken[try rows[index].text(0)] = try rows[index].text(1) }
            return taken
        }
        guard !taken.isEmpty else { return [] }
        return ids.enumerated().compactMap { index, id in
            guard let id, let kind = taken[id].flatMap({ PlaceKind(rawValue: $0) }) else { return nil }
            return ReferenceFault("/\(index)/id", "id \(id) is one of the \(kind.collection.pathName): an id is of one kind of places.")
        }
    }
}
