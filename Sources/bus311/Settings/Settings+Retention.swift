import Configuration

/// When the watch removes what was kept as long as it may be.
extension Settings {
    /// Off where `bus311 retention run` is called by something else, once a day.
    var retentionIsAutomatic: Bool { reader.bool(forKey: "retention.automatic", default: true) }

    /// UTC.
    var retentionHour: Int { reader.int(forKey: "retention.hour", default: 2) }
}
