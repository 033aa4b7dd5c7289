import CYaml

/// What libyaml finds in a text, one event after the other. Owns the parser and the bytes it reads.
final class YAMLEvents {
    enum Kind: Equatable {
        case streamStart, streamEnd, documentStart, documentEnd, sequenceStart, sequenceEnd, mappingStart, mappingEnd, alias
        case scalar(String, isPlain: Bool)
    }

    struct Event {
        let kind: Kind
        /// From 1.
        let line: Int
        let hasAnchor: Bool
        let hasTag: Bool
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// - Parameter bytes: UTF-8; copied.
    convenience init(_ bytes: [UInt8]) throws(YAMLFault) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            // It has cleaned up behind itself.
            parser.deallocate()
            throw YAMLFault(line: 1, problem: "there is no memory to read it")
        }
        self.init(owning: parser, bytes)
    }

    private init(owning parser: UnsafeMutablePointer<yaml_parser_t>, _ bytes: [UInt8]) {
        self.parser = parser
        input = .allocate(capacity: max(1, bytes.count))
        input.initialize(repeating: 0)
        for (index, byte) in bytes.enumerated() { input[index] = byte }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// - Throws: what is wrong with the text; nothing can be read after that.
    func next() throws(YAMLFault) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw fault }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, line: line, hasAnchor: false, hasTag: false)
        case YAML_STREAM_END_EVENT: return Event(kind: .streamEnd, line: line, hasAnchor: false, hasTag: false)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, line: line, hasAnchor: false, hasTag: false)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, line: line, hasAnchor: false, hasTag: false)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, line: line, hasAnchor: false, hasTag: false)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, line: line, hasAnchor: false, hasTag: false)
        case YAML_ALIAS_EVENT: return Event(kind: .alias, line: line, hasAnchor: true, hasTag: false)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return Event(kind: .sequenceStart, line: line, hasAnchor: start.anchor != nil, hasTag: start.tag != nil)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return Event(kind: .mappingStart, line: line, hasAnchor: start.anchor != nil, hasTag: start.tag != nil)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            return Event(
                kind: .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), line: line, hasAnchor: scalar.anchor != nil,
                hasTag: scalar.tag != nil)
        default: throw YAMLFault(line: line, problem: "this cannot be read")
        }
    }

    private var fault: YAMLFault {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "this cannot be read"
        // What the reader of bytes refuses has an offset in place of a mark.
        if state.error == YAML_READER_ERROR {
            let before = input.prefix(min(input.count, Int(state.problem_offset)))
            return YAMLFault(line: before.count { $0 == UInt8(ascii: "\n") } + 1, problem: "this is no YAML: \(problem)")
        }
        return YAMLFault(line: Int(state.problem_mark.line) + 1, problem: "this is no YAML: \(problem)")
    }
}
