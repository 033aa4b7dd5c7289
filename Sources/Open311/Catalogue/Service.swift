/// The code of a service inside a tenant's catalogue, as it stands in paths and forms: 1 to 64 characters.
public struct ServiceCode: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    /// - Throws: ``InvalidValue`` when empty, longer than 64 characters, or with a control character.
    public init(validating text: String) throws(InvalidValue) {
        // Bytes tell it: control characters are single ones, and what has few bytes has few characters.
        guard !text.isEmpty, text.utf8.count <= 64 || text.count <= 64, !text.utf8.contains(where: { $0 < 32 || $0 == 127 }) else {
            throw InvalidValue(name: "service_code", problem: "must be 1 to 64 characters without control characters")
        }
        rawValue = text
    }

    public var description: String { rawValue }
}

/// How a submission is answered (GeoReport v2, services: `type`).
public enum ServiceKind: String, Sendable, CaseIterable {
    /// With the `service_request_id`.
    case realtime
    /// With a token.
    case batch
    /// With neither.
    case blackbox
}

/// One entry of a tenant's catalogue.
public struct Service: Sendable, Equatable {
    public let code: ServiceCode
    public var kind: ServiceKind
    public var name: LocalizedText
    public var summary: LocalizedText
    public var group: LocalizedText
    public var keywords: [String]
    /// Sorted by `order`.
    public var attributes: [ServiceAttribute]
    /// The number of the catalogue's version that it stands in; nil where it comes from no published one.
    public var catalogueVersion: Int32?

    public init(
        code: ServiceCode, kind: ServiceKind, name: LocalizedText, summary: LocalizedText, group: LocalizedText, keywords: [String],
        attributes: [ServiceAttribute]
    ) {
        self.code = code
        self.kind = kind
        self.name = name
        self.summary = summary
        self.group = group
        self.keywords = keywords
        self.attributes = attributes.sorted { $0.order < $1.order }
    }

    /// GeoReport's `metadata`: whether a definition exists and must be fetched.
    public var hasDefinition: Bool { !attributes.isEmpty }

    public func attribute(_ code: String) -> ServiceAttribute? { attributes.first { $0.code == code } }
}

/// One question, or one notice, of a service's definition (GeoReport v2, service definition).
public struct ServiceAttribute: Sendable, Equatable {
    public enum DataType: String, Sendable, CaseIterable {
        case string, number, datetime, text, singlevaluelist, multivaluelist

        public var isList: Bool { self == .singlevaluelist || self == .multivaluelist }
    }

    /// One choice of a list.
    public struct Choice: Sendable, Equatable {
        public let key: String
        public var name: LocalizedText

        public init(key: String, name: LocalizedText) {
            self.key = key
            self.name = name
        }
    }

    public let code: String
    /// False for a notice that is only shown.
    public var isVariable: Bool
    public var dataType: DataType
    public var isRequired: Bool
    /// Display rank, 1 first.
    public var order: Int
    public var question: LocalizedText
    public var hint: LocalizedText
    /// Only for the two list types; in display order.
    public var choices: [Choice]

    public init(
        code: String, isVariable: Bool, dataType: DataType, isRequired: Bool, order: Int, question: LocalizedText, hint: LocalizedText,
        choices: [Choice]
    ) {
        self.code = code
        self.isVariable = isVariable
        self.dataType = dataType
        self.isRequired = isRequired && isVariable
        self.order = order
        self.question = question
        self.hint = hint
        self.choices = choices
    }
}

/// A tenant's active services, in the tenant's order.
public struct Catalogue: Sendable, Equatable {
    public let services: [Service]
    /// When any service last changed: discovery's `changeset`.
    public let changedAt: Timestamp
    /// Every language in which any text exists.
    public let languages: Set<Language>
    private let positions: [ServiceCode: Int]

    public init(services: [Service], changedAt: Timestamp) {
        self.services = services
        self.changedAt = changedAt
        languages = Set(services.flatMap { service in service.texts.flatMap { $0.text.translations.keys } })
        positions = Dictionary(services.enumerated().map { ($1.code, $0) }, uniquingKeysWith: { first, _ in first })
    }

    public func service(_ code: ServiceCode) -> Service? { positions[code].map { services[$0] } }
}
