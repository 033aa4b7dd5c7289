import Foundation
import Testing

@testable import Operations

@Suite("What a backup says of itself")
struct BackupManifestTests {
    private func manifest(files: [String] = ["settings.json"], segment: Int = 16_777_216) -> BackupManifest {
        BackupManifest(
            name: "20261126T034500Z", startedAt: "2026-11-26T03:45:00Z", finishedAt: "2026-11-26T03:46:00Z", bus311Version: "0.1.0",
            database: BackupManifest.Database(
                name: "bus311", majorVersion: 15, systemIdentifier: "7400000000000000001", timeline: 1, walStart: "0/2000028",
                walEnd: "0/2000138", segmentBytes: segment, bytes: 30_000_000),
            media: BackupManifest.Media(files: 3, bytes: 12_345),
            files: files.map { BackupManifest.File(path: $0, bytes: 2, sha256: String(repeating: "0", count: 64)) })
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let written = manifest()
        #expect(try BackupManifest(reading: try written.data(), at: "m") == written)
    }

    @Test(
        "a manifest that names a file outside of its folder is refused",
        arguments: ["/etc/passwd", "../settings.json", "database/../../x", "", "a//b"])
    func outside(path: String) throws {
        let data = try manifest(files: [path]).data()
        #expect(throws: BackupFault.unreadable(path: "m")) { _ = try BackupManifest(reading: data, at: "m") }
    }

    @Test("anything else than what was written is refused, whatever byte is changed or missing, and nothing ends")
    func fuzz() throws {
        let written = Array(try manifest().data())
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            var bytes = written
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
            case 1: bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: Int.random(in: 0..<bytes.count, using: &generator))
            }
            guard let read = try? BackupManifest(reading: Data(bytes), at: "m") else { continue }
            #expect(read.files.allSatisfy { BackupFolder.isInside($0.path) } && read.database.segmentBytes > 0)
        }
        #expect(throws: BackupFault.format(path: "m", 2)) {
            let other = String(decoding: written, as: UTF8.self).replacingOccurrences(of: "\"format\" : 1", with: "\"format\" : 2")
            _ = try BackupManifest(reading: Data(other.utf8), at: "m")
        }
    }

    @Test("PostgreSQL's own manifest tells where its log begins and ends")
    func walRange() throws {
        let text = """
            { "PostgreSQL-Backup-Manifest-Version": 1, "Files": [],
            "WAL-Ranges": [{ "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" }], "Manifest-Checksum": "00" }
            """
        let range = try WALRange(reading: Data(text.utf8), at: "m")
        #expect(range.timeline == 1 && range.start == "0/2000028" && range.end == "0/2000100")
        #expect(throws: BackupFault.unreadable(path: "m")) { _ = try WALRange(reading: Data("{\"WAL-Ranges\":[]}".utf8), at: "m") }
    }
}

@Suite("The log in an archive")
struct WALFolderTests {
    private static let megabytes16 = 16 << 20

    private func folder(_ names: [String]) throws -> (WALFolder, URL) {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-wal-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for name in names { try Data().write(to: url.appendingPathComponent(name)) }
        return (WALFolder(url), url)
    }

    private func file(_ number: UInt64) -> String { String(format: "00000001%08X%08X", Int(number / 256), Int(number % 256)) }

    @Test("a file's name and a position agree, for any position")
    func numbers() {
        for _ in 0..<1_000 {
            let position = UInt64.random(in: 0..<(1 << 40))
            let text = String(format: "%X/%X", Int(position >> 32), Int(position & 0xFFFF_FFFF))
            let number = WALFolder.number(ofPosition: text, segmentBytes: Self.megabytes16)
            #expect(number == position >> 24 && number.map { WALFolder.number(of: file($0), segmentBytes: Self.megabytes16) } == number)
        }
        for wrong in ["", "0", "0/", "/0", "g/0", "0/123456789", "0/0/0"] {
            #expect(WALFolder.number(ofPosition: wrong, segmentBytes: Self.megabytes16) == nil)
        }
        for wrong in ["", "00000001.history", "server", "00000001000000000000000g", "000000010000000000000001.partial.partial"] {
            #expect(WALFolder.number(of: wrong, segmentBytes: Self.megabytes16) == nil)
        }
    }

    @Test("whichever file is missing, the gap is named; the unfinished last one is none")
    func gap() throws {
        let whole = (250..<262).map { file(UInt64($0)) }
        // In the file before the first.
        let position = "0/F9000138"
        for missing in 0..<11 {
            var names = whole
            names.remove(at: missing)
            names[names.count - 1] += ".partial"
            let (folder, url) = try folder(names + ["server", "lock"])
            defer { try? FileManager.default.removeItem(at: url) }
            let gap = folder.gap(after: position, segmentBytes: Self.megabytes16)
            #expect(gap == (missing == 0 ? "after \(position)" : "after \(whole[missing - 1])"))
        }
        let (complete, url) = try folder(whole)
        defer { try? FileManager.default.removeItem(at: url) }
        #expect(complete.gap(after: position, segmentBytes: Self.megabytes16) == nil)
        #expect(try complete.reach()?.files == 12)
        #expect(complete.older(than: "0/FD000000", segmentBytes: Self.megabytes16).count == 3)
        #expect(complete.gap(after: "1/FE000000", segmentBytes: Self.megabytes16) == nil)
        // What can be read through: from the backup's end where its file is there, over the turn of the number, to the last whole file.
        let all = WALFolder.Stretch(timeline: 1, start: "0/FA000000", end: "1/6000000", next: file(262))
        #expect(complete.stretch(after: position, segmentBytes: Self.megabytes16) == all)
        #expect(complete.stretch(after: "0/FB000138", segmentBytes: Self.megabytes16)?.start == "0/FB000138")
        #expect(complete.stretch(after: "1/6000138", segmentBytes: Self.megabytes16) == nil)
        try FileManager.default.moveItem(
            at: url.appendingPathComponent(whole[3]), to: url.appendingPathComponent(whole[3] + ".partial"))
        #expect(complete.stretch(after: position, segmentBytes: Self.megabytes16)?.next == whole[3])
        #expect(complete.older(than: position, segmentBytes: Self.megabytes16).isEmpty)
    }
}

@Suite("A folder of backups")
struct BackupFolderTests {
    @Test("a damaged backup is in the way of no other; two of one second have names of their own")
    func damaged() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-backups-\(UUID())")
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = try BackupFolder(path: root.path, makes: true)
        let moment = try #require(ISO8601DateFormatter().date(from: "2026-11-26T03:45:00Z"))
        let (old, newer) = (try folder.begin(at: moment), try folder.begin(at: moment))
        #expect(old.name == "20261126T034500Z" && newer.name == "20261126T034501Z")
        try Data("{".utf8).write(to: old.url.appendingPathComponent("manifest.json"))
        let manifest = BackupManifest(
            name: newer.name, startedAt: "2026-11-26T03:45:00Z", finishedAt: "2026-11-26T03:46:00Z", bus311Version: "0.1.0",
            database: BackupManifest.Database(
                name: "bus311", majorVersion: 15, systemIdentifier: "7", timeline: 1, walStart: "0/2000028", walEnd: "0/2000138",
                segmentBytes: 16_777_216, bytes: 1),
            media: nil, files: [])
        try manifest.data().write(to: newer.url.appendingPathComponent("manifest.json"))
        #expect(try folder.finished().manifest == manifest)
        #expect(try folder.finished(newer.name).manifest == manifest)
        #expect(throws: BackupFault.self) { _ = try folder.finished(old.name) }
    }
}
