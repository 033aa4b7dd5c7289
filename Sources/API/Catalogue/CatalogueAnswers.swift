import NIOConcurrencyHelpers
import Open311
import Storage

/// The answers made of each tenant's catalogue as it is now; those of an older one are dropped when the first of a newer one is
/// made. Bounded by what can be asked of a catalogue: its services, two formats, and the few orders of its languages.
final class CatalogueAnswers: Sendable {
    enum Resource: Hashable {
        case services
        case definition(ServiceCode)
    }

    private struct Key: Hashable {
        let resource: Resource
        let languages: [Language]
        let format: ResponseFormat
    }

    private struct Kept {
        let revision: UInt64
        var answers: [Key: PreparedAnswer] = [:]
    }

    private let kept = NIOLockedValueBox<[TenantID: Kept]>([:])

    /// - Parameter make: writes the answer's bytes, when none is kept.
    func answer(
        _ resource: Resource,
        of tenant: Tenant,
        in snapshot: DirectorySnapshot,
        _ languages: [Language],
        _ format: ResponseFormat,
        _ make: () -> [UInt8]
    ) -> PreparedAnswer {
        let id = tenant.id.production
        let revision = snapshot.revision(of: id)
        let key = Key(resource: resource, languages: languages, format: format)
        let found = kept.withLockedValue { kept in kept[id].flatMap { $0.revision == revision ? $0.answers[key] : nil } }
        if let found { return found }
        let answer = PreparedAnswer(
            make(),
            contentType: format.contentType,
            lastModified: snapshot.catalogue(of: id).changedAt,
            language: languages.first
        )
        kept.withLockedValue { kept in
            if kept[id]?.revision != revision { kept[id] = Kept(revision: revision) }
            kept[id]?.answers[key] = answer
        }
        return answer
    }
}
