import Bus
import Curl
import Foundation
import Open311
import Postgres
import PrivateServers
import Storage

/// Makes the demonstration city the first time, finds it again afterwards.
struct DemoCity {
    let home: DemoHome
    let postgres: PrivatePostgreSQL
    let broker: DemoBroker

    /// Every address and credential of the demonstration, as `.bus311/demo.json` holds them.
    struct Sheet: Codable {
        var gateway_url: String
        var status_ingest_url: String
        var health_url: String
        var tenant: String
        var jurisdiction_id: String
        var api_key: String
        var crm_token: String
        var amqp_uri: String
        /// The same over TLS, and the authority to trust.
        var amqps_uri: String?
        var ca_file: String?
        var vhost: String
        var request_queue: String
        var dead_queue: String
        var status_exchange: String
        var receipts_queue: String
        var management_url: String
        var database_url: String
        /// Of a cluster: each node's AMQP URI, plain and over TLS, each node's management API, each gateway.
        var amqp_uris: [String]?
        var amqps_uris: [String]?
        var management_urls: [String]?
        var gateway_urls: [String]?
    }

    private static let database = "bus311"
    private static let jurisdiction = "valmont.example"

    func prepare() async throws -> DemoBanner {
        try await makeDatabase()
        let owner = PostgresConfiguration(connectionString: try postgres.uri(database: Self.database), applicationName: "bus311-demo")
        _ = try await MigrationRunner(configuration: owner, directory: home.repository.appendingPathComponent("migrations").path).run()
        let passwords = try rolePasswords()
        try await RolePasswords.set(passwords, configuration: owner)
        try writeSettings(passwords)
        var sheet = try await city(owner: owner)
        if let authority = broker.authority {
            sheet.amqps_uri = DemoTLS.uri(sheet.amqp_uri, port: home.ports.amqps)
            sheet.ca_file = authority.caFile.path
        }
        addCluster(to: &sheet)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try home.writeSecret(try encoder.encode(sheet) + Data("\n".utf8), to: "demo.json")
        return DemoBanner(sheet: sheet, home: home)
    }

    private func makeDatabase() async throws {
        let connection = try PostgresConnection(
            configuration: PostgresConfiguration(connectionString: try postgres.uri(), applicationName: "bus311-demo"))
        do {
            try await connection.run { (session) throws(PostgresError) in
                try session.script("create database \(Self.database)", within: .seconds(60))
            }
        } catch  where error.sqlState == "42P04" {
            // It is there already: the second start.
        }
        await connection.close()
    }

    private func rolePasswords() throws -> [String: String] {
        let file = home.folder("roles.json")
        var passwords: [String: String] = [:]
        if let data = try? Data(contentsOf: file), let kept = try? JSONDecoder().decode([String: String].self, from: data) {
            passwords = kept
        }
        // A newer version may have more roles.
        let missing = RolePasswords.roles.filter { passwords[$0] == nil }
        guard !missing.isEmpty else { return passwords }
        for role in missing { passwords[role] = BrokerPassword.random().clearText }
        try home.writeSecret(try JSONEncoder().encode(passwords), to: "roles.json")
        return passwords
    }

    /// Kept, because links go on to open after the next start.
    private func linkSecret() throws -> String {
        if let kept = try? String(contentsOf: home.folder("links.secret"), encoding: .utf8), kept.utf8.count >= 32 { return kept }
        let secret = BrokerPassword.random().clearText
        try home.writeSecret(Data(secret.utf8), to: "links.secret")
        return secret
    }

    private func writeSettings(_ passwords: [String: String]) throws {
        func uri(_ role: String) -> String {
            "postgresql://\(role):\(passwords[role] ?? "")@127.0.0.1:\(home.ports.postgresql)/\(Self.database)"
        }
        let settings: [String: Any] = [
            "bus311": [
                // One key stands for a whole city here: the usual limit of a key would stop whoever tries the machine's speed.
                "gateway": ["port": home.ports.gateway, "url": gatewayURL, "keyLimit": 6_000_000] as [String: Any],
                "status": ["port": home.ports.statusIngest, "url": statusIngestURL],
                "health": ["port": home.ports.health],
                "media": ["directory": home.folder("media").path],
                "links": ["secret": try linkSecret()],
                "migrations": home.repository.appendingPathComponent("migrations").path,
                "database": [
                    "ingest": uri("bus311_ingest"), "gateway": uri("bus311_gateway"), "status": uri("bus311_status"),
                    "relay": uri("bus311_relay"), "watch": uri("bus311_watch"), "admin": uri("bus311_admin"),
                    "photos": uri("bus311_photos"), "mailer": uri("bus311_mailer"),
                    "owner": try postgres.uri(database: Self.database), "backup": try postgres.uri(database: Self.database),
                ],
                "broker": [
                    "relay": try broker.uri(for: .relay), "status": try broker.uri(for: .statusIngest),
                    "redrive": try broker.uri(for: .redrive), "management": broker.managementURL,
                    "provisionerUser": ServiceUser.provisioner.rawValue, "provisionerPassword": try broker.password(of: .provisioner),
                    "monitorPassword": try broker.password(of: .monitor),
                ],
            ]
        ]
        try home.writeSecret(
            try JSONSerialization.data(withJSONObject: settings, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]),
            to: "settings.json")
    }

    private var gatewayURL: String { "http://127.0.0.1:\(home.ports.gateway)/open311/v2" }
    private var statusIngestURL: String { "http://127.0.0.1:\(home.ports.statusIngest)" }

    private func city(owner: PostgresConfiguration) async throws -> Sheet {
        let store = try AdministrationStore(configuration: owner)
        let credentials = BasicAuthentication(
            user: ServiceUser.provisioner.rawValue, password: try broker.password(of: .provisioner))
        // A demonstration starts on any machine: its queues stay small.
        let provisioner = Provisioner(
            broker: BrokerAdministration(
                client: try HTTPClient(name: "bus311-demo"), baseURL: broker.managementURL, credentials: credentials),
            overcommits: true)
        let known = (try? Data(contentsOf: home.folder("demo.json"))).flatMap { try? JSONDecoder().decode(Sheet.self, from: $0) }
        let jurisdiction = try JurisdictionID(validating: Self.jurisdiction)
        let existing = try await store.tenants().first { $0.jurisdictions.contains(jurisdiction) }
        let tenant: Tenant
        if let existing { tenant = existing } else { tenant = try await newTenant(store, jurisdiction) }
        // Only the first: what somebody published since stays.
        if try await store.services(of: tenant.id).isEmpty {
            let path = home.repository.appendingPathComponent("examples/demo-catalogue.json").path
            try await store.setCatalogue(
                try CatalogueFile.loaded(from: path, languages: tenant.languages), of: tenant.id, by: "bus311 demo")
        }
        _ = try await provisioner.applyInstallation(virtualHost: tenant.virtualHost)
        _ = try await provisioner.apply(BusTenant(tenant))
        let topology = Topology(tenant: tenant.key)
        if let known, known.tenant == tenant.key.rawValue, existing != nil {
            await store.close()
            var sheet = known
            sheet.gateway_url = gatewayURL
            sheet.status_ingest_url = statusIngestURL
            sheet.health_url = "http://127.0.0.1:\(home.ports.health)"
            sheet.management_url = broker.managementURL
            sheet.database_url = try postgres.uri(database: Self.database)
            if let at = sheet.amqp_uri.lastIndex(of: "@") {
                sheet.amqp_uri = sheet.amqp_uri[...at] + "127.0.0.1:\(home.ports.amqp)/\(tenant.virtualHost)"
            }
            return sheet
        }
        let apiKey = try await store.createKey(kind: .apiKey, tenant: tenant.id, label: "demonstration app", expiresAt: nil)
        let crmToken = try await store.createKey(kind: .crmToken, tenant: tenant.id, label: "demonstration CRM", expiresAt: nil)
        try? await provisioner.revokeCredential(BusTenant(tenant), slot: .a)
        let amqp = try await provisioner.issueCredential(BusTenant(tenant), slot: .a)
        try await store.credentialIssued(CredentialSlot.a.rawValue, of: tenant.id)
        await store.close()
        return Sheet(
            gateway_url: gatewayURL, status_ingest_url: statusIngestURL, health_url: "http://127.0.0.1:\(home.ports.health)",
            tenant: tenant.key.rawValue, jurisdiction_id: Self.jurisdiction, api_key: apiKey.reveal(), crm_token: crmToken.reveal(),
            amqp_uri: "amqp://\(amqp.user):\(amqp.password.clearText)@127.0.0.1:\(home.ports.amqp)/\(tenant.virtualHost)",
            vhost: tenant.virtualHost, request_queue: topology.requestQueue, dead_queue: topology.deadQueue,
            status_exchange: topology.statusExchange, receipts_queue: topology.receiptsQueue, management_url: broker.managementURL,
            database_url: try postgres.uri(database: Self.database))
    }

    private func addCluster(to sheet: inout Sheet) {
        guard broker.cluster != nil else { return }
        let login = sheet.amqp_uri.prefix { $0 != "@" }
        sheet.amqp_uris = broker.addresses.map { "\(login)@\($0)/\(sheet.vhost)" }
        let plain = sheet.amqp_uri
        sheet.amqps_uris = broker.nodes.compactMap { $0.ports.amqps }.compactMap { DemoTLS.uri(plain, port: $0) }
        sheet.management_urls = broker.nodes.map(\.managementURL)
        sheet.gateway_urls = [1, 2].map { "http://127.0.0.1:\(home.ports.gateway($0))/open311/v2" }
    }

    private func newTenant(_ store: AdministrationStore, _ jurisdiction: JurisdictionID) async throws -> Tenant {
        let suffix = String(UInt32.random(in: 0..<0x100_0000) + 0x100_0000, radix: 16).suffix(6)
        return try await store.createTenant(
            NewTenant(
                key: try TenantKey(validating: "valmont-\(suffix)"), name: "Ville de Valmont", jurisdictions: [jurisdiction],
                language: .french, timeZone: "Europe/Paris", virtualHost: PrivateRabbitMQ.vhost,
                contact: "Mairie de Valmont, open311@valmont.example",
                keyService: "Demandez une clé / ask for a key: open311@valmont.example"))
    }
}

/// What to do next.
struct DemoBanner {
    let sheet: DemoCity.Sheet
    let home: DemoHome

    /// Of a cluster: its nodes, to be stopped and lost one at a time.
    private var cluster: String {
        guard let gateways = sheet.gateway_urls, let nodes = sheet.management_urls else { return "" }
        let listed = nodes.enumerated().map { index, url in
            "\n          node \(index + 1)          \(url) (end it: kill $(cut -d' ' -f1 \(home.root.path)/rabbitmq/node-\(index + 1)/rabbitmq.pid))"
        }
        return "\n          gateways        \(gateways.joined(separator: ", "))" + listed.joined()
    }

    var banner: String {
        """

        Bus311 runs: the demonstration city is \(sheet.tenant), jurisdiction \(sheet.jurisdiction_id).
          GeoReport       \(sheet.gateway_url)
          status-ingest   \(sheet.status_ingest_url)
          health, metrics \(sheet.health_url)/health/ready
          broker          \(sheet.management_url) (rabbitmqctl: \(home.root.path)/rabbitmq/bin/rabbitmqctl)
          everything else \(home.root.path)/demo.json, logs \(home.root.path)/\(sheet.amqp_uris == nil ? "bus311.log" : "*.log")\(cluster)

        Three commands to try, in another terminal:

        1. post a service request
          curl -s \(sheet.gateway_url)/requests.json -d jurisdiction_id=\(sheet.jurisdiction_id) -d api_key=\(sheet.api_key) \\
            -d service_code=LAMP -d lat=43.6 -d long=3.2 --data-urlencode 'description=Lampadaire éteint'

        2. watch the city's queue, as its CRM would
          amqp-consume --url='\(sheet.amqp_uri)' -q \(sheet.request_queue) cat

        3. send a status back (put the service_request_id of step 1 in place of ID)
          curl -s -X PUT \(sheet.status_ingest_url)/v1/service-requests/ID/updates/1 -H 'Authorization: Bearer \(sheet.crm_token)' \\
            -H 'Content-Type: application/json' -d '{"status":"closed","status_notes":"Réparé"}'

        Ctrl-C stops everything.
        """
    }
}
