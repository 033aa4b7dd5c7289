import Foundation

/// The CRM's store in this example: a file to which lines are added, each forced to the disk before anything is acknowledged.
///
/// One line is one transaction: the event's identifier, the request with its version, and the answer owed to the citizen. Put your
/// database in its place.
struct Journal {
    /// Of a request's snapshot. Numbers are given out again when the bus was restored, in a new epoch: its events are newer.
    struct Version: Codable, Comparable {
        var epoch: Int
        var sequence: Int

        static func < (one: Version, other: Version) -> Bool { (one.epoch, one.sequence) < (other.epoch, other.sequence) }
    }

    private struct Line: Codable {
        /// The event that was stored…
        var event: String?
        var request: String?
        var version: Version?
        /// … and the snapshot, nil when it was erased.
        var snapshot: String?
        /// Or the update that was sent.
        var sent: String?
    }

    private let path: String
    private var file: FileHandle
    private var events: Set<String> = []
    private var versions: [String: Version] = [:]
    /// Updates to send, oldest first: the identifier of each, which is that of the event, and the request's number.
    private(set) var outbox: [(update: String, request: String)] = []

    /// Opens or makes the journal, and reads what it holds. A last line that a crash cut short was never acknowledged: it goes.
    init(path: String) throws {
        self.path = path
        if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
        file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let data = try file.readToEnd() ?? Data()
        let whole = data.lastIndex(of: UInt8(ascii: "\n")).map { data[...$0] } ?? Data()
        for line in whole.split(separator: UInt8(ascii: "\n")) { replay(try JSONDecoder().decode(Line.self, from: line)) }
        try file.truncate(atOffset: UInt64(whole.count))
    }

    /// Stores an event once, whatever comes twice or late; a nil snapshot erases. When this returns, it is on disk.
    mutating func apply(_ event: Event, snapshot: String?) throws {
        guard !events.contains(event.id), versions[event.data.service_request_id].map({ event.version > $0 }) ?? true else { return }
        // First, so that a second try does both.
        if snapshot == nil { try forget(event.data.service_request_id) }
        try write(Line(event: event.id, request: event.data.service_request_id, version: event.version, snapshot: snapshot))
    }

    mutating func markSent(_ update: String) throws { try write(Line(sent: update)) }

    private mutating func write(_ line: Line) throws {
        let end = try file.seekToEnd()
        do {
            try file.write(contentsOf: JSONEncoder().encode(line) + Data("\n".utf8))
            try file.synchronize()
        } catch {
            try file.truncate(atOffset: end)  // half a line would spoil the next
            throw error
        }
        replay(line)
    }

    /// Writes the journal anew without what is known of a request. A crash leaves the old one or the new one.
    private mutating func forget(_ request: String) throws {
        let lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: UInt8(ascii: "\n")).map {
            var line = try JSONDecoder().decode(Line.self, from: $0)
            if line.request == request { line.snapshot = nil }
            return try JSONEncoder().encode(line) + Data("\n".utf8)
        }
        try Data(lines.joined()).write(to: URL(fileURLWithPath: path), options: .atomic)
        file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.synchronize()
    }

    private mutating func replay(_ line: Line) {
        if let update = line.sent { outbox.removeAll { $0.update == update } }
        guard let event = line.event, let request = line.request, let version = line.version else { return }
        // Your CRM opens a file for a request that it sees the first time, and answers the citizen.
        if versions[request] == nil, line.snapshot != nil { outbox.append((event, request)) }
        events.insert(event)
        versions[request] = version
    }
}
