/// Reads one YAML document of bounded size and depth. Anchors, aliases, tags and repeated keys are refused: a file that people
/// compare and review says each thing once and in the open.
public enum YAMLReader {
    public static let maximumBytes = 262_144
    public static let maximumDepth = 16
    public static let maximumNodes = 20_000

    /// - Throws: ``YAMLFault`` with the line.
    public static func document(_ bytes: [UInt8]) throws(YAMLFault) -> YAMLNode {
        guard bytes.count <= maximumBytes else {
            throw YAMLFault(line: 1, problem: "the file has \(bytes.count) bytes, more than the \(maximumBytes) that are read")
        }
        var builder = Builder(events: try YAMLEvents(bytes))
        return try builder.document()
    }

    private struct Builder {
        let events: YAMLEvents
        var nodes = 0

        mutating func document() throws(YAMLFault) -> YAMLNode {
            _ = try events.next()
            let start = try events.next()
            guard start.kind == .documentStart else { throw YAMLFault(line: start.line, problem: "the file is empty") }
            let root = try node(try events.next(), depth: 1)
            _ = try events.next()
            let end = try events.next()
            guard end.kind == .streamEnd else {
                throw YAMLFault(line: end.line, problem: "a second document begins; write one file for each tenant")
            }
            return root
        }

        mutating func node(_ event: YAMLEvents.Event, depth: Int) throws(YAMLFault) -> YAMLNode {
            nodes += 1
            guard nodes <= maximumNodes else {
                throw YAMLFault(line: event.line, problem: "the file has more than \(maximumNodes) values")
            }
            guard depth <= maximumDepth else {
                throw YAMLFault(line: event.line, problem: "values are nested deeper than \(maximumDepth) levels")
            }
            guard !event.hasAnchor else {
                throw YAMLFault(line: event.line, problem: "anchors (&) and aliases (*) are not taken; write the value out")
            }
            guard !event.hasTag else { throw YAMLFault(line: event.line, problem: "tags (!) are not taken; write the plain value") }
            switch event.kind {
            case .scalar(let text, let isPlain): return YAMLNode(.scalar(text, isPlain: isPlain), line: event.line)
            case .sequenceStart: return YAMLNode(.sequence(try sequence(depth)), line: event.line)
            case .mappingStart: return YAMLNode(.mapping(try mapping(depth)), line: event.line)
            default: throw YAMLFault(line: event.line, problem: "a value is missing here")
            }
        }

        private mutating func sequence(_ depth: Int) throws(YAMLFault) -> [YAMLNode] {
            var items: [YAMLNode] = []
            while true {
                let event = try events.next()
                if event.kind == .sequenceEnd { return items }
                items.append(try node(event, depth: depth + 1))
            }
        }

        private mutating func mapping(_ depth: Int) throws(YAMLFault) -> [YAMLEntry] {
            var entries: [YAMLEntry] = []
            var firstLines: [String: Int] = [:]
            while true {
                let event = try events.next()
                if event.kind == .mappingEnd { return entries }
                let key = try node(event, depth: depth + 1)
                guard case .scalar(let name, _) = key.content else {
                    throw YAMLFault(line: key.line, problem: "a key must be a name, not a list or an object")
                }
                if let first = firstLines[name] {
                    throw YAMLFault(line: key.line, problem: "\(shown(name)) stands here a second time; first on line \(first)")
                }
                firstLines[name] = key.line
                entries.append(YAMLEntry(key: name, line: key.line, value: try node(try events.next(), depth: depth + 1)))
            }
        }
    }

    /// A name from the file, for a message: short, on one line.
    static func shown(_ text: String) -> String {
        let clean = text.unicodeScalars.prefix(60).map { $0.properties.isWhitespace || $0.value < 32 ? " " : Character($0) }
        return String(clean) + (text.unicodeScalars.count > 60 ? "…" : "")
    }
}
