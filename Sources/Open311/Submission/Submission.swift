import Crypto

/// A service request that a citizen has made and that nothing is wrong with; not stored yet.
public struct Submission: Sendable {
    public var tenant: TenantID
    public var serviceCode: ServiceCode
    public var serviceName: String
    public var description: String
    public var title: String?
    public var object: ServiceObject?
    public var location: Location
    public var answers: [Answer]
    /// Nil when the submission is anonymous.
    public var reporter: Reporter?
    /// Links that the citizen gave; never followed here.
    public var mediaURLs: [String]
    /// Photos that came with the form; they are shown before the links.
    public var photos: [SubmittedPhoto] = []
    /// When their addresses end to answer; nil for as long as the request is kept.
    public var photosExpireAt: Timestamp?
    /// Those of the links that are copied.
    public var copiedLinks: [CopiedLink] = []
    /// Whether the position is a photo's, because the form named no place.
    public var isLocatedByPhoto = false
    /// The label of the API key that carried it.
    public var receivedVia: String
    public var language: Language
    public var receivedAt: Timestamp
    /// Answered in place of the id until the CRM knows the request; nil where the id is answered at once.
    public var token: String?
    /// Whether lists and look-ups show it from the start.
    public var isListed: Bool
    /// The client's own name for this submission, so that a repetition is recognised.
    public var clientReference: ClientReference?
    /// The trace that goes on with its event; nil where none is kept.
    public var trace: TraceContext?
    /// The version of the tenant's catalogue that it is valid under.
    public var catalogueVersion: Int32?

    public init(
        tenant: TenantID, serviceCode: ServiceCode, serviceName: String, description: String, location: Location, answers: [Answer],
        reporter: Reporter?, mediaURLs: [String], receivedVia: String, language: Language, receivedAt: Timestamp,
        clientReference: ClientReference?, title: String? = nil, object: ServiceObject? = nil, token: String? = nil, isListed: Bool = true
    ) {
        self.tenant = tenant
        self.serviceCode = serviceCode
        self.serviceName = serviceName
        self.description = description
        self.location = location
        self.answers = answers
        self.reporter = reporter
        self.mediaURLs = mediaURLs
        self.receivedVia = receivedVia
        self.language = language
        self.receivedAt = receivedAt
        self.clientReference = clientReference
        self.title = title
        self.object = object
        self.token = token
        self.isListed = isListed
    }
}

/// A client's reference (`Idempotency-Key` or `client_request_id`) with the fingerprint of what it was sent with.
public struct ClientReference: Sendable, Equatable {
    /// 1 to 255 characters.
    public let key: String
    /// SHA-256 of the fields, 32 bytes: same key and other content is a conflict.
    public let fingerprint: [UInt8]

    /// - Parameters:
    ///   - key: what the client sent; prefixed by the API key's public id inside, so that two apps never meet.
    ///   - apiKey: the public id of the key that carried it.
    ///   - fields: the whole form; fields that only authenticate do not count.
    /// - Throws: ``Fault`` when the key is longer than 255 characters or has control characters.
    public init(key: String, apiKey: String, fields: FormFields) throws(Fault) {
        guard key.count <= 255 else { throw Fault(field: "client_request_id", problem: .tooLong(maximum: 255)) }
        guard !key.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else {
            throw Fault(field: "client_request_id", problem: .malformed(expectation: "must not contain control characters"))
        }
        self.key = "\(apiKey):\(key)"
        var hash = SHA256()
        for (name, value) in fields.all where !value.isEmpty && name != "api_key" && name != "client_request_id" {
            // Lengths in front: no two forms give the same bytes.
            hash.update(data: Array("\(name.utf8.count):\(name)=\(value.utf8.count):\(value);".utf8))
        }
        fingerprint = Array(hash.finalize())
    }
}
