import Testing

/// Everything that talks to a real broker. One at a time: some tests freeze it.
@Suite("Against a private RabbitMQ", .serialized, .enabled(if: PrivateBroker.isAvailable), .timeLimit(.minutes(3)))
enum BrokerTests {}
