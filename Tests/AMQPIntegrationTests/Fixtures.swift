import AMQP
import Foundation
import Testing

extension AMQPChannel {
    /// A fresh quorum queue of the caller's own.
    func makeQueue(_ arguments: [(String, HeaderValue)] = []) async throws -> String {
        let name = "test.\(UUID().uuidString)"
        try declare(queue: name, arguments: [("x-queue-type", .string("quorum"))] + arguments)
        return name
    }
}

/// A message to a queue through the default exchange, recognisable by its tag.
func publication(_ tag: Int64, to queue: String, exchange: String = "", body: [UInt8] = Array("hello".utf8)) -> Publication {
    Publication(
        tag: tag,
        exchange: exchange,
        routingKey: queue,
        body: body,
        properties: MessageProperties(messageID: "message-\(tag)")
    )
}

/// The error that an operation must end with.
func failure<Value>(_ operation: () async throws(AMQPError) -> Value) async throws -> AMQPError {
    do {
        _ = try await operation()
    } catch {
        return error
    }
    throw PrivateBroker.Failure(description: "succeeded where an error was expected")
}

/// Waits until a condition holds; records an issue when it does not within the time.
func eventually(within limit: Duration = .seconds(60), _ what: Comment, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

extension ConfirmedPublisher {
    nonisolated var isBlocked: Bool {
        if case .blocked = state { true } else { false }
    }
}
