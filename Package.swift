// swift-tools-version: 6.1
import PackageDescription

/// The house, one target a room. Who may import whom is the table in docs/architecture.md; ArchitectureTests holds this file to it.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let locks = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// What vendors download from the gateway: links into docs/contract, each under a name of its own.
let contractFiles = [
    "asyncapi.yaml",
    "bus.ping.1.0.json",
    "reference_data.refresh_requested.1.0.json",
    "service_request.created.1.0.json",
    "service_request.created.1.1.json",
    "service_request.created.1.2.json",
    "service_request.created.2.0.json",
    "service_request.created.2.1.json",
    "service_request.created.2.2.json",
    "service_request.erased.1.0.json",
    "service_request.media_added.1.0.json",
    "service_request.media_added.1.1.json",
    "service_request.moderated.1.0.json",
    "service_request.moderated.1.1.json",
    "service_request.moderated.2.0.json",
    "service_request.moderated.2.1.json",
    "service_request.updated.1.0.json",
    "service_request.updated.1.1.json",
    "service_request.updated.2.0.json",
    "service_request.updated.2.1.json",
    "status_update.1.0.json",
    "status_update.1.1.json",
    "status_update.1.2.json",
    "status_update.accepted.1.0.json",
    "status_update.rejected.1.0.json",
]

let package = Package(
    name: "bus311",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "bus311", targets: ["bus311"])],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.12.3"..<"5.0.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // C fences
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(name: "CRabbitMQ", linkerSettings: ["rabbitmq", "ssl", "crypto"].map { .linkedLibrary($0) }),

        // Generic clients: know nothing of Open311
        library("ConnectionThread", [locks]),
        library("Postgres", ["CLibpq", "ConnectionThread", locks, log]),
        library("AMQP", ["CRabbitMQ", "ConnectionThread", locks, log]),
        library("Curl", ["CCurl", "ConnectionThread", locks, log]),

        // The product
        library("Open311", [crypto]),
        library("TenantFiles", ["CYaml", "Open311"]),
        library("Storage", ["Open311", "Postgres", "Curl", log, locks, crypto]),
        library("Bus", ["Open311", "Storage", "AMQP", "Curl", log, metrics, lifecycle, locks, crypto]),
        .target(
            name: "API", dependencies: ["Open311", "Storage", "CZlib", hummingbird, log, metrics, crypto, locks],
            resources: ["openapi.json", "status-ingest.json", "linked-data.json", "try.html", "try.js", "try.css"]
                .map { .embedInCode("OpenAPI/\($0)") } + contractFiles.map { .embedInCode("Contract/\($0)") }, swiftSettings: settings),
        library("Operations", ["Open311", "Storage", "Bus", "Curl", log, metrics, lifecycle, crypto]),
        library("PrivateServers", [crypto, locks]),
        .executableTarget(
            name: "bus311",
            dependencies: [
                "API", "Bus", "Operations", "Storage", "Open311", "TenantFiles", "Postgres", "AMQP", "Curl", "PrivateServers",
                hummingbird, log, metrics, lifecycle, crypto, locks,
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: settings
        ),

        // The CRM's side in Swift, for vendors to copy
        .executableTarget(
            name: "example-consumer", dependencies: ["AMQP", locks], path: "examples/consumers/swift", exclude: ["stored"],
            swiftSettings: settings),

        // What `make bench` measures against
        .executableTarget(
            name: "bare-route", dependencies: [hummingbird, .product(name: "NIOCore", package: "swift-nio")],
            path: "Tests/Benchmarks/BareRoute", swiftSettings: settings),
        .executableTarget(name: "plain-amqp", path: "Tests/Benchmarks/PlainAMQP", linkerSettings: [.linkedLibrary("rabbitmq")]),

        // Tests
        library("TestSupport", ["PrivateServers", "Open311", "Storage", "Postgres", "AMQP", "Bus", "Curl", locks]),
        tests("TestSupportTests", ["TestSupport", locks]),
        tests("ConnectionThreadTests", ["ConnectionThread"]),
        tests("AMQPTests", ["AMQP"]),
        tests("AMQPIntegrationTests", ["AMQP"]),
        tests("PostgresTests", ["Postgres"]),
        tests("PostgresIntegrationTests", ["Postgres", "PrivateServers", locks]),
        tests("CurlTests", ["Curl", locks]),
        tests("Open311Tests", ["Open311", "TestSupport"]),
        tests("TenantFilesTests", ["TenantFiles", "Open311"]),
        tests("APITests", ["API", "Open311"]),
        tests("ArchitectureTests", []),
        .testTarget(
            name: "EndToEndTests", dependencies: ["TestSupport", "bus311", "example-consumer"], exclude: ["Scripts"],
            swiftSettings: settings),
        tests(
            "AccidentTests",
            ["TestSupport", "bus311", "AMQP", "Bus", "Curl", "Open311", "PrivateServers", "Storage", log, locks]),
        tests("StorageTests", ["Storage", "Open311", "Curl", crypto]),
        tests("StorageIntegrationTests", ["Storage", "Operations", "Open311", "Postgres", "TestSupport", log]),
        .testTarget(
            name: "ConformanceIntegrationTests",
            dependencies: ["API", "Storage", "Operations", "Open311", "Postgres", "Curl", "TestSupport", hummingbird, log, locks],
            exclude: ["Clients"],
            swiftSettings: settings),
        tests("OperationsTests", ["Operations", "Curl", "Open311", "Storage", crypto]),
        tests("BusTests", ["Bus", "Open311", "Storage", "AMQP", crypto]),
        tests("BusIntegrationTests", ["Bus", "Open311", "Curl", "AMQP", "PrivateServers"]),
        tests("PrivateServersTests", ["PrivateServers"]),
        tests("PrivateServersIntegrationTests", ["PrivateServers"]),
    ]
)

// Only for `make fuzz`: the whole build would need the fuzzer's runtime. Its folder links to the parsers' own files.
if Context.environment["BUS311_FUZZ"] == "1" {
    package.targets.append(
        .executableTarget(
            name: "fuzz-parsers",
            dependencies: ["Open311", .product(name: "NIOCore", package: "swift-nio")],
            path: "Tests/Fuzz", exclude: ["seeds"],
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
}

// Only for `make test-sanitize`: the C clients with their tests, so that a sanitizer builds a tenth of the product.
if Context.environment["BUS311_SANITIZE"] == "1" {
    let clients = ["ConnectionThread", "Postgres", "AMQP"]
    let kept = Set(clients + ["CLibpq", "CRabbitMQ", "PrivateServers"] + clients.flatMap { ["\($0)Tests", "\($0)IntegrationTests"] })
    package.targets.removeAll { !kept.contains($0.name) }
    package.products = []
    package.dependencies.removeAll { dependency in
        guard case .sourceControl(_, let location, _) = dependency.kind else { return false }
        return !["swift-nio", "swift-log", "swift-crypto"].contains { location.hasSuffix($0) }
    }
}
