import Foundation
import Open311

extension TenantFileField {
    /// Every field, in the order of an export. A new policy is one line here: reading, writing, comparing and the JSON Schema
    /// follow from it (`make` the schema anew with `bus311 tenant schema`).
    static let all: [TenantFileField] =
        identity + people + limits + credentials + policies + photos + time + retention + notices + [catalogue]

    private static let identity: [TenantFileField] = [
        TenantFileField.text(
            "tenant", "The tenant's key, or its beginning: a new tenant gets six random hexadecimal digits after it.", \.tenant,
            pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", maximum: 40, parse: parseName, write: writeName
        ).isMandatory,
        TenantFileField.text("name", "What people call it.", \.declaration.name).isMandatory,
        TenantFileField.texts(
            "jurisdictions", "Its jurisdiction_id values; the first is the one that messages name.", \.declaration.jurisdictions,
            count: 1...50,
            parse: { (text) throws(Problem) in try checked { () throws(InvalidValue) in try JurisdictionID(validating: text) } },
            write: { $0.rawValue }
        ).isMandatory,
        .text(
            "language", "The language of its texts; fr when it is not said.", \.declaration.language, maximum: 20, parse: parseLanguage,
            write: { $0.rawValue }),
        .texts(
            "fallback_languages", "Where a text missing in the wanted language is looked for next.", \.declaration.fallbackLanguages,
            count: 0...10, parse: parseLanguage, write: { $0.rawValue }),
        .text(
            "time_zone", "IANA time zone; Europe/Paris when it is not said.", \.declaration.timeZone, maximum: 60,
            parse: { (text) throws(Problem) in
                guard TimeZone(identifier: text) != nil else {
                    throw Problem(text: "\(YAMLReader.shown(text)) is no IANA time zone, as in Europe/Paris")
                }
                return text
            }, write: { $0 }),
        .text(
            "virtual_host", "The broker's virtual host; open311, which tenants share, when it is not said.", \.declaration.virtualHost,
            pattern: "^[A-Za-z0-9._/-]{1,100}$", maximum: 100,
            parse: { (text) throws(Problem) in
                guard
                    text.utf8.allSatisfy({
                        $0 == 45 || $0 == 46 || $0 == 47 || $0 == 95 || (48...57).contains($0) || (97...122).contains($0 | 32)
                    })
                else { throw Problem(text: "must be letters, digits, and . _ / - only, as in city-x") }
                return text
            }, write: { $0 }),
        .text("contact", "How citizens' apps reach the operator (discovery).", \.declaration.contact, maximum: 500),
        .text("key_service", "How to get an API key (discovery).", \.declaration.keyService, maximum: 500),
    ]

    private static let people: [TenantFileField] = [
        .text(
            "contacts.technical_administrator.name", "Who runs the CRM's connection.", \.declaration.contacts.technicalAdministrator.name,
            parse: { $0 }, write: { $0 }),
        .text(
            "contacts.technical_administrator.email", "Where that person is reached.", \.declaration.contacts.technicalAdministrator.email,
            maximum: 254, parse: parseEmail, write: { $0?.rawValue }),
        .text("contacts.manager.name", "Who answers for the tenant.", \.declaration.contacts.manager.name, parse: { $0 }, write: { $0 }),
        .text(
            "contacts.manager.email", "Where that person is reached.", \.declaration.contacts.manager.email, maximum: 254,
            parse: parseEmail, write: { $0?.rawValue }),
    ]

    // The ceilings of queues are the operator policy's: more would not come into force.
    private static let messages = 1...1_000_000
    private static let bytes = (1 << 20)...(2 << 30)

    private static let limits: [TenantFileField] = [
        .number(
            "limits.request_queue.messages", "Messages that may wait for the CRM; 200000 when it is not said.",
            \.declaration.limits.requestQueue.messages, in: messages),
        .size(
            "limits.request_queue.bytes", "Bytes that may wait for the CRM; 512MiB when it is not said.",
            \.declaration.limits.requestQueue.bytes, in: bytes),
        .number(
            "limits.dead_queue.messages", "Dead letters that are kept; 50000 when it is not said.", \.declaration.limits.deadQueue.messages,
            in: messages),
        .size(
            "limits.dead_queue.bytes", "Bytes of dead letters; 256MiB when it is not said.", \.declaration.limits.deadQueue.bytes, in: bytes
        ),
        .number(
            "limits.status_queue.messages", "Statuses that may wait; 50000 when it is not said.", \.declaration.limits.statusQueue.messages,
            in: messages),
        .size(
            "limits.status_queue.bytes", "Bytes of statuses; 64MiB when it is not said.", \.declaration.limits.statusQueue.bytes, in: bytes),
        .number(
            "limits.connections", "AMQP connections of each user at a time; 5 when it is not said.", \.declaration.limits.connections,
            in: 1...1_000),
        .number(
            "limits.channels", "AMQP channels of each user at a time; 25 when it is not said.", \.declaration.limits.channels,
            in: 1...10_000),
        .number(
            "limits.api_requests_per_minute",
            "Requests a minute of all its API keys together; without it each key has the gateway's limit only.",
            \.declaration.limits.requestsPerMinute, in: 1...10_000_000),
    ]

    private static let credentials: [TenantFileField] = [
        .number(
            "credentials.slots", "How many of the two AMQP users are in use when nothing is being rotated; 1 when it is not said.",
            \.declaration.credentials.slots, in: 1...2),
        .flag(
            "credentials.reads_dead_letters", "Whether the CRM may consume its own dead letters.",
            \.declaration.credentials.readsDeadLetters),
    ]

    private static let policies: [TenantFileField] = [
        .choice(
            "policies.identifiers", "immediate: apps get the id; tokens: a token until the CRM knows the request.",
            \.declaration.policies.defersIdentifiers, [("immediate", false), ("tokens", true)]),
        .number(
            "policies.tokens_wait_minutes", "Minutes after which a token is answered our own id; only the CRM does when it is not said.",
            \.declaration.policies.lifecycle.tokenMinutes, in: LifecyclePolicy.tokenRange),
        .choice(
            "policies.undeclared_attributes", "Attributes that a service does not declare.",
            \.declaration.policies.keepsUndeclaredAttributes, [("keep", true), ("refuse", false)]),
        .flag("policies.personal_data", "Whether messages to the CRM name the reporter.", \.declaration.policies.sendsPersonalData),
        .choice(
            "policies.contract", "The major version of the contract that messages are sent in; both while the CRM changes over.",
            \.declaration.policies.contract, [("1", .one), ("both", .both), ("2", .two)]),
        .text(
            "policies.contract_sunset", "With contract: both, when version 1 ends, as in 2027-11-25T00:00:00Z.",
            \.declaration.policies.contractSunset, maximum: 40,
            parse: { (text) throws(Problem) in
                guard let moment = Timestamp(parsing: text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) is no date and time, as in 2027-11-25T00:00:00Z")
                }
                return moment
            }, write: { $0?.iso8601 }),
        .text(
            "policies.boundary", "GeoJSON file of the territory, or none to take positions from anywhere; as it is when it is not said.",
            \.boundary, maximum: 1_000, parse: { $0 == "none" ? .none : .file($0) },
            write: { territory in
                switch territory {
                case .asStored: nil
                case .none: "none"
                case .file(let path): path
                }
            }),
    ]

    private static let photoBytes = 1...(1 << 31)

    /// What is not said is as the installation has it, and nothing goes beyond that.
    private static let photos: [TenantFileField] = [
        .texts(
            "policies.photos.kinds", "What is taken: JPEG, PNG, WebP, HEIC.", \.declaration.policies.photos.kindList,
            count: 1...4,
            parse: { (text) throws(Problem) in
                guard let kind = PhotoType(shortName: text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) is none of JPEG, PNG, WebP, HEIC")
                }
                return kind
            }, write: { $0.shortName }),
        .size(
            "policies.photos.maximum_bytes", "Of one photo.", \.declaration.policies.photos.maximumBytes, in: photoBytes),
        .size(
            "policies.photos.maximum_request_bytes", "Of all photos of a request.",
            \.declaration.policies.photos.maximumTotalBytes, in: photoBytes),
        .number(
            "policies.photos.maximum_count", "Photos of a request; 0 takes none.", \.declaration.policies.photos.maximumCount,
            in: PhotoPolicy.countRange),
        .number(
            "policies.photos.maximum_pixels", "A photo of more is refused by the cleaner.",
            \.declaration.policies.photos.maximumPixels, in: 1...1_000_000_000),
        .number(
            "policies.photos.shown_days", "Days for which a photo's address answers; as long as the request is kept when it is not said.",
            \.declaration.policies.photos.shownDays, in: PhotoPolicy.dayRange),
        .flag(
            "policies.photos.fetch_links", "Whether photos behind media_url links are copied and shown in their place.",
            \.declaration.policies.photos.fetchesLinks),
        .flag(
            "policies.photos.fetch_http", "Whether http links are followed too, and not only https.",
            \.declaration.policies.photos.fetchesPlainHTTP),
        .texts(
            "policies.photos.blur_command", "A program and its arguments that every cleaned photo passes; empty for none.",
            \.declaration.policies.photos.blurCommand, count: 0...PhotoPolicy.maximumWords, repeats: true, parse: { $0 }, write: { $0 }),
    ]

    private static let time: [TenantFileField] = [
        .choice(
            "calendar.holidays", "Public holidays on which delays do not count; france when it is not said.",
            \.declaration.service.calendar.holidays, HolidayRegion.allCases.map { ($0.rawValue, $0) }),
        .texts(
            "calendar.service_hours", "When the CRM must be connected, as in mon-fri 08:00-18:00; day and night when it is not said.",
            \.declaration.service.calendar.hours, count: 0...14,
            parse: { (text) throws(Problem) in
                guard let hours = ServiceHours(text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) are no hours, as in mon-fri 08:00-18:00 or sat 09:00-12:00")
                }
                return hours
            }, write: { $0.description }),
        .texts(
            "calendar.closures", "Days on which nobody works, as in 2026-12-24 or 2026-12-24..2027-01-02.",
            \.declaration.service.calendar.closures, count: 0...100,
            parse: { (text) throws(Problem) in
                guard let range = DayRange(text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) are no days, as in 2026-12-24 or 2026-12-24..2027-01-02")
                }
                return range
            }, write: { $0.description }),
        .number(
            "delays.acknowledge_hours", "Hours of open days within which the CRM says that it has a request; 24 when it is not said.",
            \.declaration.service.acknowledgeWithinHours, in: 1...2_000),
        .number(
            "delays.progress_days", "Open days within which a request moves; 30 when it is not said.",
            \.declaration.service.progressWithinDays, in: ServiceDelay.dayRange),
        .texts(
            "delays.services", "Services whose requests move within another time, in open days, as in LAMP 10.",
            \.declaration.service.delayList, count: 0...200,
            parse: { (text) throws(Problem) in
                guard let delay = ServiceDelay(text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) is no service_code with its days, 1 to 365, as in LAMP 10")
                }
                return delay
            }, write: { $0.description }),
    ]

    private static let retention: [TenantFileField] = [
        .number(
            "retention.months", "Months after which the person behind a request is forgotten; 12 when it is not said.",
            \.declaration.service.retention.months, in: RetentionPolicy.monthRange),
        .texts(
            "retention.services", "Services whose requests are kept for another time, in months, as in NOISE 6.",
            \.declaration.service.retention.serviceList, count: 0...200,
            parse: { (text) throws(Problem) in
                guard let term = RetentionPolicy.ServiceTerm(text) else {
                    throw Problem(
                        text: "\(YAMLReader.shown(text)) is no service_code with its months, 1 to 24, as in NOISE 6")
                }
                return term
            }, write: { $0.description }),
        .flag(
            "retention.tell_crm", "Whether the CRM gets service_request.erased when a request's time is over; true when it is not said.",
            \.declaration.service.retention.tellsCRM),
        .number(
            "retention.rest_days", "Days after which the request's row goes, too, in which nobody is any more; 30 when it is not said.",
            \.declaration.service.retention.restDays, in: RetentionPolicy.restRange),
    ]

    private static let notices: [TenantFileField] = [
        .texts(
            "notices.kinds",
            "What citizens with an address are written of: received, accepted, done, rejected; empty for nothing. Notices stay as they are when it is not said.",
            \.notices.kinds, count: 0...NoticeKind.chosen.count,
            parse: { (text) throws(Problem) in
                guard let kind = NoticeKind(rawValue: text), NoticeKind.chosen.contains(kind) else {
                    throw Problem(
                        text: "\(YAMLReader.shown(text)) is none of \(NoticeKind.chosen.map(\.rawValue).joined(separator: ", "))")
                }
                return kind
            }, write: { $0.rawValue }, order: { chosen in NoticeKind.chosen.filter(chosen.contains) }),
        .text(
            "notices.from_name", "With kinds: shown in place of the sender's address; the tenant's name when it is not said.",
            \.notices.fromName, parse: { $0 }, write: { $0 }),
        .text(
            "notices.reply_to", "With kinds: where answers go; the sender's address when it is not said.", \.notices.replyTo, maximum: 254,
            parse: parseEmail, write: { $0?.rawValue }),
        .texts(
            "notices.templates",
            "Words of the city's own, each with kind, language and a file beside this one, as in done fr done-fr.txt; they stay as they are when it is not said, and go when they are not in the list.",
            \.notices.templates, count: 0...200,
            parse: { (text) throws(Problem) in
                guard let template = DeclaredNotices.Template(text) else {
                    throw Problem(text: "\(YAMLReader.shown(text)) must be kind, language and file, as in done fr done-fr.txt")
                }
                return template
            }, write: { $0.description }),
    ]

    private static let catalogue = TenantFileField.text(
        "catalogue", "JSON file of services, beside this one; the catalogue stays as it is when it is not said.", \.catalogue,
        maximum: 1_000, parse: { $0 }, write: { $0 })

    // MARK: Rules

    private static func checked<Value>(_ make: () throws(InvalidValue) -> Value) throws(Problem) -> Value {
        do { return try make() } catch { throw Problem(text: error.problem) }
    }

    private static func parseLanguage(_ text: String) throws(Problem) -> Language {
        guard let language = Language(parsing: text) else {
            throw Problem(text: "\(YAMLReader.shown(text)) is no language tag, as in fr or nl-BE")
        }
        return language
    }

    private static func parseEmail(_ text: String) throws(Problem) -> EmailAddress? {
        try checked { () throws(InvalidValue) in try EmailAddress(validating: text) }
    }

    private static func parseName(_ text: String) throws(Problem) -> TenantFile.Name {
        if let key = try? TenantKey(validating: text) { return .key(key) }
        // Any suffix will do: the rest of the rule is the key's own.
        guard (try? TenantKey(validating: text + "-000000")) != nil else {
            throw Problem(
                text:
                    "must be lower-case letters and digits in words joined by hyphens, 33 characters at most, as in valmont or valmont-7f3a9c"
            )
        }
        return .stem(text)
    }

    private static func writeName(_ name: TenantFile.Name) -> String? {
        switch name {
        case .key(let key): key.rawValue
        case .stem(let stem): stem.isEmpty ? nil : stem
        }
    }
}

extension RetentionPolicy {
    /// By code, each once, as the database has them: the last one counts.
    fileprivate var serviceList: [ServiceTerm] {
        get { services }
        set {
            let last = Dictionary(newValue.map { ($0.code.rawValue, $0) }, uniquingKeysWith: { _, last in last })
            services = last.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

extension ServiceTerms {
    /// By code, each once, as the database has them: the last one counts.
    fileprivate var delayList: [ServiceDelay] {
        get { progressOfServices }
        set {
            let last = Dictionary(newValue.map { ($0.code.rawValue, $0) }, uniquingKeysWith: { _, last in last })
            progressOfServices = last.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

extension PhotoPolicy {
    /// In the order of the type's cases.
    fileprivate var kindList: [PhotoType] {
        get { PhotoType.allCases.filter { kinds.contains($0) } }
        set { kinds = Set(newValue) }
    }
}
