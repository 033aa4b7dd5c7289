import Foundation

/// Keeps steps at so many a second, and says on standard error how far they are.
struct Pace {
    private let perSecond: Int
    private let total: Int64
    private let start = ContinuousClock.now
    private let draws: Bool

    /// - Parameters:
    ///   - perSecond: at least 1.
    ///   - total: of everything that is to be done; 0 where nobody knows.
    init(perSecond: Int, total: Int64) {
        self.perSecond = max(1, perSecond)
        self.total = total
        draws = isatty(FileHandle.standardError.fileDescriptor) != 0
    }

    /// How many to do at once: a tenth of a second's share.
    var stride: Int { max(1, perSecond / 10) }

    /// Waits until `done` are not ahead of their time; draws the bar.
    func wait(after done: Int64) async throws {
        draw(done)
        let due = start.advanced(by: .seconds(Double(done) / Double(perSecond)))
        if due > .now { try await Task.sleep(until: due, clock: .continuous) }
    }

    /// The bar's last state stays.
    func finish(_ done: Int64) {
        draw(done)
        if draws { FileHandle.standardError.write(Data("\n".utf8)) }
    }

    private func draw(_ done: Int64) {
        guard draws else { return }
        guard total > 0 else { return FileHandle.standardError.write(Data("\r\(done)".utf8)) }
        let share = min(1, Double(done) / Double(total))
        let filled = Int(share * 40)
        let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: 40 - filled)
        FileHandle.standardError.write(Data("\r\(bar) \(Int(share * 100)) %  \(done) of \(total)".utf8))
    }

    /// In words, as in `2 min 5 s`.
    static func text(seconds: Int64) -> String {
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3_600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
    }
}

/// Who gives a command: for the record of what operators did.
enum Operator {
    static var name: String {
        let environment = ProcessInfo.processInfo.environment
        return environment["SUDO_USER"] ?? environment["USER"] ?? NSUserName()
    }
}
