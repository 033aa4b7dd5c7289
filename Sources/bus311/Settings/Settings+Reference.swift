import Configuration
import Curl

/// Where tenants' reference data may be fetched from.
extension Settings {
    /// Private addresses, each with its port: CRMs inside of our own network. Apart from ``allowedLinks``, which strangers choose from.
    var allowedReferenceSources: Set<LinkGuard.Endpoint> { get throws { try endpoints("reference.fetch.allow") } }

    /// PEM file of the authorities that their servers are trusted by; nil for the system's.
    var referenceAuthorities: String? { reader.string(forKey: "reference.fetch.authorities") }
}
