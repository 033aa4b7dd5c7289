/// What a tenant has chosen for photos. Its limits hold within those of the installation: nil leaves it to them.
public struct PhotoPolicy: Sendable, Equatable {
    /// What is taken; told by content.
    public var kinds: Set<PhotoType>
    /// Of one photo, as it is sent.
    public var maximumBytes: Int?
    /// Of all photos of a request.
    public var maximumTotalBytes: Int?
    /// Of a request; 0 takes none.
    public var maximumCount: Int?
    /// A photo of more is refused by the cleaner.
    public var maximumPixels: Int?
    /// For how many days a photo's address answers; nil for as long as the request is kept.
    public var shownDays: Int?
    /// Whether photos behind the links that citizens give in `media_url` are copied, cleaned and shown in place of the links.
    public var fetchesLinks: Bool
    /// Whether `http` links are followed too; `https` only, otherwise.
    public var fetchesPlainHTTP: Bool
    /// A program and its arguments that every cleaned photo passes before it is shown; empty for none.
    public var blurCommand: [String]

    public static let countRange = 0...20
    public static let dayRange = 1...3_660
    /// Of a blur command, with its arguments.
    public static let maximumWords = 32

    public init(
        kinds: Set<PhotoType> = Set(PhotoType.allCases), maximumBytes: Int? = nil, maximumTotalBytes: Int? = nil, maximumCount: Int? = nil,
        maximumPixels: Int? = nil, shownDays: Int? = nil, fetchesLinks: Bool = false, fetchesPlainHTTP: Bool = false,
        blurCommand: [String] = []
    ) {
        self.kinds = kinds
        self.maximumBytes = maximumBytes
        self.maximumTotalBytes = maximumTotalBytes
        self.maximumCount = maximumCount
        self.maximumPixels = maximumPixels
        self.shownDays = shownDays
        self.fetchesLinks = fetchesLinks
        self.fetchesPlainHTTP = fetchesPlainHTTP
        self.blurCommand = blurCommand
    }

    /// When a photo's address ends to answer that begins to at `moment`.
    public func expiry(from moment: Timestamp) -> Timestamp? {
        shownDays.map { Timestamp(microseconds: moment.microseconds + Int64($0) * 86_400_000_000) }
    }
}

extension PhotoType {
    /// As people and commands write it.
    public var shortName: String {
        switch self {
        case .jpeg: "JPEG"
        case .png: "PNG"
        case .webp: "WebP"
        case .heic: "HEIC"
        }
    }

    public init?(shortName: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.shortName.lowercased() == shortName.lowercased() }) else { return nil }
        self = found
    }

    /// `JPEG, PNG`, in the order of this type's cases.
    public static func list(_ types: Set<PhotoType>) -> String {
        allCases.filter { types.contains($0) }.map(\.shortName).joined(separator: ", ")
    }
}
