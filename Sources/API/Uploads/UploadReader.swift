import Crypto
import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// What an installation takes of photos.
public struct PhotoLimits: Sendable {
    /// Of one photo, in bytes.
    public var maximumBytes: Int
    /// Of one request.
    public var maximumCount: Int
    /// Of all photos of one request, in bytes.
    public var maximumTotalBytes: Int

    public init(maximumBytes: Int = 10_485_760, maximumCount: Int = 5, maximumTotalBytes: Int = 31_457_280) {
        self.maximumBytes = maximumBytes
        self.maximumCount = maximumCount
        self.maximumTotalBytes = maximumTotalBytes
    }
}

/// A photo on this machine's disk that belongs to no request yet.
struct ReceivedPhoto: Sendable {
    let file: IncomingFile
    let photo: SubmittedPhoto
}

/// Reads a multipart body with photos: bytes go from the network to the disk, a few at a time.
struct UploadReader {
    let media: any MediaStore
    let limits: PhotoLimits
    /// Of all text fields together.
    let maximumText: Int

    /// Of a body, at a time.
    private static let step = 65_536

    /// - Returns: the text fields, and the photos, which are the caller's to keep or to discard.
    /// - Throws: ``GeoReportError``; nothing of the body is left on disk then.
    func read(_ request: Request, contentType: String) async throws(GeoReportError) -> (fields: FormFields, photos: [ReceivedPhoto]) {
        var intake = Intake(media: media, limits: limits)
        // One for the whole body: it can be iterated once.
        var chunks = request.body.makeAsyncIterator()
        do throws(GeoReportError) {
            var reader = try Self.wrapping { () throws(FormError) in
                try MultipartReader(contentType: contentType, maximumText: maximumText)
            }
            while var chunk = try await Self.next(&chunks) {
                // Little at a time, because a thousand others do the same.
                while let slice = chunk.readSlice(length: min(Self.step, chunk.readableBytes)), slice.readableBytes > 0 {
                    for piece in try Self.wrapping({ () throws(FormError) in try reader.read(slice.readableBytesView) }) {
                        try await intake.take(piece)
                    }
                }
            }
            for piece in try Self.wrapping({ () throws(FormError) in try reader.finish() }) { try await intake.take(piece) }
            try await intake.takeInlinePhotos()
            return (intake.fields, intake.photos)
        } catch {
            await intake.discard()
            await Self.passOver(&chunks)
            throw error
        }
    }

    /// Photos that stand as text in a form that was read already.
    func read(_ fields: FormFields) async throws(GeoReportError) -> (fields: FormFields, photos: [ReceivedPhoto]) {
        var intake = Intake(media: media, limits: limits)
        intake.fields = fields
        do throws(GeoReportError) {
            try await intake.takeInlinePhotos()
            return (intake.fields, intake.photos)
        } catch {
            await intake.discard()
            throw error
        }
    }

    /// Reads on without keeping: a client that is still sending would not see the answer.
    private static func passOver(_ chunks: inout RequestBody.AsyncIterator) async {
        var passed = 0
        while passed < 33_554_432, let chunk = try? await chunks.next() { passed += chunk.readableBytes }
    }

    private static func wrapping<Value>(_ work: () throws(FormError) -> Value) throws(GeoReportError) -> Value {
        do { return try work() } catch { throw GeoReportError(error, .english) }
    }

    private static func next(_ chunks: inout RequestBody.AsyncIterator) async throws(GeoReportError) -> ByteBuffer? {
        do { return try await chunks.next() } catch { throw GeoReportError(400, "The body could not be read to its end.") }
    }

    /// The parts that have come.
    private struct Intake {
        let media: any MediaStore
        let limits: PhotoLimits
        var fields = FormFields()
        var photos: [ReceivedPhoto] = []
        private var total = 0
        private var open: Arriving?

        private struct Arriving {
            let field: String
            let file: IncomingFile
            var hash = SHA256()
            var bytes = 0
            /// The first bytes, until they have said what this is.
            var head: [UInt8] = []
            var type: PhotoType?
        }

        init(media: any MediaStore, limits: PhotoLimits) {
            self.media = media
            self.limits = limits
        }

        mutating func take(_ piece: MultipartReader.Piece) async throws(GeoReportError) {
            switch piece {
            case .field(let name, let value):
                guard fields.count < FormReader.maximumFields else {
                    throw GeoReportError(FormError.tooManyFields(maximum: FormReader.maximumFields), .english)
                }
                fields.append(name: name, value: value)
            case .fileBegin(let field):
                open = Arriving(field: field, file: try await storing { () async throws(MediaError) in try await media.makeIncoming() })
            case .fileBytes(let bytes): try await append(bytes)
            case .fileEnd: try await end()
            }
        }

        private mutating func append(_ bytes: [UInt8]) async throws(GeoReportError) {
            guard var arriving = open else { return }
            if arriving.bytes == 0, photos.count >= limits.maximumCount {
                throw GeoReportError(413, "\(arriving.field): too many photos, \(limits.maximumCount) at most.")
            }
            arriving.bytes += bytes.count
            total += bytes.count
            guard arriving.bytes <= limits.maximumBytes else {
                throw GeoReportError(413, "\(arriving.field): the photo is too large, \(limits.maximumBytes) bytes at most.")
            }
            guard total <= limits.maximumTotalBytes else {
                throw GeoReportError(
                    413, "\(arriving.field): the photos are too large together, \(limits.maximumTotalBytes) bytes at most.")
            }
            if arriving.type == nil {
                arriving.head.append(contentsOf: bytes.prefix(PhotoType.decisiveBytes - arriving.head.count))
                if arriving.head.count == PhotoType.decisiveBytes { arriving.type = try Self.type(arriving.head, arriving.field) }
            }
            arriving.hash.update(data: bytes)
            open = arriving
            let file = arriving.file
            try await storing { () async throws(MediaError) in try await file.write(bytes) }
        }

        private mutating func end() async throws(GeoReportError) {
            guard let arriving = open else { return }
            // Browsers send an empty part for a file that nobody chose.
            if arriving.bytes == 0 {
                open = nil
                return await arriving.file.discard()
            }
            let type = if let known = arriving.type { known } else { try Self.type(arriving.head, arriving.field) }
            // Read back rather than kept: a thousand uploads at once would keep a thousand beginnings.
            let edges = try await storing { () async throws(MediaError) in
                // PNG, WebP and HEIC may hold them behind the picture.
                try await arriving.file.edges(
                    front: PhotoMetadata.readableBytes, end: type == .jpeg ? 0 : PhotoMetadata.readableBytes)
            }
            open = nil
            photos.append(
                ReceivedPhoto(
                    file: arriving.file,
                    photo: SubmittedPhoto(
                        token: PhotoToken(), type: type, bytes: arriving.bytes, sha256: Array(arriving.hash.finalize()),
                        metadata: PhotoMetadata(head: edges, type: type))))
        }

        /// `media` as text: old clients send base64, some a link.
        mutating func takeInlinePhotos() async throws(GeoReportError) {
            guard fields.all.contains(where: { InlinePhoto.isNamed($0.name) && !$0.value.isEmpty }) else { return }
            let all = fields.all
            fields = FormFields(all.filter { !InlinePhoto.isNamed($0.name) })
            for (name, value) in all where InlinePhoto.isNamed(name) && !value.isEmpty {
                switch InlinePhoto(value) {
                case .link(let url): fields.append(name: "media_url", value: url)
                case .photo(let bytes):
                    try await take(.fileBegin(field: name))
                    try await take(.fileBytes(bytes))
                    try await take(.fileEnd)
                case nil:
                    throw GeoReportError(400, "\(name) is neither a file nor base64 nor an http(s) link: send the photo as a file part.")
                }
            }
        }

        private static func type(_ head: [UInt8], _ field: String) throws(GeoReportError) -> PhotoType {
            guard let type = PhotoType(head: head) else {
                throw GeoReportError(400, "\(field) is no photo of a kind taken here: send JPEG, PNG, WebP or HEIC.")
            }
            return type
        }

        func discard() async {
            await open?.file.discard()
            for photo in photos { await photo.file.discard() }
        }

        private func storing<Value>(_ work: () async throws(MediaError) -> Value) async throws(GeoReportError) -> Value {
            do { return try await work() } catch { throw GeoReportError(error) }
        }
    }
}

extension GeoReportError {
    init(_ error: MediaError) {
        switch error {
        case .full: self.init(507, "The photo cannot be stored now. Send the request without it, or try again later.")
        case .missing, .failed: self.init(503, "The photo cannot be stored now. Send the request without it, or try again later.")
        }
        retryAfter = 60
    }
}
