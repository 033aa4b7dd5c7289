import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import Open311
import Storage

/// Which prepared answer a whole request target gave last time. Apps ask for the same few addresses over and over: the second
/// time neither path nor query is taken apart. Holds as long as one reading of the directory, for a bounded number of targets.
final class CatalogueShortcuts: Sendable {
    struct Shortcut: Sendable {
        let answer: PreparedAnswer
        let route: GeoReportRoute
        /// Whose answer it is; nil for the installation's.
        let tenant: TenantID?
    }

    private struct Key: Hashable {
        let target: String
        let acceptLanguage: String?
    }

    private static let maximumCount = 1_024

    private let kept = NIOLockedValueBox<(generation: UInt64, shortcuts: [Key: Shortcut])>((0, [:]))

    /// - Returns: nil for a request that must go the long way.
    func shortcut(for request: Request, in snapshot: DirectorySnapshot) -> Shortcut? {
        guard request.method == .get else { return nil }
        let key = Self.key(request)
        return kept.withLockedValue { $0.generation == snapshot.generation ? $0.shortcuts[key] : nil }
    }

    func keep(_ shortcut: Shortcut, for request: Request, in snapshot: DirectorySnapshot) {
        let key = Self.key(request)
        kept.withLockedValue { kept in
            if kept.generation != snapshot.generation { kept = (snapshot.generation, [:]) }
            if kept.shortcuts.count < Self.maximumCount { kept.shortcuts[key] = shortcut }
        }
    }

    private static func key(_ request: Request) -> Key {
        Key(target: request.uri.description, acceptLanguage: request.headers[.acceptLanguage])
    }
}
