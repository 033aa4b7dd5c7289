/// The words of a notice, with places for what differs from one to the next: `{{city}}`. Plain text; what is put in is text too, and
/// never read for places again.
public struct NoticeTemplate: Sendable, Hashable {
    public enum Place: String, Sendable, CaseIterable {
        /// The city's name.
        case city
        /// The service's name, as the citizen saw it.
        case service
        /// The service_request_id; none while the citizen has a token only.
        case number
        /// The day of the report.
        case date
        /// What the city said with the status; often none.
        case note
        /// Of a duplicate: the service_request_id of what it is a duplicate of, where citizens may see that.
        case parent
    }

    public static let maximumSubject = 200
    public static let maximumBody = 10_000

    public let subject: String
    /// A line with a place for which there is nothing is left out.
    public let body: String

    /// - Throws: ``InvalidValue`` that names the line and the place at fault.
    public init(subject: String, body: String) throws(InvalidValue) {
        guard !subject.isEmpty, !CleanText.isLonger(subject, than: Self.maximumSubject),
            subject.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw InvalidValue(name: "subject", problem: "must have 1 to \(Self.maximumSubject) characters on one line") }
        let text = body.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).joined(separator: "\n")
        guard text.contains(where: { !$0.isWhitespace }), !CleanText.isLonger(text, than: Self.maximumBody) else {
            throw InvalidValue(name: "body", problem: "must have 1 to \(Self.maximumBody) characters")
        }
        guard text.unicodeScalars.allSatisfy({ $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control }) else {
            throw InvalidValue(name: "body", problem: "must not have control characters")
        }
        _ = try Self.parts(subject, of: "subject")
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            _ = try Self.parts(String(line), of: "body, line \(index + 1)")
        }
        self.subject = subject
        self.body = text
    }

    /// A file of a first line `Subject: …` (or `Objet : …`), an empty line, and the body.
    ///
    /// - Throws: ``InvalidValue``
    public init(file: String) throws(InvalidValue) {
        let lines = file.split(maxSplits: 2, omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let head = lines.first.map(String.init) ?? ""
        let name = head.prefix { $0 != ":" }.lowercased().filter { $0 != " " && $0 != "\u{A0}" && $0 != "\u{202F}" }
        guard name == "subject" || name == "objet", lines.count == 3, lines[1].allSatisfy(\.isWhitespace) else {
            throw InvalidValue(
                name: "template", problem: "must begin with a line Subject: and an empty line; the body stands below")
        }
        var subject = head.drop { $0 != ":" }.dropFirst()
        while subject.first?.isWhitespace == true { subject.removeFirst() }
        while subject.last?.isWhitespace == true { subject.removeLast() }
        try self.init(subject: String(subject), body: String(lines[2]))
    }

    private enum Part {
        case text(Substring)
        case place(Place)
    }

    private static func parts(_ line: String, of where_: String) throws(InvalidValue) -> [Part] {
        var parts: [Part] = []
        var rest = line[...]
        while let start = rest.firstRange(of: "{{") {
            parts.append(.text(rest[..<start.lowerBound]))
            rest = rest[start.upperBound...]
            let known = Place.allCases.map { "{{\($0.rawValue)}}" }.joined(separator: ", ")
            guard let end = rest.firstRange(of: "}}") else {
                throw InvalidValue(name: where_, problem: "has {{ without }}: places are \(known)")
            }
            let name = rest[..<end.lowerBound].filter { $0 != " " }
            guard let place = Place(rawValue: String(name)) else {
                throw InvalidValue(name: where_, problem: "has {{\(name.prefix(40))}}, which is no place: places are \(known)")
            }
            parts.append(.place(place))
            rest = rest[end.upperBound...]
        }
        parts.append(.text(rest))
        return parts
    }

    /// The words with these values in their places.
    public func filled(_ values: [Place: String]) -> (subject: String, body: String) {
        let lines = body.split(separator: "\n", omittingEmptySubsequences: false).compactMap { Self.fill(String($0), values) }
        let subject = Self.fill(subject, values) ?? Self.fill(subject, values.merging(Self.nothing) { given, _ in given }) ?? subject
        return (CleanText.singleSpaced(subject), Self.tidied(lines))
    }

    private static let nothing = Dictionary(uniqueKeysWithValues: Place.allCases.map { ($0, "") })

    /// - Returns: nil when a place has no value.
    private static func fill(_ line: String, _ values: [Place: String]) -> String? {
        // It was read before: nothing can be wrong with it.
        guard let parts = try? parts(line, of: "") else { return line }
        var filled = ""
        for part in parts {
            switch part {
            case .text(let text): filled += text
            case .place(let place):
                guard let value = values[place] else { return nil }
                filled += value
            }
        }
        return filled
    }

    /// Lines that were left out leave no gap of two empty lines.
    private static func tidied(_ lines: [String]) -> String {
        var kept: [String] = []
        for line in lines where !(line.isEmpty && (kept.last?.isEmpty ?? true)) { kept.append(line) }
        while kept.last?.isEmpty == true { kept.removeLast() }
        return kept.joined(separator: "\n")
    }
}
