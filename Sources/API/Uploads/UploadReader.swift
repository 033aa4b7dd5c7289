import Crypto
import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// A photo on this machine's disk that belongs to no request yet.
struct ReceivedPhoto: Sendable {
    /// The form's field that brought it.
    let field: String
    let file: IncomingFile
    let photo: SubmittedPhoto
}

/// Reads a body with photos: bytes go from the network to the disk, a few at a time.
struct UploadReader {
    let media: any MediaStore
    /// The installation's; a tenant's narrower ones hold as soon as it is known.
    let limits: PhotoLimits
    /// Told of the bytes as they come.
    var trail: RequestTrail?
    /// What the fields that have come say of the tenant and the wanted language; nil until they say it.
    let known: (FormFields) -> (policy: PhotoPolicy, language: Language)?

    /// Of a body, at a time.
    private static let step = 65_536

    /// - Parameters:
    ///   - beginning: what was read of the body already.
    ///   - chunks: the rest of it.
    ///   - reader: of the body's encoding.
    /// - Returns: the text fields, and the photos, which are the caller's to keep or to discard.
    /// - Throws: ``GeoReportError``; nothing of the body is left on disk then.
    func read(
        _ beginning: ByteBuffer?, _ chunks: inout RequestBody.AsyncIterator, with reader: some BodyReader
    ) async throws(GeoReportError) -> (fields: FormFields, photos: [ReceivedPhoto]) {
        var intake = Intake(self)
        do throws(GeoReportError) {
            var reader = reader
            var next = beginning
            if next == nil { next = try await Self.next(&chunks, trail) }
            while var chunk = next {
                // Little at a time, because a thousand others do the same.
                while let slice = chunk.readSlice(length: min(Self.step, chunk.readableBytes)), slice.readableBytes > 0 {
                    for piece in try Self.wrapping({ () throws(FormError) in try reader.read(slice.readableBytesView) }) {
                        try await intake.take(piece)
                    }
                }
                next = try await Self.next(&chunks, trail)
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
        var intake = Intake(self)
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
    static func passOver(_ chunks: inout RequestBody.AsyncIterator) async {
        var passed = 0
        while passed < 33_554_432, let chunk = try? await chunks.next() { passed += chunk.readableBytes }
    }

    private static func wrapping<Value>(_ work: () throws(FormError) -> Value) throws(GeoReportError) -> Value {
        do { return try work() } catch { throw GeoReportError(error, .english) }
    }

    static func next(_ chunks: inout RequestBody.AsyncIterator, _ trail: RequestTrail?) async throws(GeoReportError) -> ByteBuffer? {
        do {
            let chunk = try await chunks.next()
            if let chunk { trail?.read(chunk) } else { trail?.readToEnd() }
            return chunk
        } catch {
            throw GeoReportError(400, "The body could not be read to its end.")
        }
    }

    /// The parts that have come.
    private struct Intake {
        let media: any MediaStore
        private let known: (FormFields) -> (policy: PhotoPolicy, language: Language)?
        private var limits: PhotoLimits
        private var language = Language.english
        private var isNarrowed = false
        var fields = FormFields()
        var photos: [ReceivedPhoto] = []
        private var total = 0
        private var open: Arriving?
        /// The text of a photo that is arriving.
        private var inline: InlineMedia?

        private struct Arriving {
            let field: String
            let file: IncomingFile
            var hash = SHA256()
            var bytes = 0
            /// The first bytes, until they have said what this is.
            var head: [UInt8] = []
        }

        init(_ reader: UploadReader) {
            media = reader.media
            known = reader.known
            limits = reader.limits
        }

        /// From here on the tenant's own limits hold, if its fields came in front of its photos.
        private mutating func narrow() {
            guard !isNarrowed, let (policy, language) = known(fields) else { return }
            isNarrowed = true
            limits = limits.narrowed(by: policy)
            self.language = language
        }

        mutating func take(_ piece: MultipartReader.Piece) async throws(GeoReportError) {
            switch piece {
            case .field(let name, let value):
                guard fields.count < FormReader.maximumFields else {
                    throw GeoReportError(FormError.tooManyFields(maximum: FormReader.maximumFields), .english)
                }
                fields.append(name: name, value: value)
            case .fileBegin(let field): try await begin(field)
            case .inlineBegin(let field):
                try await begin(field)
                inline = InlineMedia()
            case .fileBytes(let bytes):
                guard inline != nil else { return try await append(bytes) }
                let decoded = try decoding { (inline) throws(InlineMedia.Fault) in try inline.take(bytes) } ?? []
                if !decoded.isEmpty { try await append(decoded) }
            case .fileEnd:
                let last = try decoding { (inline) throws(InlineMedia.Fault) in try inline.finish() }
                inline = nil
                if let last, !last.bytes.isEmpty { try await append(last.bytes) }
                if case .link(let url)? = last?.content { fields.append(name: "media_url", value: url) }
                try await end()
            }
        }

        private mutating func begin(_ field: String) async throws(GeoReportError) {
            narrow()
            open = Arriving(field: field, file: try await storing { () async throws(MediaError) in try await media.makeIncoming() })
        }

        private mutating func decoding<Value>(
            _ work: (inout InlineMedia) throws(InlineMedia.Fault) -> Value
        ) throws(GeoReportError) -> Value? {
            guard var text = inline else { return nil }
            do {
                let value = try work(&text)
                inline = text
                return value
            } catch {
                throw GeoReportError(error, open?.field ?? "media", language)
            }
        }

        private mutating func append(_ bytes: [UInt8]) async throws(GeoReportError) {
            guard var arriving = open else { return }
            if arriving.bytes == 0 { try limits.check(count: photos.count + 1, arriving.field, language) }
            arriving.bytes += bytes.count
            total += bytes.count
            try limits.check(bytes: arriving.bytes, arriving.field, language)
            try limits.check(total: total, arriving.field, language)
            if arriving.head.count < PhotoType.decisiveBytes {
                arriving.head.append(contentsOf: bytes.prefix(PhotoType.decisiveBytes - arriving.head.count))
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
            // Not before the end: what is too large is refused for that, whatever it is.
            let type = try type(arriving.head, arriving.field)
            // Read back rather than kept: a thousand uploads at once would keep a thousand beginnings.
            let edges = try await storing { () async throws(MediaError) in
                // PNG, WebP and HEIC may hold them behind the picture.
                try await arriving.file.edges(
                    front: PhotoMetadata.readableBytes, end: type == .jpeg ? 0 : PhotoMetadata.readableBytes)
            }
            open = nil
            photos.append(
                ReceivedPhoto(
                    field: arriving.field, file: arriving.file,
                    photo: SubmittedPhoto(
                        token: PhotoToken(), type: type, bytes: arriving.bytes, sha256: Array(arriving.hash.finalize()),
                        metadata: PhotoMetadata(head: edges, type: type))))
        }

        /// `media` as text in a form that was read whole: old clients send base64, some a link.
        mutating func takeInlinePhotos() async throws(GeoReportError) {
            guard fields.all.contains(where: { InlineMedia.isNamed($0.name) }) else { return }
            let all = fields.all
            fields = FormFields(all.filter { !InlineMedia.isNamed($0.name) })
            for (name, value) in all where InlineMedia.isNamed(name) && !value.isEmpty {
                try await take(.inlineBegin(field: name))
                try await take(.fileBytes(Array(value.utf8)))
                try await take(.fileEnd)
            }
        }

        private func type(_ head: [UInt8], _ field: String) throws(GeoReportError) -> PhotoType {
            guard let type = PhotoType(head: head) else {
                let taken = PhotoType.list(limits.kinds)
                throw GeoReportError(
                    400, language, french: "\(field) n’est pas une photo d’un type accepté ici : envoyez \(taken).",
                    english: "\(field) is no photo of a kind taken here: send \(taken).")
            }
            try limits.check(kind: type, field, language)
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
        default: self.init(503, "The photo cannot be stored now. Send the request without it, or try again later.")
        }
        retryAfter = 60
    }
}
