struct NamedObject: Decodable {
    let name: String
}

/// A binding with what is needed to delete it.
struct FoundBinding: Decodable, Hashable {
    let binding: Binding
    /// `queue` or `exchange`.
    let destinationType: String
    /// The broker's name for it among those of the same two ends.
    let propertiesKey: String
}

extension FoundBinding {
    init(from decoder: any Decoder) throws {
        binding = try Binding(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        destinationType = try container.decode(String.self, forKey: .destinationType)
        propertiesKey = try container.decode(String.self, forKey: .propertiesKey)
    }

    enum CodingKeys: String, CodingKey {
        case destinationType = "destination_type"
        case propertiesKey = "properties_key"
    }
}

struct FoundUser: Decodable, Hashable {
    var user: BrokerUser
    var limits: UserLimits
}

extension FoundUser {
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let name = try container.decode(String.self, forKey: .name)
        // A list since 3.8, one text with commas before.
        let tags = (try? container.decode([String].self, forKey: .tags)) ?? []
        let hash = try container.decodeIfPresent(String.self, forKey: .passwordHash) ?? ""
        user = BrokerUser(name: name, tags: tags, hasPassword: !hash.isEmpty)
        let found = (try? container.decode([String: Int].self, forKey: .limits)) ?? [:]
        limits = UserLimits(
            user: name,
            maximumConnections: found["max-connections"] ?? -1,
            maximumChannels: found["max-channels"] ?? -1
        )
    }

    enum CodingKeys: String, CodingKey {
        case name, tags, limits
        case passwordHash = "password_hash"
    }
}

struct InVirtualHost<Value: Decodable & Hashable>: Decodable, Hashable {
    var value: Value
    let virtualHost: String
}

extension InVirtualHost {
    init(from decoder: any Decoder) throws {
        value = try Value(from: decoder)
        virtualHost = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .virtualHost)
    }

    enum CodingKeys: String, CodingKey { case virtualHost = "vhost" }
}

/// What the broker keeps of a password. Never printed.
struct PasswordHash: Decodable {
    static let sha256 = "rabbit_password_hashing_sha256"

    let value: String
    let algorithm: String

    enum CodingKeys: String, CodingKey {
        case value = "password_hash"
        case algorithm = "hashing_algorithm"
    }
}
