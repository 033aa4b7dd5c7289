import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// How full this machine's disks are.
public enum DiskProbe {
    /// - Parameter paths: a folder on each disk; one that cannot be asked is left out.
    public static func signs(of paths: [String]) -> [DiskSign] {
        paths.compactMap { path in
            var status = statvfs()
            guard statvfs(path, &status) == 0, status.f_blocks > 0 else { return nil }
            // As `df` counts: what only root may use is not free.
            let used = status.f_blocks - status.f_bfree
            let all = used + status.f_bavail
            return all > 0 ? DiskSign(path: path, used: Int((used * 100 + all - 1) / all)) : nil
        }
    }
}
