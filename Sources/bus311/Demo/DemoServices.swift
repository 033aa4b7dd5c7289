import Foundation
import PrivateServers

/// Which processes of ours the demonstration runs.
enum DemoServices {
    /// Name, command and the settings in which it differs from the others.
    private struct Part {
        let name: String
        let command: String
        var settings: [String: String] = [:]
    }

    /// Two of each that shares work with its like; the others once.
    private static func sideBySide(_ ports: PortPlan) -> [Part] {
        [
            Part(name: "gateway-1", command: "gateway", settings: ["BUS311_GATEWAY_PORT": "\(ports.gateway(1))"]),
            Part(name: "gateway-2", command: "gateway", settings: ["BUS311_GATEWAY_PORT": "\(ports.gateway(2))"]),
            Part(name: "relay-1", command: "relay"),
            Part(name: "relay-2", command: "relay"),
            Part(name: "status-ingest", command: "status-ingest"),
            Part(name: "watch", command: "watch"),
            Part(name: "photos", command: "photos"),
        ]
    }

    /// Ports that the processes need besides those of the plan.
    static func count(_ ports: PortPlan) -> Int { sideBySide(ports).count }

    /// One process for all, or a process for each with its own health page and log.
    static func processes(_ home: DemoHome, isCluster: Bool) -> [PrivateCommand] {
        guard isCluster else { return [home.service("all", name: "bus311 all", log: "bus311.log", health: home.ports.health)] }
        return sideBySide(home.ports).enumerated().map { index, part in
            let health = home.ports.health(index + 1)
            return home.service(
                part.command, name: part.name, log: "\(part.name).log", health: health,
                settings: part.settings.merging(["BUS311_HEALTH_PORT": "\(health)"]) { $1 })
        }
    }
}
