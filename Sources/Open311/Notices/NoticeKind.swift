/// What a citizen is written of.
public enum NoticeKind: String, Sendable, CaseIterable {
    /// The report is stored.
    case received
    /// The city has taken it up, for the first time or again.
    case accepted
    case done
    /// Refused; the note is the reason.
    case rejected
    /// The same was reported before: its parent's story is its own from now on.
    case duplicate

    /// What a city chooses among; a duplicate is told where a refusal would be.
    public static let chosen: [NoticeKind] = [.received, .accepted, .done, .rejected]
}

/// Whether a tenant's citizens are written to, and as whom.
public struct NoticePolicy: Sendable, Equatable {
    /// Empty: nobody is written to.
    public var kinds: Set<NoticeKind>
    /// Shown in place of the installation's address; the city's name when nil. At most 200 characters, on one line.
    public private(set) var fromName: String?
    /// Where answers go; the installation's address when nil.
    public var replyTo: EmailAddress?

    /// - Throws: ``InvalidValue`` for a name that is empty, too long or not on one line.
    public init(kinds: Set<NoticeKind>, fromName: String? = nil, replyTo: EmailAddress? = nil) throws(InvalidValue) {
        if let fromName {
            guard !fromName.isEmpty, !CleanText.isLonger(fromName, than: 200),
                fromName.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { throw InvalidValue(name: "from_name", problem: "must have 1 to 200 characters on one line") }
        }
        self.kinds = kinds
        self.fromName = fromName
        self.replyTo = replyTo
    }
}
