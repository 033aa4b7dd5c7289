import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// Answers about reference data.
enum ReferenceDocuments {
    /// Of differences and of advice in one answer.
    static let maximumListed = 1_000

    static func version(_ version: ReferenceVersion, in writer: inout JSONWriter) {
        writer.name("version")
        writer.value(Int64(version.number))
        writer.name("state")
        writer.value(version.state.rawValue)
        writer.name("author")
        writer.value(version.author)
        writer.name("note")
        writer.value(version.note)
        writer.name("made_from")
        if let base = version.base { writer.value(Int64(base)) } else { writer.null() }
        writer.name("created_datetime")
        writer.value(version.createdAt)
        writer.name("publish_datetime")
        writer.value(version.publishAt)
        writer.name("published_datetime")
        writer.value(version.publishedAt)
        writer.name("superseded_datetime")
        writer.value(version.supersededAt)
        writer.name("sha256")
        writer.value(AuditExport.hexadecimal(version.hash))
        writer.name("bytes")
        writer.value(Int64(version.size))
    }

    static func differences(_ differences: [ReferenceDifference], in writer: inout JSONWriter) {
        writer.name("differences")
        writer.beginObject()
        for operation in [ReferenceDifference.Operation.add, .remove, .change, .reorder] {
            writer.name(escaping: operation.rawValue)
            writer.value(Int64(differences.count { $0.operation == operation }))
        }
        writer.name("listed")
        writer.beginArray()
        for difference in differences.prefix(maximumListed) {
            writer.beginObject()
            writer.name("op")
            writer.value(difference.operation.rawValue)
            writer.name("path")
            writer.value(difference.path)
            if let before = difference.before {
                writer.name("before")
                writer.value(before)
            }
            if let after = difference.after {
                writer.name("after")
                writer.value(after)
            }
            writer.endObject()
        }
        writer.endArray()
        writer.name("omitted")
        writer.value(Int64(max(0, differences.count - maximumListed)))
        writer.endObject()
    }

    static func advice(_ advice: [ReferenceFault], in writer: inout JSONWriter) {
        writer.name("advice")
        writer.faults(advice.prefix(maximumListed))
        writer.name("advice_omitted")
        writer.value(Int64(max(0, advice.count - maximumListed)))
    }

    static func answer(_ status: HTTPResponse.Status = .ok, _ members: (inout JSONWriter) -> Void) -> Response {
        var writer = JSONWriter(capacity: 1_024)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        return response(status, writer.bytes, "application/json; charset=utf-8")
    }

    static func response(_ status: HTTPResponse.Status, _ bytes: [UInt8], _ type: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// Every fault with its place in what was sent.
    static func problem(_ faults: ReferenceFaults, kind: ReferenceKind) -> Problem {
        let more = faults.count - faults.listed.count
        return Problem(
            400,
            StatusUpdateFault(
                "invalid-reference-data", "Invalid reference data",
                "Nothing was changed: \(faults.count) fault\(faults.count == 1 ? "" : "s") in the \(kind.pathName)."
                    + (more > 0 ? " \(more) of them are not listed." : "") + " Correct them and send it again.",
                members: faults.listed.map { StatusUpdateFault.Member(pointer: $0.pointer, text: $0.text) }))
    }

    static func problem(_ refusal: ReferenceRefusal, kind: ReferenceKind) -> Problem {
        switch refusal {
        case .stale(let live): return ReferencePrecondition.stale(live, kind)
        case .unknownVersion: return unknownVersion(kind)
        case .superseded:
            return Problem(
                409, "superseded-version", "The version was live before",
                "Use POST /v1/reference-data/\(kind.pathName)/rollback with its number: it becomes live again under a new one.")
        case .tooMany:
            var problem = Problem(
                429, "too-many-versions", "Too many versions",
                "500 versions of \(kind.pathName) were made within a day: send it when it changes, not more often.")
            problem.headers[.retryAfter] = "3600"
            return problem
        case .idsTaken:
            return Problem(
                409, "ids-taken", "Ids taken",
                "Nothing was changed: an id of the \(kind.pathName) is that of a place of another kind by now. An id is of one kind of places."
            )
        case .storage(let error): return StatusIngestService.problem(.storage(error))
        }
    }

    static func unknownVersion(_ kind: ReferenceKind) -> Problem {
        Problem(
            404, "unknown-version", "Unknown version",
            "Your tenant has no such version of \(kind.pathName), or none that was published. List them: "
                + "GET /v1/reference-data/\(kind.pathName)/versions.")
    }
}
