/// What the codes of a tenant's CRM mean: edited as data, without a new version of anything.
public struct StatusMapping: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        /// The CRM's own code, as it was written: 1 to 64 characters.
        public let code: String
        public let status: DetailedStatus
        /// What citizens read when the CRM says nothing itself; 1 to 4,000 characters.
        public let statusNotes: String?

        public init(code: String, status: DetailedStatus, statusNotes: String?) {
            self.code = code
            self.status = status
            self.statusNotes = statusNotes
        }
    }

    public static let maximumCount = 1_000
    public static let maximumCode = 64
    public static let maximumNotes = 4_000
    /// Of a document, in bytes.
    public static let maximumSize = 1_048_576
    public static let empty = StatusMapping([])

    /// In the city's own order.
    public let entries: [Entry]
    private let byCode: [String: Int]

    /// - Parameter entries: with codes that differ otherwise than in case; of two equal ones the first counts.
    public init(_ entries: [Entry]) {
        self.entries = entries
        byCode = Dictionary(entries.enumerated().map { (Self.folded($1.code), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Compared without regard to case, as statuses are.
    public subscript(code: String) -> Entry? { byCode[Self.folded(code)].map { entries[$0] } }

    static func folded(_ code: String) -> String { code.lowercased() }

    public static func == (left: Self, right: Self) -> Bool { left.entries == right.entries }
}
