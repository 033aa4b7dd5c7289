import Foundation
import Open311

/// Numbers and names of an alert as they stand in the database.
enum AlertFactsJSON {
    private struct Stored: Codable {
        var now: [String: Int64] = [:]
        var peak: [String: Int64] = [:]
        var names: [String] = []
        /// What grows, when it was last told.
        var told: Int64?
    }

    static func bytes(_ episode: AlertEpisode) -> [UInt8] {
        let stored = Stored(
            now: plain(episode.facts), peak: plain(episode.peaks), names: Array(episode.names.prefix(20)), told: episode.toldValue)
        return (try? JSONEncoder().encode(stored)).map { Array($0) } ?? Array("{}".utf8)
    }

    /// What cannot be read counts as absent.
    static func read(_ bytes: [UInt8], into episode: inout AlertEpisode) {
        guard let stored = try? JSONDecoder().decode(Stored.self, from: Data(bytes)) else { return }
        episode.facts = facts(stored.now)
        episode.peaks = facts(stored.peak)
        episode.names = stored.names
        episode.toldValue = stored.told
    }

    static func plain(_ facts: [AlertFact: Int64]) -> [String: Int64] {
        Dictionary(uniqueKeysWithValues: facts.map { ($0.key.rawValue, $0.value) })
    }

    private static func facts(_ plain: [String: Int64]) -> [AlertFact: Int64] {
        Dictionary(
            plain.compactMap { name, value in AlertFact(rawValue: name).map { ($0, value) } }, uniquingKeysWith: { first, _ in first })
    }
}
