import Open311

/// Whether a tenant's citizens are written to, and in which words, as its file says.
public struct DeclaredNotices: Sendable, Equatable {
    /// Words of the city's own, which stand in a file beside the tenant's.
    public struct Template: Sendable, Hashable, CustomStringConvertible {
        public let kind: NoticeKind
        public let language: Language
        /// A path relative to the tenant's file.
        public let file: String

        public init(kind: NoticeKind, language: Language, file: String) {
            self.kind = kind
            self.language = language
            self.file = file
        }

        /// `done fr done-fr.txt`; nil for anything else.
        init?(_ text: String) {
            let words = text.split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count == 3, let kind = NoticeKind(rawValue: words[0]), let language = Language(parsing: words[1]) else {
                return nil
            }
            self.init(kind: kind, language: language, file: words[2])
        }

        public var description: String { "\(kind.rawValue) \(language) \(file)" }
    }

    /// Among ``NoticeKind/chosen``, in their order. Nil: policy and sender are as the database has them.
    public var kinds: [NoticeKind]?
    public var fromName: String?
    public var replyTo: EmailAddress?
    /// Nil: as the database has them; otherwise these and no others.
    public var templates: [Template]?

    public init() {}

    /// What is stored; nobody is written to without a policy.
    public init(_ policy: NoticePolicy?) {
        kinds = NoticeKind.chosen.filter { policy?.kinds.contains($0) == true }
        fromName = policy?.fromName
        replyTo = policy?.replyTo
    }

    /// Nil where the file says nothing of it.
    public var policy: NoticePolicy? {
        // Each part kept its rule when it was read.
        kinds.flatMap { try? NoticePolicy(kinds: Set($0), fromName: fromName, replyTo: replyTo) }
    }
}
