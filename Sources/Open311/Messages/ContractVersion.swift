/// A major version of the message contract. What a type looks like never changes within one (docs/contract/evolution.md).
public enum ContractMajor: Int, Sendable, CaseIterable {
    case one = 1
    /// A preview: `state` and `position` in place of `status`, `detailed_status`, `lat` and `long`.
    case two = 2
}

/// In which major versions a tenant's CRM is told of changes.
public enum ContractVersions: String, Sendable, CaseIterable {
    case one = "1"
    /// While the CRM changes over: each change makes two messages.
    case both = "1+2"
    case two = "2"

    public var majors: [ContractMajor] {
        switch self {
        case .one: [.one]
        case .both: [.one, .two]
        case .two: [.two]
        }
    }
}

/// The full versions of the schemas, by short type: `service_request.created.v1` is described by `1.0`.
public enum SchemaVersion {
    /// The newest minor version of a type, where that is not 0.
    private static let minors = [
        "service_request.media_added.v1": 1, "service_request.created.v1": 2, "service_request.created.v2": 2,
        "service_request.updated.v1": 1, "service_request.updated.v2": 1, "service_request.moderated.v1": 1,
        "service_request.moderated.v2": 1,
    ]

    /// - Parameter type: with its major version at its end.
    public static func of(_ type: String) -> String {
        let major = type.utf8.lastIndex(of: UInt8(ascii: "v")).map { type[type.index(after: $0)...] } ?? "1"
        return "\(major).\(minors[type] ?? 0)"
    }
}
