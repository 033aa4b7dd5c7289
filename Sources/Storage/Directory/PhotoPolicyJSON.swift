import Foundation
import Open311

/// How a tenant's photo policy stands in the database: a JSON object of what differs from the installation.
enum PhotoPolicyJSON {
    private struct Stored: Codable {
        var kinds: [String]?
        var max_bytes: Int?
        var max_request_bytes: Int?
        var max_count: Int?
        var max_pixels: Int?
        var shown_days: Int?
        var fetches_links: Bool?
        var fetches_http: Bool?
        var blur_command: [String]?
    }

    /// What this version does not know is passed over; what is no policy at all is the installation's.
    static func policy(_ bytes: [UInt8]) -> PhotoPolicy {
        guard let stored = try? JSONDecoder().decode(Stored.self, from: Data(bytes)) else { return PhotoPolicy() }
        var policy = PhotoPolicy(
            maximumBytes: stored.max_bytes, maximumTotalBytes: stored.max_request_bytes, maximumCount: stored.max_count,
            maximumPixels: stored.max_pixels, shownDays: stored.shown_days, fetchesLinks: stored.fetches_links ?? false,
            fetchesPlainHTTP: stored.fetches_http ?? false, blurCommand: stored.blur_command ?? [])
        if let kinds = stored.kinds { policy.kinds = Set(kinds.compactMap { PhotoType(shortName: $0) }) }
        return policy
    }

    static func bytes(_ policy: PhotoPolicy) -> [UInt8] {
        let takesAll = policy.kinds == Set(PhotoType.allCases)
        let stored = Stored(
            kinds: takesAll ? nil : PhotoType.allCases.filter { policy.kinds.contains($0) }.map { $0.shortName.lowercased() },
            max_bytes: policy.maximumBytes, max_request_bytes: policy.maximumTotalBytes, max_count: policy.maximumCount,
            max_pixels: policy.maximumPixels, shown_days: policy.shownDays, fetches_links: policy.fetchesLinks ? true : nil,
            fetches_http: policy.fetchesPlainHTTP ? true : nil, blur_command: policy.blurCommand.isEmpty ? nil : policy.blurCommand)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(stored)).map { Array($0) } ?? Array("{}".utf8)
    }
}
