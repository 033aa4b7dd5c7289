import ArgumentParser
import Foundation
import Open311
import Storage

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "Where a service request has been, and where it waits.",
        discussion: """
            Each station with its moment and the time since the one before; the first without a moment is where the request waits.
            That a CRM has acknowledged a message to the broker leaves no trace there; "acknowledged" is the CRM's own first word.
            Example: bus311 timeline 2611000004217 --language fr
            """)
    @OptionGroup var common: CommonOptions
    @Argument(help: "service_request_id, or the token that the citizen was answered.") var request: String
    @Option(help: "fr or en.") var language: Words = .en

    enum Words: String, ExpressibleByArgument {
        case fr, en

        var language: Language { self == .fr ? .french : .english }
    }

    struct View: Encodable {
        struct Station: Encodable {
            let station: String
            let at: String?
            let seconds: Double?
        }

        struct Event: Encodable {
            let sequence: Int32
            let type: String
            let state: String
            let attempts: Int32
            let reason: String?
            let published: String?
            let confirmed: String?
            let replay: Bool
        }

        let service_request_id: String
        let stations: [Station]
        let waits_for: String?
        let events: [Event]

        init(_ timeline: RequestTimeline) {
            service_request_id = timeline.request.description
            stations = timeline.steps.map { Station(station: $0.station.rawValue, at: $0.at?.iso8601, seconds: $0.seconds) }
            waits_for = timeline.waitsFor?.rawValue
            events = timeline.events.map {
                Event(
                    sequence: $0.sequence, type: $0.type, state: $0.state, attempts: $0.attempts, reason: $0.reason,
                    published: $0.publishedAt?.iso8601, confirmed: $0.confirmedAt?.iso8601, replay: $0.isReplay)
            }
        }

        static func text(_ timeline: RequestTimeline, in language: Language, _ events: [Event]) -> String {
            let isFrench = language == .french
            let passed = timeline.steps.map { step in
                let label = step.station.label(in: language).padding(toLength: 28, withPad: " ", startingAt: 0)
                guard let at = step.at else {
                    return label + (step.station == timeline.waitsFor ? (isFrench ? "en attente" : "waits") : "-")
                }
                // Before the station above it: a CRM that took a request by another road while its message waited.
                let lapse = step.seconds.map { ($0 < 0 ? "  -" : "  +") + Self.lapse($0.magnitude) } ?? ""
                return label + at.iso8601 + lapse
            }
            let sent = events.map { event in
                "event \(event.sequence) \(event.type) \(event.state)" + (event.replay ? ", replayed" : "")
                    + (event.reason.map { ", \(event.attempts) attempts: \($0)" } ?? "")
            }
            var ends: [String] = []
            if timeline.isTest { ends.append(isFrench ? "point d'essai : rien n'est envoyé" : "test endpoint: nothing is sent") }
            if timeline.isErased { ends.append(isFrench ? "effacée : plus rien ne se passe" : "erased: nothing more happens") }
            return (passed + sent + ends).joined(separator: "\n")
        }

        private static func lapse(_ seconds: Double) -> String {
            if seconds.magnitude < 1 { return "\(Int((seconds * 1_000).rounded())) ms" }
            if seconds.magnitude < 60 { return "\((seconds * 10).rounded() / 10) s" }
            return Pace.text(seconds: Int64(seconds))
        }
    }

    func run() async throws {
        try await common.administer { administration in
            let id = try await administration.request(request)
            guard let timeline = try await administration.store.timeline(of: id) else {
                throw ValidationError("No tenant has a service request \(id).")
            }
            if let owner = try await administration.store.owner(of: id) { AdministrationTrail.current?.note(id, of: owner) }
            let view = View(timeline)
            try common.show(text: View.text(timeline, in: language.language, view.events), json: view)
        }
    }
}
