import Foundation

/// What a backup is made of, as `manifest.json` in its folder says. Written last: a folder without it is not finished. No secret in it.
public struct BackupManifest: Sendable, Equatable, Codable {
    /// A file of the backup, by its path in the folder.
    public struct File: Sendable, Equatable, Codable {
        public let path: String
        public let bytes: Int64
        /// In hexadecimal digits.
        public let sha256: String

        public init(path: String, bytes: Int64, sha256: String) {
            self.path = path
            self.bytes = bytes
            self.sha256 = sha256
        }
    }

    /// The copy of the database. Each of its files has its hash in `database/backup_manifest`, whose own hash stands in ``BackupManifest/files``.
    public struct Database: Sendable, Equatable, Codable {
        /// The services' database in the cluster.
        public let name: String
        public let majorVersion: Int
        public let systemIdentifier: String
        public let timeline: Int
        /// Where the log begins that makes the copy whole, and where it ends: no earlier moment can be restored.
        public let walStart: String
        public let walEnd: String
        public let segmentBytes: Int
        public let bytes: Int64

        public init(
            name: String, majorVersion: Int, systemIdentifier: String, timeline: Int, walStart: String, walEnd: String, segmentBytes: Int,
            bytes: Int64
        ) {
            self.name = name
            self.majorVersion = majorVersion
            self.systemIdentifier = systemIdentifier
            self.timeline = timeline
            self.walStart = walStart
            self.walEnd = walEnd
            self.segmentBytes = segmentBytes
            self.bytes = bytes
        }
    }

    public struct Media: Sendable, Equatable, Codable {
        public let files: Int
        public let bytes: Int64

        public init(files: Int, bytes: Int64) {
            self.files = files
            self.bytes = bytes
        }
    }

    public static let currentFormat = 1

    public let format: Int
    public let name: String
    /// RFC 3339, UTC.
    public let startedAt: String
    public let finishedAt: String
    public let bus311Version: String
    public let database: Database
    /// Nil for an installation that takes no photos.
    public let media: Media?
    public let files: [File]

    public init(
        name: String, startedAt: String, finishedAt: String, bus311Version: String, database: Database, media: Media?, files: [File]
    ) {
        format = Self.currentFormat
        self.name = name
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.bus311Version = bus311Version
        self.database = database
        self.media = media
        self.files = files
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    public func data() throws -> Data { try Self.encoder.encode(self) + Data("\n".utf8) }

    /// - Throws: ``BackupFault``.
    public init(reading data: Data, at path: String) throws(BackupFault) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { self = try decoder.decode(BackupManifest.self, from: data) } catch { throw .unreadable(path: path) }
        guard format == Self.currentFormat else { throw .format(path: path, format) }
        // What stands in here names files that are read and commands that are run.
        guard files.allSatisfy({ BackupFolder.isInside($0.path) }), database.segmentBytes > 0, database.segmentBytes <= 1 << 30,
            (10...99).contains(database.majorVersion)
        else { throw .unreadable(path: path) }
    }
}

/// Where PostgreSQL's own manifest of a copy says that its log begins and ends.
public struct WALRange: Sendable, Equatable, Codable {
    public let timeline: Int
    public let start: String
    public let end: String

    private struct Manifest: Decodable {
        struct Range: Decodable {
            let timeline: Int
            let start: String
            let end: String

            enum CodingKeys: String, CodingKey {
                case timeline = "Timeline"
                case start = "Start-LSN"
                case end = "End-LSN"
            }
        }

        let ranges: [Range]

        enum CodingKeys: String, CodingKey { case ranges = "WAL-Ranges" }
    }

    /// - Parameter data: of a file `backup_manifest`.
    public init(reading data: Data, at path: String) throws(BackupFault) {
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: data), let range = manifest.ranges.last else {
            throw .unreadable(path: path)
        }
        timeline = range.timeline
        start = range.start
        end = range.end
    }
}

/// What is wrong with a backup.
public enum BackupFault: Error, Sendable, Equatable, CustomStringConvertible {
    case noFolder(String)
    case none(in: String)
    case unknown(String, in: String)
    case unfinished(String)
    case unreadable(path: String)
    case format(path: String, Int)
    case missing(path: String)
    case changed(path: String)
    case notEmpty(path: String)
    case open(path: String)
    /// - Parameter last: when the log's last transaction was committed; nil when it has none.
    case beyondTheLog(moment: String, last: String?)
    /// The database is restored, and its photos are not.
    case photosLeft(data: String, source: String, target: String, what: String)
    case file(path: String, what: String)

    public var description: String {
        switch self {
        case .noFolder(let path): "There is no folder \(path). Make a backup first: bus311 backup run --to \(path)"
        case .none(let path): "There is no finished backup in \(path). Make one: bus311 backup run --to \(path)"
        case .unknown(let name, let path): "There is no backup \(name) in \(path). List them: bus311 backup list --in \(path)"
        case .unfinished(let path): "\(path) has no manifest.json: this backup was broken off. bus311 backup prune removes it."
        case .unreadable(let path): "\(path) cannot be read: it is not what bus311 wrote. Use another backup."
        case .format(let path, let format): "\(path) is of format \(format), which this version does not know: use a newer bus311."
        case .missing(let path): "\(path) is missing. Use another backup."
        case .changed(let path): "\(path) is not as it was written: its size or hash differs. Use another backup."
        case .notEmpty(let path): "\(path) is not empty: a restore overwrites nothing. Name an empty or new folder."
        case .open(let path): "Others may enter \(path), and a backup holds personal data. Run: chmod 700 \(path)"
        case .beyondTheLog(let moment, let last):
            "The log ends before \(moment): its last transaction is of \(last ?? "before the backup"). Leave --to-time out "
                + "to have everything, or name an earlier moment."
        case .photosLeft(let data, let source, let target, let what):
            "The database is restored into \(data), but its photos were not copied: \(what). Copy them yourself: cp -a \(source)/. \(target)"
        case .file(let path, let what): "\(path): \(what)"
        }
    }
}
