/// A port and what it is for.
public struct PortUse: Sendable, Equatable {
    public let name: String
    public let port: Int

    public init(name: String, port: Int) {
        self.name = name
        self.port = port
    }
}

/// Every port of one installation on one machine, counted from one base so that two installations need two numbers only.
public struct PortPlan: Sendable, Equatable {
    /// The base when nobody says otherwise.
    public static let defaultBase = 8311
    /// The highest base that leaves room for the last port.
    public static let highestBase = 65535 - 85

    /// The port of the gateway; all others follow from it.
    public let base: Int

    /// - Parameter base: 1024 … `highestBase`.
    /// - Throws: `PrivateServerError.portBaseOutOfRange`.
    public init(base: Int = PortPlan.defaultBase) throws {
        guard (1024...Self.highestBase).contains(base) else { throw PrivateServerError.portBaseOutOfRange(base) }
        self.base = base
    }

    /// GeoReport and CitySDK, for citizens' apps.
    public var gateway: Int { base }
    /// Status updates and reference data, for the CRMs.
    public var statusIngest: Int { base + 1 }
    /// Health and metrics of the services.
    public var health: Int { base + 8 }
    /// PostgreSQL.
    public var postgresql: Int { base + 21 }
    /// RabbitMQ: AMQP 0-9-1 over TLS.
    public var amqps: Int { base + 60 }
    /// RabbitMQ: AMQP 0-9-1.
    public var amqp: Int { base + 61 }
    /// RabbitMQ: the port between nodes and of `rabbitmqctl`.
    public var distribution: Int { base + 62 }
    /// RabbitMQ: the private Erlang port mapper.
    public var epmd: Int { base + 63 }
    /// RabbitMQ: the management HTTP API.
    public var management: Int { base + 64 }
    /// RabbitMQ: its Prometheus metrics.
    public var brokerMetrics: Int { base + 65 }

    /// The broker's own ports.
    public var rabbitMQ: RabbitMQPorts {
        RabbitMQPorts(
            amqp: amqp,
            management: management,
            prometheus: brokerMetrics,
            distribution: distribution,
            epmd: epmd,
            amqps: amqps
        )
    }

    /// How many nodes the cluster of `make run-cluster` has.
    public static let clusterSize = 3

    /// The ports of node 1, 2 or 3 of a cluster: ten apart, the first as of a broker alone; one port mapper serves all.
    public func clusterNode(_ number: Int) -> RabbitMQPorts {
        let shift = 10 * (number - 1)
        return RabbitMQPorts(
            amqp: amqp + shift, management: management + shift, prometheus: brokerMetrics + shift, distribution: distribution + shift,
            epmd: epmd, amqps: amqps + shift)
    }

    /// Gateways side by side: the first has the usual port.
    public func gateway(_ number: Int) -> Int { number == 1 ? gateway : base + number }
    /// Health pages of services that run as processes of their own, in the order in which they are started.
    public func health(_ number: Int) -> Int { number == 1 ? health : base + 13 + number }

    /// All of them, by name.
    public var uses: [PortUse] {
        [
            PortUse(name: "gateway", port: gateway),
            PortUse(name: "status-ingest", port: statusIngest),
            PortUse(name: "health and metrics", port: health),
            PortUse(name: "PostgreSQL", port: postgresql),
            PortUse(name: "AMQP", port: amqp),
            PortUse(name: "AMQP over TLS", port: amqps),
            PortUse(name: "broker distribution", port: distribution),
            PortUse(name: "broker port mapper", port: epmd),
            PortUse(name: "broker management", port: management),
            PortUse(name: "broker metrics", port: brokerMetrics),
        ]
    }

    /// What `make run-cluster` uses besides.
    ///
    /// - Parameter services: how many processes of services there are.
    public func clusterUses(services: Int) -> [PortUse] {
        let nodes = (2...Self.clusterSize).flatMap { number in
            let ports = clusterNode(number)
            return [
                PortUse(name: "AMQP, node \(number)", port: ports.amqp),
                PortUse(name: "AMQP over TLS, node \(number)", port: amqps + 10 * (number - 1)),
                PortUse(name: "broker distribution, node \(number)", port: ports.distribution),
                PortUse(name: "broker management, node \(number)", port: ports.management),
                PortUse(name: "broker metrics, node \(number)", port: ports.prometheus),
            ]
        }
        return nodes + [PortUse(name: "second gateway", port: gateway(2))]
            + (2...max(2, services)).map { PortUse(name: "health page \($0)", port: health($0)) }
    }

    /// Checks that nobody listens on any of them yet.
    ///
    /// - Parameter more: ports of this run besides those of the plan.
    /// - Throws: `PrivateServerError.portsTaken` with all that are taken, and the remedy in its description.
    public func checkFree(_ more: [PortUse] = []) throws {
        let taken = (uses + more).filter { !Loopback.isFree($0.port) }
        guard taken.isEmpty else { throw PrivateServerError.portsTaken(taken) }
    }
}

/// The ports of a private RabbitMQ, all on 127.0.0.1.
public struct RabbitMQPorts: Sendable, Equatable {
    public var amqp: Int
    public var management: Int
    public var prometheus: Int
    public var distribution: Int
    public var epmd: Int
    /// AMQP over TLS, with certificates of the broker's own authority; nil for none.
    public var amqps: Int?

    public init(amqp: Int, management: Int, prometheus: Int, distribution: Int, epmd: Int, amqps: Int? = nil) {
        self.amqp = amqp
        self.management = management
        self.prometheus = prometheus
        self.distribution = distribution
        self.epmd = epmd
        self.amqps = amqps
    }
}
