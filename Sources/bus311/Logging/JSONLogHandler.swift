import Foundation
import Logging
import Open311

/// One JSON object a line on standard error. What is logged is chosen where it is logged: never personal data, never a secret.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("time")
        writer.value(Timestamp.now)
        writer.name("level")
        writer.value(event.level.rawValue)
        writer.name("service")
        writer.value(label)
        writer.name("message")
        writer.value(event.message.description)
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: { $0.key < $1.key }) {
            writer.name(escaping: key)
            writer.value(String(value.description.prefix(2_000)))
        }
        writer.endObject()
        FileHandle.standardError.write(Data(writer.bytes + [10]))
    }
}
