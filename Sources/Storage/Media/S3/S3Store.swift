import Curl
import Foundation
import Open311

/// Photographs in an S3-compatible service. They are received on this machine's disk, and put there before anybody refers to them.
///
/// Keys are `<prefix><tenant>/<kind>/<name>`. The service itself promises that an object is visible whole or not at all.
public final class S3Store: MediaStore {
    private let configuration: S3Configuration
    private let receiving: MediaFolder
    private let requests: S3Requests
    /// Apart, so that slow uploads keep nobody from looking.
    private let uploads: HTTPClientGroup
    private let downloads: HTTPClientGroup

    private let times: Times
    /// More could not be answered in time anyway.
    private static let maximumWaiting = 256
    static let pageSize = 500

    /// How long the service may take, all attempts together.
    struct Times: Sendable {
        /// Of a whole file. A cleaner does three within its lease.
        var file = Duration.seconds(12)
        var answer = Duration.seconds(8)
    }

    /// - Parameters:
    ///   - receiving: this machine's part: uploads that are under way, and the cleaner's work.
    ///   - lanes: connections for each direction.
    public convenience init(_ configuration: S3Configuration, receiving: MediaFolder, lanes: Int = 8) {
        self.init(configuration, receiving: receiving, lanes: lanes, times: Times())
    }

    init(_ configuration: S3Configuration, receiving: MediaFolder, lanes: Int, times: Times) {
        self.configuration = configuration
        self.times = times
        self.receiving = receiving
        requests = S3Requests(configuration)
        uploads = HTTPClientGroup(
            name: "bus311-s3-put", size: lanes, maximumWaiting: Self.maximumWaiting, certificateAuthorityFile: configuration.authorities)
        downloads = HTTPClientGroup(
            name: "bus311-s3-get", size: lanes, maximumWaiting: Self.maximumWaiting, certificateAuthorityFile: configuration.authorities)
    }

    // MARK: Receiving

    public func makeIncoming() async throws(MediaError) -> IncomingFile { try await receiving.makeIncoming() }

    public func keep(_ file: IncomingFile, sha256: [UInt8], as key: MediaKey) async throws(MediaError) {
        try await keep(fileAt: file.path, sha256: sha256, as: key)
        await file.discard()
    }

    public func keep(fileAt path: String, sha256: [UInt8], as key: MediaKey) async throws(MediaError) {
        let answer = try await send(requests.put(key, path: path, sha256: sha256), through: uploads, within: times.file)
        guard answer.isSuccess else { throw MediaError(refusal: answer) }
    }

    // MARK: Working

    public func workFolder() async throws(MediaError) -> String { try await receiving.workFolder() }
    public func remove(workFolder path: String) async { await receiving.remove(workFolder: path) }
    public var hasRoom: Bool { receiving.hasRoom }

    public func localCopy(of key: MediaKey, in folder: String) async throws(MediaError) -> String {
        let path = "\(folder)/stored"
        let answer = try await send(requests.get(key, into: path), through: downloads, within: times.file)
        guard answer.isSuccess else { throw MediaError(refusal: answer) }
        return path
    }

    // MARK: Serving

    /// A compromise: each is a question to the service, and is held in memory while a client takes it.
    public var readBytes: Int { 262_144 }

    public func read(_ key: MediaKey, _ range: Range<Int>) async throws(MediaError) -> [UInt8] {
        guard !range.isEmpty else { return [] }
        let answer = try await send(requests.get(key, range), through: downloads, within: times.answer)
        switch answer.status {
        case 206: return answer.body
        // A service may answer with the whole when the range is all of it.
        case 200 where range.lowerBound == 0: return answer.body
        case 416: return []
        default: throw MediaError(refusal: answer)
        }
    }

    public func size(of key: MediaKey) async throws(MediaError) -> Int? {
        let answer = try await send(requests.head(key), through: downloads, within: times.answer)
        if answer.status == 404 { return nil }
        guard answer.isSuccess else { throw MediaError(refusal: answer) }
        guard let size = answer.header("Content-Length").flatMap({ Int($0) }) else {
            throw .unreachable("its answer names no size")
        }
        return size
    }

    // MARK: Removing

    public func remove(_ key: MediaKey) async throws(MediaError) {
        let answer = try await send(requests.delete(key), through: uploads, within: times.answer)
        guard answer.isSuccess || answer.status == 404 else { throw MediaError(refusal: answer) }
    }

    public func tenants() async throws(MediaError) -> [TenantKey] {
        var tenants: [TenantKey] = []
        var next: String?
        repeat {
            let listing = try await list(configuration.prefix, delimiter: "/", after: next)
            tenants += listing.prefixes.compactMap { prefix in
                try? TenantKey(validating: String(prefix.dropFirst(configuration.prefix.count).dropLast()))
            }
            next = listing.next
        } while next != nil
        return tenants
    }

    public func page(
        of kind: MediaKey.Kind, tenant: TenantKey, olderThan age: Duration, after: String?
    ) async throws(MediaError) -> MediaPage {
        let folder = "\(configuration.prefix)\(tenant.rawValue)/\(kind.rawValue)/"
        let limit = Timestamp(microseconds: Timestamp.now.microseconds - Int64(age / .microseconds(1)))
        let listing = try await list(folder, delimiter: nil, after: after)
        let names = listing.objects.filter { $0.modified <= limit && $0.key.hasPrefix(folder) }.map { $0.key.dropFirst(folder.count) }
        return MediaPage(names: names.filter { MediaKey.isName($0, of: kind) }.map(String.init), next: listing.next)
    }

    private func list(_ prefix: String, delimiter: String?, after: String?) async throws(MediaError) -> S3Listing {
        let answer = try await send(
            requests.list(prefix, delimiter: delimiter, after: after, count: Self.pageSize), through: downloads, within: times.answer)
        guard answer.isSuccess else { throw MediaError(refusal: answer) }
        do { return try S3Listing(answer.body) } catch { throw .unreachable("its list cannot be read: \(error)") }
    }

    public func sweepIncoming(olderThan age: Duration) async throws(MediaError) -> Int {
        try await receiving.sweepIncoming(olderThan: age)
    }

    public func close() async {
        await uploads.close()
        await downloads.close()
    }

    // MARK: Asking

    /// Asks up to three times while there is time: whatever is asked here may be asked twice.
    private func send(
        _ request: HTTPRequest, through group: HTTPClientGroup, within time: Duration
    ) async throws(MediaError) -> HTTPResponse {
        let end = ContinuousClock.now + time
        var attempt = 1
        while true {
            var inTime = request
            inTime.timeout = ContinuousClock.now.duration(to: end)
            inTime.connectTimeout = .seconds(3)
            do {
                let answer = try await group.send(inTime)
                guard attempt < 3, [500, 502, 503, 504].contains(answer.status), await pause(attempt, before: end) else { return answer }
            } catch {
                guard attempt < 3, error.kind == .connectionLost || error.kind == .cannotConnect, await pause(attempt, before: end) else {
                    throw MediaError(error)
                }
            }
            attempt += 1
        }
    }

    /// - Returns: whether there is time for another attempt.
    private func pause(_ attempt: Int, before end: ContinuousClock.Instant) async -> Bool {
        let pause = Duration.milliseconds(100 << attempt) * Double.random(in: 0.5...1)
        guard ContinuousClock.now + pause + .milliseconds(500) < end else { return false }
        return (try? await Task.sleep(for: pause)) != nil
    }
}

extension MediaError {
    init(_ error: CurlError) {
        // Of the file on this side; the client's sentence says no more.
        self = error.kind == .file ? .failed(EIO) : .unreachable(error.description)
    }

    init(refusal answer: HTTPResponse) {
        let code = S3Refusal.code(answer.body)
        switch (answer.status, code) {
        case (404, "NoSuchBucket"): self = .refused(status: 404, code: code)
        case (404, _): self = .missing
        case (507, _), (_, "QuotaExceeded"), (_, "XMinioStorageFull"), (_, "XMinioAdminBucketQuotaExceeded"): self = .full
        default: self = .refused(status: answer.status, code: code)
        }
    }
}
