import API
import Foundation
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import Postgres
import Storage
import TestSupport
import Testing

/// A gateway beside the shared one, with the same directory, for rows that break something or read what it logs.
struct SecondGateway {
    let base: String
    /// Everything it logged so far, at every level.
    let log: CapturedLog

    /// - Parameter hasStore: whether its database can be reached for requests; the directory always can.
    init(besides gateway: GatewayUnderTest, hasStore: Bool) async throws {
        let log = CapturedLog()
        let logger = Logger(label: "second") { _ in log }
        let port = try TestDatabase.freePort()
        let nowhere = PostgresConfiguration(connectionString: "postgresql://127.0.0.1:1/none?connect_timeout=2", applicationName: "second")
        let responder = GeoReportGateway(
            directory: gateway.directory,
            recorder: hasStore
                ? gateway.recorder : try SubmissionRecorder(configuration: nowhere, origin: Fixtures.origin, logger: logger),
            reader: hasStore ? gateway.reader : try ServiceRequestReader(configuration: nowhere, connections: 1),
            keyUses: try KeyUseRecorder(configuration: nowhere, logger: logger),
            citizenUpdates: try CitizenUpdateStore(configuration: nowhere, origin: Fixtures.origin),
            places: try PlaceStore(configuration: nowhere),
            photos: nil,
            configuration: GatewayConfiguration(publicURL: "http://127.0.0.1:\(port)/open311/v2"),
            logger: logger
        )
        // Ends with the process.
        Task {
            try await Application(
                responder: responder,
                configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
                logger: logger
            ).runService()
        }
        base = "http://127.0.0.1:\(port)/open311/v2"
        self.log = log
        let deadline = ContinuousClock.now + .seconds(60)
        while (try? await gateway.get("\(base)/discovery.json")) == nil {
            try #require(ContinuousClock.now < deadline, "the second gateway does not serve within 60 s")
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

/// A log that is kept as one text.
struct CapturedLog: LogHandler {
    private let lines = NIOLockedValueBox("")
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    var text: String { lines.withLockedValue { $0 } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.withLockedValue { $0 += "\(event.message) \(metadata) \(event.metadata ?? [:])\n" }
    }
}
