import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The standard `process_*` metrics, read from /proc when asked for.
enum ProcessMetrics {
    /// Empty on a system without /proc.
    static func exposition() -> String {
        guard let text = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else {
            return ""
        }
        // The fields after the name, from the third on (proc(5)): 14 and 15 are user and system time, 22 the start, 24 the pages.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let start = Double(fields[19]),
            let virtual = Double(fields[20]), let pages = Double(fields[21])
        else { return "" }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        var lines: [(name: String, kind: String, help: String, value: Double)] = [
            ("process_cpu_seconds_total", "counter", "User and system time.", (user + system) / ticks),
            ("process_resident_memory_bytes", "gauge", "Resident memory.", pages * Double(sysconf(Int32(_SC_PAGESIZE)))),
            ("process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual),
        ]
        if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            lines.append(("process_open_fds", "gauge", "Open file descriptors.", Double(open.count)))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < 1 << 53 {
            lines.append(("process_max_fds", "gauge", "File descriptors that may be open.", Double(limit.rlim_cur)))
        }
        if let boot = bootTime { lines.append(("process_start_time_seconds", "gauge", "Start, since 1970.", boot + start / ticks)) }
        return lines.map { "# HELP \($0.name) \($0.help)\n# TYPE \($0.name) \($0.kind)\n\($0.name) \($0.value)\n" }.joined()
    }

    private static let bootTime: Double? = {
        let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }()
}
