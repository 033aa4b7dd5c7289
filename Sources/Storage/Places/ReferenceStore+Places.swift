import Open311
import Postgres

/// What the places of other kinds say about a document of places.
public struct PlaceFindings: Sendable, Equatable {
    /// An id is of one kind of places: the namespace that requests name it in is one.
    public var faults: [ReferenceFault] = []
    /// Parents that are nowhere.
    public var advice: [ReferenceFault] = []
}

extension ReferenceStore {
    /// - Parameter document: with faults of its own perhaps; nothing is found in one that is no list of places.
    public func findings(on document: JSONValue, of kind: ReferenceKind, tenant: TenantID) async throws(StorageError) -> PlaceFindings {
        guard let places = PlaceKind(collection: kind), let entries = document.array, entries.count <= PlaceListReader.maximumPlaces else {
            return PlaceFindings()
        }
        let own = tenant.production
        let ids = entries.map { Self.id($0["id"]) }
        let known = Set(ids.compactMap { $0 })
        let parents = entries.map { entry in Self.id(entry["parent"]).flatMap { known.contains($0) ? nil : $0 } }
        let named = known.union(parents.compactMap { $0 }).sorted()
        guard !named.isEmpty else { return PlaceFindings() }
        let others = try await run { (session) throws(PostgresError) in
            let rows = try session.pipeline([
                RequestSQL.tenant(own), (PlaceSQL.ofOthers, [.int32(own.rawValue), .texts(named), .text(places.rawValue)]),
            ])[1]
            var others: [String: String] = [:]
            for index in 0..<rows.count { others[try rows[index].text(0)] = try rows[index].text(1) }
            return others
        }
        var findings = PlaceFindings()
        for (index, id) in ids.enumerated() {
            if let id, let kind = others[id].flatMap({ PlaceKind(rawValue: $0) }) {
                findings.faults.append(
                    ReferenceFault("/\(index)/id", "id \(id) is one of the \(kind.collection.pathName): an id is of one kind of places."))
            }
            if let parent = parents[index], others[parent] == nil {
                findings.advice.append(
                    ReferenceFault(
                        "/\(index)/parent",
                        "parent \(parent) is none of these places, and no published place of another kind: is it misspelt?"))
            }
        }
        return findings
    }

    private static func id(_ value: JSONValue?) -> String? {
        value?.string.flatMap { PlaceID(CleanText.singleSpaced($0))?.rawValue }
    }
}
