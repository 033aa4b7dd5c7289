import ConnectionThread

/// Tries the hosts of one configuration in shuffled order, under one budget: the handshake timeout.
///
/// A host that accepts and then says nothing takes its share of what is left, so that the ones behind it still have theirs.
struct HostList {
    private let configuration: AMQPConfiguration
    private let endpoints: [AMQPConfiguration.Endpoint]

    init(_ configuration: AMQPConfiguration) {
        self.configuration = configuration
        endpoints = configuration.endpoints.shuffled()
    }

    /// - Parameter attempt: one try at one host.
    /// - Returns: what the first successful attempt gave, and the configuration of that host.
    /// - Throws: the failure that says most, with what the other hosts said.
    func open<Value>(
        _ attempt: (AMQPConfiguration) throws(AMQPError) -> Value
    ) throws(AMQPError) -> (Value, AMQPConfiguration) {
        let deadline = Deadline.after(configuration.handshakeTimeout)
        var failures: [AMQPError] = []
        for (index, endpoint) in endpoints.enumerated() {
            var chosen = configuration.only(endpoint)
            chosen.handshakeTimeout = max(.milliseconds(1), deadline.remaining / (endpoints.count - index))
            do {
                return (try attempt(chosen), chosen)
            } catch {
                failures.append(error)
                // The other nodes know the same users and virtual hosts.
                if case .authenticationRefused = error.kind { break }
            }
        }
        throw Self.summary(of: failures, in: configuration)
    }

    /// A failure that waiting will not mend, before one that it may; of equals, the last.
    private static func summary(of failures: [AMQPError], in configuration: AMQPConfiguration) -> AMQPError {
        guard var chosen = failures.first(where: { !$0.isRetriable }) ?? failures.last else {
            return AMQPError(.invalidConfiguration("there is no host"), server: configuration.server)
        }
        chosen.otherHosts = failures.filter { $0.server != chosen.server }.map(\.description)
        return chosen
    }
}
