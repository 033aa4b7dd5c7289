extension JSONWriter {
    /// The CloudEvents attributes that every message has; the caller adds `subject`, `sequence` and `data`.
    ///
    /// - Parameters:
    ///   - type: with its version, as in `bus.ping.v1`.
    ///   - name: the type without it, under which its schema is published.
    mutating func envelope(
        id: EventID, type: String, name schema: String, tenant: TenantKey, time: Timestamp, origin: ServiceRequestEvent.Origin
    ) {
        name("specversion")
        value("1.0")
        name("id")
        value(id.description)
        name("source")
        value("/open311/" + tenant.rawValue)
        name("type")
        value(origin.typePrefix + "." + type)
        name("time")
        value(time)
        name("datacontenttype")
        value("application/json")
        name("dataschema")
        value("\(origin.schemaBase)/\(schema)/\(SchemaVersion.of(type)).json")
    }
}
