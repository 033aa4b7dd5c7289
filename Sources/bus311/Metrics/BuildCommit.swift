import Foundation

/// The commit that this program was built from: `make build` and `make release` write it into a file beside the program. A setting of
/// the compiler would build everything anew at each commit.
enum BuildCommit {
    /// Up to forty hexadecimal digits; `unknown` where the file is missing.
    static let text: String = {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
            let line = try? String(contentsOfFile: program + ".commit", encoding: .utf8).split(separator: "\n").first,
            (7...40).contains(line.count), line.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return "unknown" }
        return String(line)
    }()
}
