import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// A request's timeline as its tenant reads it.
enum TimelineDocument {
    static func response(_ timeline: RequestTimeline) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes(timeline))))
    }

    static func bytes(_ timeline: RequestTimeline) -> [UInt8] {
        var writer = JSONWriter(capacity: 1_024)
        writer.beginObject()
        writer.name("service_request_id")
        writer.quoted(timeline.request.rawValue)
        writer.name("stations")
        writer.beginArray()
        for step in timeline.steps {
            writer.beginObject()
            writer.name("station")
            writer.value(step.station.rawValue)
            writer.name("label")
            writer.beginObject()
            writer.name("fr")
            writer.value(step.station.label(in: .french))
            writer.name("en")
            writer.value(step.station.label(in: .english))
            writer.endObject()
            writer.name("at")
            writer.value(step.at)
            writer.name("seconds")
            if let seconds = step.seconds { writer.value(seconds) } else { writer.null() }
            writer.endObject()
        }
        writer.endArray()
        writer.name("waits_for")
        writer.value(timeline.waitsFor?.rawValue)
        writer.name("events")
        writer.beginArray()
        for event in timeline.events {
            writer.beginObject()
            writer.name("sequence")
            writer.value(Int64(event.sequence))
            writer.name("type")
            writer.value(event.type)
            writer.name("state")
            writer.value(event.state)
            writer.name("published")
            writer.value(event.publishedAt)
            writer.name("confirmed")
            writer.value(event.confirmedAt)
            writer.name("replay")
            writer.value(event.isReplay)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
