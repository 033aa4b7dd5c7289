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
        for station in RequestTimeline.Station.allCases {
            writer.beginObject()
            writer.name("station")
            writer.value(station.rawValue)
            writer.name("at")
            writer.value(timeline.moments[station])
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
