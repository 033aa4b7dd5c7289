/// Who writes the messages that a schema describes.
public enum ContractDirection: String, Sendable, Codable {
    /// We produce: whatever we begin to send must be what a consumer of the published schema expects.
    case outbound
    /// They produce: whatever a producer sends by the published schema must still be taken.
    case inbound
}

/// One difference between a contract and what was published of it.
public struct ContractFinding: Sendable, Equatable, Codable {
    /// For scripts.
    public enum Rule: String, Sendable, Codable, CaseIterable {
        case typeRemoved = "type-removed"
        case versionRemoved = "version-removed"
        /// Another content under a version that was published.
        case versionChanged = "version-changed"
        case directionChanged = "direction-changed"
        case propertyRemoved = "property-removed"
        case requiredAdded = "required-added"
        case requiredRemoved = "required-removed"
        case typeChanged = "type-changed"
        case enumChanged = "enum-changed"
        case constChanged = "const-changed"
        case patternChanged = "pattern-changed"
        case formatChanged = "format-changed"
        case boundChanged = "bound-changed"
        case dependencyChanged = "dependency-changed"
        case itemsChanged = "items-changed"
        case opennessChanged = "openness-changed"
        /// Of the AsyncAPI document: a channel, a binding, a message, an argument.
        case topologyRemoved = "topology-removed"
        case topologyChanged = "topology-changed"
        /// The AsyncAPI document refers to a file that is not there.
        case referenceMissing = "reference-missing"
        /// A file of what was published is not the one that was.
        case publicationChanged = "publication-changed"
        /// A keyword that is not judged here differs: better refused than overlooked.
        case notUnderstood = "not-understood"
    }

    /// `service_request.created`, or `asyncapi.yaml`.
    public let type: String
    /// Full version that is relied on: one that was published, or the minor before one that is to be; empty for the AsyncAPI document.
    public let version: String
    public let rule: Rule
    /// JSON pointer into the schema.
    public let path: String
    /// What differs, and whom it would hurt.
    public let why: String
}
