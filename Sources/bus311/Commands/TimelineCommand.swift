import ArgumentParser
import Foundation
import Open311
import Storage

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "Where a service request has been, and where it waits.",
        discussion: "Example: bus311 timeline 2611000004217")
    @OptionGroup var common: CommonOptions
    @Argument(help: "service_request_id") var request: String

    struct View: Encodable {
        struct Station: Encodable {
            let station: String
            let at: String?
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
            stations = RequestTimeline.Station.allCases.map { Station(station: $0.rawValue, at: timeline.moments[$0]?.iso8601) }
            waits_for = timeline.waitsFor?.rawValue
            events = timeline.events.map {
                Event(
                    sequence: $0.sequence, type: $0.type, state: $0.state, attempts: $0.attempts, reason: $0.reason,
                    published: $0.publishedAt?.iso8601, confirmed: $0.confirmedAt?.iso8601, replay: $0.isReplay)
            }
        }

        var text: String {
            let passed = stations.map { station in
                station.station.padding(toLength: 13, withPad: " ", startingAt: 0)
                    + (station.at ?? (station.station == waits_for ? "waits" : "-"))
            }
            let sent = events.map { event in
                "event \(event.sequence) \(event.type) \(event.state)" + (event.replay ? ", replayed" : "")
                    + (event.reason.map { ", \(event.attempts) attempts: \($0)" } ?? "")
            }
            return (passed + sent).joined(separator: "\n")
        }
    }

    func run() async throws {
        guard let id = ServiceRequestID(parsing: request) else { throw ValidationError("\(request) is no service_request_id.") }
        try await common.administer { administration in
            guard let timeline = try await administration.store.timeline(of: id) else {
                throw ValidationError("No tenant has a service request \(id).")
            }
            let view = View(timeline)
            try common.show(text: view.text, json: view)
        }
    }
}
