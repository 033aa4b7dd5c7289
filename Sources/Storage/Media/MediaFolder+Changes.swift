import Foundation
import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// Which shelves of a folder of photos were listed, and how they looked.
public struct MediaShelves: Sendable {
    /// Moment of the last change, in nanoseconds, by the shelf's path.
    fileprivate var seen: [String: Int64] = [:]

    public init() {}
}

extension MediaFolder {
    /// Files of the shelves that changed since they were listed. A folder's own moment tells, so that a million photos that were copied
    /// cost 256 looks for each tenant.
    ///
    /// - Parameter shelves: remembers what was listed.
    public func changed(since shelves: inout MediaShelves) async throws(MediaError) -> [MediaKey] {
        let known = shelves.seen
        let tenants = try await tenants()
        let (keys, seen) = try await Self.offCooperativePool { () throws(MediaError) in
            var keys: [MediaKey] = []
            var seen = known
            for tenant in tenants {
                for kind in MediaKey.Kind.allCases {
                    let folder = "\(self.root)/\(tenant.rawValue)/\(kind.rawValue)"
                    for shelf in try Self.entries(of: folder) {
                        let path = "\(folder)/\(shelf)"
                        var status = stat()
                        guard stat(path, &status) == 0 else { continue }
                        let moment = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                        guard known[path] != moment else { continue }
                        keys += try Self.entries(of: path).filter { MediaKey.isName($0, of: kind) }.map {
                            MediaKey(tenant: tenant, kind: kind, name: $0)
                        }
                        // The clock of files ticks a few times a hundredth: one that changed just now may change again within the tick.
                        seen[path] = Int64(time(nil)) * 1_000_000_000 - moment > 2_000_000_000 ? moment : nil
                    }
                }
            }
            return (keys, seen)
        }
        shelves.seen = seen
        return keys
    }
}
