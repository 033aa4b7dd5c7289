import Open311

/// Writes an answer once, in either format: the XML and the JSON of GeoReport differ in punctuation only ("Spark" convention:
/// the root's and the list items' names exist in XML alone). Straight to bytes, with no tree in between.
protocol WireWriter {
    init(capacity: Int)
    var bytes: [UInt8] { get }
    static var format: ResponseFormat { get }

    mutating func beginDocument(list name: StaticString)
    mutating func endDocument(list name: StaticString)
    mutating func beginDocument(object name: StaticString)
    mutating func endDocument(object name: StaticString)
    mutating func beginList(_ name: StaticString)
    mutating func endList(_ name: StaticString)
    mutating func beginItem(_ name: StaticString)
    mutating func endItem(_ name: StaticString)
    mutating func beginObject(_ name: StaticString)
    mutating func endObject(_ name: StaticString)
    mutating func item(_ name: StaticString, _ text: String)
    mutating func item(_ name: StaticString, _ number: Double)

    mutating func field(_ name: StaticString, _ text: String?)
    mutating func field(_ name: StaticString, _ flag: Bool)
    mutating func field(_ name: StaticString, _ number: Int64)
    mutating func field(_ name: StaticString, _ number: Double?)
    mutating func field(_ name: StaticString, _ moment: Timestamp?)
    /// Digits that are an identifier: a string in JSON.
    mutating func identifier(_ name: StaticString, _ digits: Int64)
}

struct JSONWireWriter: WireWriter {
    private var json: JSONWriter
    static let format = ResponseFormat.json

    init(capacity: Int) { json = JSONWriter(capacity: capacity) }
    var bytes: [UInt8] { json.bytes }

    mutating func beginDocument(list name: StaticString) { json.beginArray() }
    mutating func endDocument(list name: StaticString) { json.endArray() }
    mutating func beginDocument(object name: StaticString) { json.beginObject() }
    mutating func endDocument(object name: StaticString) { json.endObject() }

    mutating func beginList(_ name: StaticString) {
        json.name(name)
        json.beginArray()
    }

    mutating func endList(_ name: StaticString) { json.endArray() }
    mutating func beginItem(_ name: StaticString) { json.beginObject() }
    mutating func endItem(_ name: StaticString) { json.endObject() }

    mutating func beginObject(_ name: StaticString) {
        json.name(name)
        json.beginObject()
    }

    mutating func endObject(_ name: StaticString) { json.endObject() }
    mutating func item(_ name: StaticString, _ text: String) { json.value(text) }
    mutating func item(_ name: StaticString, _ number: Double) { json.value(number) }

    mutating func field(_ name: StaticString, _ text: String?) {
        json.name(name)
        json.value(text)
    }

    mutating func field(_ name: StaticString, _ flag: Bool) {
        json.name(name)
        json.value(flag)
    }

    mutating func field(_ name: StaticString, _ number: Int64) {
        json.name(name)
        json.value(number)
    }

    mutating func field(_ name: StaticString, _ number: Double?) {
        json.name(name)
        if let number { json.value(number) } else { json.null() }
    }

    mutating func field(_ name: StaticString, _ moment: Timestamp?) {
        json.name(name)
        json.value(moment)
    }

    mutating func identifier(_ name: StaticString, _ digits: Int64) {
        json.name(name)
        json.quoted(digits)
    }

    /// The one ring of a GeoJSON polygon.
    mutating func ring(_ name: StaticString, _ positions: [(Double, Double)]) {
        json.name(name)
        json.beginArray()
        json.beginArray()
        for position in positions {
            json.beginArray()
            json.value(position.0)
            json.value(position.1)
            json.endArray()
        }
        json.endArray()
        json.endArray()
    }
}

struct XMLWireWriter: WireWriter {
    private(set) var bytes: [UInt8]
    static let format = ResponseFormat.xml

    init(capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".utf8)
    }

    mutating func beginDocument(list name: StaticString) { open(name) }
    mutating func endDocument(list name: StaticString) { close(name) }
    mutating func beginDocument(object name: StaticString) { open(name) }
    mutating func endDocument(object name: StaticString) { close(name) }
    mutating func beginList(_ name: StaticString) { open(name) }
    mutating func endList(_ name: StaticString) { close(name) }
    mutating func beginItem(_ name: StaticString) { open(name) }
    mutating func endItem(_ name: StaticString) { close(name) }

    mutating func beginObject(_ name: StaticString) { open(name) }
    mutating func endObject(_ name: StaticString) { close(name) }
    mutating func item(_ name: StaticString, _ text: String) { field(name, text) }
    mutating func item(_ name: StaticString, _ number: Double) { field(name, number) }

    mutating func field(_ name: StaticString, _ text: String?) {
        open(name)
        if let text { escape(text) }
        close(name)
    }

    mutating func field(_ name: StaticString, _ flag: Bool) { field(name, flag ? "true" : "false") }

    mutating func field(_ name: StaticString, _ number: Int64) { identifier(name, number) }

    mutating func field(_ name: StaticString, _ number: Double?) {
        field(name, number.flatMap { $0.isFinite ? DecimalForm.text($0) : nil })
    }

    mutating func field(_ name: StaticString, _ moment: Timestamp?) {
        open(name)
        moment?.appendISO8601(to: &bytes)
        close(name)
    }

    mutating func identifier(_ name: StaticString, _ digits: Int64) {
        open(name)
        DecimalForm.append(digits, to: &bytes)
        close(name)
    }

    private mutating func open(_ name: StaticString) {
        bytes.append(UInt8(ascii: "<"))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: ">"))
    }

    private mutating func close(_ name: StaticString) {
        bytes.append(UInt8(ascii: "<"))
        bytes.append(UInt8(ascii: "/"))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: ">"))
    }

    /// Escapes what XML reserves and leaves out what XML 1.0 cannot hold, so that every text gives a well-formed document.
    private mutating func escape(_ text: String) {
        let clean = CleanText.printable(text)
        for byte in clean.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes.append(contentsOf: "&amp;".utf8)
            case UInt8(ascii: "<"): bytes.append(contentsOf: "&lt;".utf8)
            case UInt8(ascii: ">"): bytes.append(contentsOf: "&gt;".utf8)
            // A bare carriage return would be read back as a line feed.
            case 13: bytes.append(contentsOf: "&#13;".utf8)
            default: bytes.append(byte)
            }
        }
    }
}
