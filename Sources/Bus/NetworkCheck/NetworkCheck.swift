import AMQP
import Foundation
import Open311

/// Looks from this machine at every destination of a plan, all at once.
public struct NetworkCheck: Sendable {
    private let plan: NetworkPlan
    private let caFile: String
    private let login: AMQPConfiguration?
    private let idle: Duration
    private let limit: Duration
    private let say: @Sendable (String) -> Void

    /// At most so many of a name's addresses are tried.
    private static let maximumAddresses = 4

    /// - Parameters:
    ///   - caFile: PEM file of the authorities to trust.
    ///   - login: user, password and virtual host, or certificate, to log in with wherever the broker answers; nil for none. Its own
    ///     hosts are not used.
    ///   - idle: how long a quiet connection is watched after the login; zero for not at all.
    ///   - limit: for each step.
    ///   - say: told of what takes long.
    public init(
        plan: NetworkPlan, caFile: String, login: AMQPConfiguration?, idle: Duration, limit: Duration,
        say: @escaping @Sendable (String) -> Void
    ) {
        (self.plan, self.caFile, self.login) = (plan, caFile, login)
        (self.idle, self.limit, self.say) = (idle, limit, say)
    }

    public func run() async throws(AMQPError) -> NetworkReport {
        let looks = await withTaskGroup(of: Look.self) { group in
            for index in plan.destinations.indices { group.addTask { await look(at: index) } }
            return await group.reduce(into: [Look]()) { $0.append($1) }
        }
        var findings: [NetworkFinding] = []
        for look in looks.sorted(by: { $0.index < $1.index }) {
            if let fault = look.fault { throw fault }
            findings += look.findings
        }
        return NetworkReport(plan: plan, findings: findings)
    }

    /// What came of one destination.
    private struct Look: Sendable {
        let index: Int
        var findings: [NetworkFinding] = []
        var fault: AMQPError?
    }

    /// A value, because a Result with a typed error came out of its task empty now and then in release builds of Swift 6.3.1.
    private func look(at index: Int) async -> Look {
        do throws(AMQPError) {
            return Look(index: index, findings: try await examine(plan.destinations[index]))
        } catch {
            return Look(index: index, fault: error)
        }
    }

    private func examine(_ destination: NetworkPlan.Destination) async throws(AMQPError) -> [NetworkFinding] {
        let probe = try NetworkProbe()
        let start = ContinuousClock.now
        let addresses = await probe.addresses(of: destination.host).prefix(Self.maximumAddresses)
        let names = ["host": destination.host, "addresses": addresses.joined(separator: ", ")]
        guard !addresses.isEmpty else {
            await probe.close()
            return [NetworkFinding(destination.name, .dns, .unknownHost, names)]
        }
        var found = [
            NetworkFinding(destination.name, .dns, .resolved, milliseconds: start.duration(to: .now) / .milliseconds(1), names)
        ]
        var best: NetworkProbe.Outcome?
        for address in addresses {
            let outcome = await probe.look(
                at: address, port: destination.port, hostName: destination.host, caFile: destination.usesTLS ? caFile : nil,
                greeting: destination.purpose == .broker ? .amqp : .https(host: destination.host), limit: limit)
            if best.map({ $0.reached < outcome.reached }) ?? true { best = outcome }
            if outcome.reached == .answer { break }
        }
        await probe.close()
        if let best {
            found += NetworkFinding.findings(
                from: best, at: destination, now: Int(Date().timeIntervalSince1970), limit: Int(limit.components.seconds))
        }
        guard let login, destination.purpose == .broker, found.allSatisfy(\.isOK) else { return found }
        return found + (await logIn(destination, login))
    }

    private func logIn(_ destination: NetworkPlan.Destination, _ login: AMQPConfiguration) async -> [NetworkFinding] {
        var configuration = login
        (configuration.host, configuration.port, configuration.otherHosts) = (destination.host, destination.port, [])
        configuration.connectionName = "bus311 netcheck"
        configuration.handshakeTimeout = limit * 2
        // Several signs of life within the time that is watched.
        if idle > .zero { configuration.heartbeat = max(1, min(login.heartbeat, Int(idle / .seconds(3)))) }
        if destination.usesTLS {
            if configuration.tls == nil { configuration.tls = .init() }
            configuration.tls?.caFile = caFile
        } else {
            configuration.tls = nil
        }
        do throws(AMQPError) {
            // A publisher needs no permission to connect, and watches its connection.
            let publisher = try ConfirmedPublisher(configuration: configuration)
            let start = ContinuousClock.now
            do throws(AMQPError) { try await publisher.connect() } catch {
                await publisher.close()
                let outcome: NetworkFinding.Outcome = error.kind == .authenticationRefused ? .loginRefused : .loginFailed
                return [NetworkFinding(destination.name, .login, outcome, ["detail": error.description])]
            }
            let loggedIn = NetworkFinding(destination.name, .login, .loggedIn, milliseconds: start.duration(to: .now) / .milliseconds(1))
            let kept = idle > .zero ? [await watch(publisher, destination, configuration.heartbeat)] : []
            await publisher.close()
            return [loggedIn] + kept
        } catch {
            return [NetworkFinding(destination.name, .login, .loginFailed, ["detail": error.description])]
        }
    }

    /// Leaves the connection quiet, and says when it ends before the time.
    private func watch(_ publisher: ConfirmedPublisher, _ destination: NetworkPlan.Destination, _ heartbeat: Int) async -> NetworkFinding {
        say("\(destination.name): \(idle.components.seconds) s …")
        let start = ContinuousClock.now
        var values = [
            "host": destination.host, "port": String(destination.port), "heartbeat": String(heartbeat), "idle": String(plan.idleLimit),
        ]
        while start.duration(to: .now) < idle, publisher.state != .disconnected {
            if (try? await Task.sleep(for: min(.milliseconds(200), idle))) == nil { break }
        }
        values["seconds"] = String(Int((start.duration(to: .now) / .seconds(1)).rounded()))
        do throws(AMQPError) {
            _ = try await publisher.exchange([], minimum: 0, wait: .zero)
            return NetworkFinding(destination.name, .heartbeat, .keptOpen, values)
        } catch {
            values["detail"] = error.description
            return NetworkFinding(destination.name, .heartbeat, .cut, values)
        }
    }
}
