import Open311

/// What a person is handed of what is held: one JSON object around the requests' own.
public enum PersonDocument {
    /// - Parameter requests: JSON objects, as ``PersonStore/export(_:tenant:reader:)`` gives them.
    public static func text(city: String, _ requests: [String], at now: Timestamp) -> String {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("held_by")
        writer.value(city)
        writer.name("exported_datetime")
        writer.value(now)
        writer.endObject()
        let head = String(decoding: writer.bytes, as: UTF8.self).dropLast()
        return head + ",\"service_requests\":[" + requests.joined(separator: ",\n") + "]}\n"
    }
}
