import ArgumentParser
import Configuration
import Curl
import Foundation

/// Where citizens' links may lead when a tenant has them copied.
extension Settings {
    /// Private addresses, each with its port, that a stranger's link may make this machine ask. None, unless an operator names them.
    var allowedLinks: Set<LinkGuard.Endpoint> { get throws { try endpoints("media.fetch.allow") } }

    func endpoints(_ key: String) throws -> Set<LinkGuard.Endpoint> {
        let text = reader.string(forKey: ConfigKey(key), default: "")
        return Set(
            try text.split(separator: ",").map { entry in
                let word = entry.trimmingCharacters(in: .whitespaces)
                guard let endpoint = LinkGuard.Endpoint(word) else {
                    throw ValidationError(
                        "\(key) has \(word): write addresses with their ports, as in 10.1.2.3:443, [fd00::1]:443. " + Self.place(of: key))
                }
                return endpoint
            })
    }

    /// PEM file of the authorities that links' servers are trusted by; nil for the system's.
    var linkAuthorities: String? { reader.string(forKey: "media.fetch.authorities") }
}
