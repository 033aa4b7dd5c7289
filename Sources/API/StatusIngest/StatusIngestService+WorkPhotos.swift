import Crypto
import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// Where a CRM's photos are kept, and what is taken of them.
public struct WorkPhotos: Sendable {
    let media: any MediaStore
    let limits: PhotoLimits

    public init(media: any MediaStore, limits: PhotoLimits) {
        self.media = media
        self.limits = limits
    }
}

extension StatusIngestService {
    /// `POST /v1/service-requests/{id}/photos`: the body is the picture. Citizens see it behind their own when it has been cleaned.
    func addPhoto(_ request: Request, _ segment: Substring, _ tenant: Tenant, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard let workPhotos else {
            throw Problem(404, "no-such-resource", "No such resource", "This installation stores no photos.")
        }
        let id = try await existing(segment, tenant)
        trail.request = id
        let limits = workPhotos.limits.narrowed(by: tenant.policies.photos)
        let (file, photo) = try await receive(request, limits, workPhotos.media, trail)
        let key = MediaKey.original(photo.token, of: tenant.key)
        do { try await workPhotos.media.keep(file, sha256: photo.sha256, as: key) } catch {
            await file.discard()
            throw Self.problem(error)
        }
        // What is kept and belongs to no request is swept, when it cannot be removed here.
        let outcome: AddedPhoto
        do {
            outcome = try await updates.add(photo, to: id, of: tenant.id, atMost: limits.maximumCount)
        } catch {
            throw Self.problem(StatusUpdateRefusal.storage(error))
        }
        if case .added(let token) = outcome { return Self.photo(token, id, "added", .accepted) }
        try? await workPhotos.media.remove(key)
        switch outcome {
        case .added(let token), .repeated(let token): return Self.photo(token, id, "repeated", .ok)
        case .unknownRequest: throw Problem(404, .unknownRequest)
        case .erasedRequest: throw Problem(410, .erasedRequest)
        case .full:
            throw Problem(
                409, "too-many-photos", "Too many photos",
                "A request takes \(limits.maximumCount) photos of yours at most. Ask the operator to revoke one.")
        case .crowded:
            throw Problem(
                409, "too-many-photos", "Too many photos",
                "A request takes \(ServiceRequestEvent.maximumMedia) photos and links at most, the citizen's own among them, and this one has "
                    + "them. Ask the operator to revoke one.")
        }
    }

    /// From the network to the disk, with its hash.
    private func receive(
        _ request: Request, _ limits: PhotoLimits, _ media: any MediaStore, _ trail: RequestTrail
    ) async throws(Problem) -> (IncomingFile, SubmittedPhoto) {
        let file: IncomingFile
        do { file = try await media.makeIncoming() } catch { throw Self.problem(error) }
        do {
            return (file, try await receive(into: file, request, limits, trail))
        } catch {
            await file.discard()
            throw error
        }
    }

    private func receive(
        into file: IncomingFile, _ request: Request, _ limits: PhotoLimits, _ trail: RequestTrail
    ) async throws(Problem) -> SubmittedPhoto {
        var (hash, size, head): (SHA256, Int, [UInt8]) = (SHA256(), 0, [])
        var chunks = request.body.makeAsyncIterator()
        while true {
            let chunk: ByteBuffer?
            do { chunk = try await chunks.next() } catch {
                throw Problem(400, "unreadable-body", "Unreadable body", "The body could not be read to its end.")
            }
            guard let chunk else { break }
            trail.read(chunk)
            size += chunk.readableBytes
            guard size <= limits.maximumBytes else {
                throw Problem(413, "too-large", "Too large", "A photo may have \(limits.maximumBytes) bytes at most.")
            }
            let bytes = Array(chunk.readableBytesView)
            head.append(contentsOf: bytes.prefix(max(0, PhotoType.decisiveBytes - head.count)))
            hash.update(data: bytes)
            do { try await file.write(bytes) } catch { throw Self.problem(error) }
        }
        trail.readToEnd()
        guard let type = PhotoType(head: head), limits.kinds.contains(type) else {
            throw Problem(415, "no-photo", "No photo", "The body is no photo of a kind taken here: send \(PhotoType.list(limits.kinds)).")
        }
        let edges: [UInt8]
        do {
            edges = try await file.edges(front: PhotoMetadata.readableBytes, end: type == .jpeg ? 0 : PhotoMetadata.readableBytes)
        } catch {
            throw Self.problem(error)
        }
        return SubmittedPhoto(
            token: PhotoToken(), type: type, bytes: size, sha256: Array(hash.finalize()), metadata: PhotoMetadata(head: edges, type: type))
    }

    private static func photo(
        _ token: PhotoToken, _ request: ServiceRequestID, _ outcome: String, _ status: HTTPResponse.Status
    ) -> Response {
        json(status) { writer in
            writer.name("service_request_id")
            writer.quoted(request.rawValue)
            writer.name("outcome")
            writer.value(outcome)
            writer.name("photo")
            writer.value(token.text)
            writer.name("path")
            writer.value(token.path)
        }
    }

    private static func problem(_ error: MediaError) -> Problem {
        var problem = Problem(
            503, "unavailable", "Unavailable", "The photo cannot be stored now. Send the same photo again later.")
        problem.headers[.retryAfter] = "60"
        return problem
    }
}
