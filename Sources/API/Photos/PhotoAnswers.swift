import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Open311
import Storage

/// Serves cleaned photos to whoever knows their address: no key, no login, no tenant in it.
struct PhotoAnswers: Sendable {
    let media: any MediaStore
    let reader: PhotoReader
    /// How long a GET waits for a photo that is being cleaned.
    private static let patience = Duration.seconds(10)
    private static let interval = Duration.milliseconds(200)
    private let waiting = WaitingRoom(places: 64)
    private let shelf = PhotoShelf()

    init(media: any MediaStore, reader: PhotoReader) {
        self.media = media
        self.reader = reader
    }

    static func isPhoto(_ path: String) -> Bool { path.hasPrefix("/media/") }

    private struct Address {
        let token: PhotoToken
        let isSmall: Bool

        init?(_ path: String) {
            guard path.hasPrefix("/media/"), path.hasSuffix(".jpg") else { return nil }
            let name = path.dropFirst(7).dropLast(4)
            isSmall = name.hasSuffix("-small")
            guard let token = PhotoToken(parsing: isSmall ? name.dropLast(6) : name) else { return nil }
            self.token = token
        }
    }

    private struct Copy {
        let key: MediaKey
        let bytes: Int
        let expiresAt: Timestamp?

        /// Short, so that a revoked photo is soon gone from everybody's cache; never beyond the address's own end.
        var cacheControl: String {
            let left = expiresAt.map { ($0.microseconds - Timestamp.now.microseconds) / 1_000_000 } ?? 60
            return left > 0 ? "private, max-age=\(min(60, left))" : "no-store"
        }
    }

    func response(to request: Request) async throws(GeoReportError) -> Response {
        if request.method == .options { return CrossOrigin.options("GET, HEAD, OPTIONS") }
        guard request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "\(request.method.rawValue) is not allowed here: use GET, HEAD, OPTIONS.")
            refusal.allow = "GET, HEAD, OPTIONS"
            throw refusal
        }
        guard let address = Address(request.uri.path) else { throw Self.unknown }
        let copy = try await copy(at: address)
        let tag = "\"\(copy.key.name)\""
        var headers = HTTPFields()
        headers[.eTag] = tag
        headers[.acceptRanges] = "bytes"
        headers[.cacheControl] = copy.cacheControl
        headers[.xContentTypeOptions] = "nosniff"
        headers[.contentSecurityPolicy] = "default-src 'none'; sandbox"
        if Conditional.isKnown(to: request, tags: [tag], lastModified: nil) { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = PhotoType.jpeg.rawValue
        headers[.contentDisposition] = "inline; filename=\"photo\(address.isSmall ? "-small" : "").jpg\""
        let isFresh = request.headers[.ifRange].map { $0 == tag } ?? true
        switch isFresh ? ByteRange(request.headers[.range], of: copy.bytes) : .whole {
        case .whole:
            return Response(status: .ok, headers: headers, body: try await body(copy, 0..<copy.bytes, isAsked: request.method == .get))
        case .part(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(copy.bytes)"
            return Response(
                status: .partialContent, headers: headers, body: try await body(copy, range, isAsked: request.method == .get))
        case .outside:
            headers[.contentRange] = "bytes */\(copy.bytes)"
            headers[.contentType] = nil
            return Response(status: .rangeNotSatisfiable, headers: headers)
        }
    }

    private static var unknown: GeoReportError { GeoReportError(404, "No such photo.") }

    private func copy(at address: Address) async throws(GeoReportError) -> Copy {
        let limit = ContinuousClock.now + Self.patience
        var hasPlace = false
        defer { if hasPlace { waiting.leave() } }
        while true {
            let found: PublishedPhoto?
            do { found = try await reader.photo(address.token) } catch { throw GeoReportError(error, .english) }
            guard let found else { throw Self.unknown }
            switch found.state {
            case .ready(let cleaned, let bytes, let small, let smallBytes):
                return Copy(
                    key: .cleaned(address.isSmall ? small : cleaned, of: found.tenant), bytes: address.isSmall ? smallBytes : bytes,
                    expiresAt: found.expiresAt)
            case .gone: throw GeoReportError(410, "This photo is not shown any more.")
            case .received:
                hasPlace = hasPlace || waiting.enter()
                guard hasPlace, .now < limit, (try? await Task.sleep(for: Self.interval)) != nil else {
                    var error = GeoReportError(503, "This photo is being prepared. Try again in a few seconds.")
                    error.retryAfter = 3
                    throw error
                }
            }
        }
    }

    /// The beginning is read before the head is sent: a store that is away is answered as such.
    private func body(_ copy: Copy, _ range: Range<Int>, isAsked: Bool) async throws(GeoReportError) -> ResponseBody {
        guard isAsked else { return ResponseBody(contentLength: range.count) { try await $0.finish(nil) } }
        let media = self.media
        let first: ByteBuffer
        do { first = try await beginning(of: range, of: copy) } catch {
            var refusal = GeoReportError(503, "This photo cannot be read now. Try again in a minute.")
            refusal.retryAfter = 60
            throw refusal
        }
        return ResponseBody(contentLength: range.count) { writer in
            try await writer.write(first)
            var start = range.lowerBound + first.readableBytes
            while start < range.upperBound {
                let end = min(range.upperBound, start + media.readBytes)
                try await writer.write(try await Self.part(copy, start..<end, media))
                start = end
            }
            try await writer.finish(nil)
        }
    }

    /// All of the range where the file has a place on the shelf; else as much as is read at once.
    private func beginning(of range: Range<Int>, of copy: Copy) async throws(MediaError) -> ByteBuffer {
        guard copy.bytes <= PhotoShelf.maximumFile else {
            return try await Self.part(copy, range.lowerBound..<min(range.upperBound, range.lowerBound + media.readBytes), media)
        }
        let whole = if let kept = shelf.file(copy.key) { kept } else { try await Self.whole(copy, media, shelf) }
        return whole.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer()
    }

    private static func whole(_ copy: Copy, _ media: any MediaStore, _ shelf: PhotoShelf) async throws(MediaError) -> ByteBuffer {
        var file = ByteBuffer()
        file.reserveCapacity(copy.bytes)
        while file.readableBytes < copy.bytes {
            let start = file.readableBytes
            file.writeImmutableBuffer(try await part(copy, start..<min(copy.bytes, start + media.readBytes), media))
        }
        shelf.keep(file, as: copy.key)
        return file
    }

    private static func part(_ copy: Copy, _ range: Range<Int>, _ media: any MediaStore) async throws(MediaError) -> ByteBuffer {
        let bytes = try await media.read(copy.key, range)
        // Shorter than its row says: the connection ends before its promised length, and the caller notices.
        guard bytes.count == range.count else { throw .missing }
        return ByteBuffer(bytes: bytes)
    }
}
