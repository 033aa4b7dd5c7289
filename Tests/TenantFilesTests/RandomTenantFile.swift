import Open311

@testable import TenantFiles

/// The same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &+ 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension TenantFile {
    /// Anything that a file may say.
    static func random(using random: inout SeededGenerator) throws -> TenantFile {
        func text(_ maximum: Int) -> String {
            let pieces = [
                "a", "Z", "é", " ", ":", "#", "- ", "'", "\"", "\\", "{", "]", "&x", "*", "!", "%", "0", "true", "\u{2028}", "𝄞", "~", "|",
                ",",
            ]
            let count = Int.random(in: 1...12, using: &random)
            return String((0..<count).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &random)] }.joined().prefix(maximum))
        }
        func word() -> String { String((0..<5).map { _ in Character(Unicode.Scalar(UInt8.random(in: 97...122, using: &random))) }) }
        func perhaps<Value>(_ value: Value) -> Value? { Bool.random(using: &random) ? value : nil }
        func queue() -> TenantLimits.QueueLength {
            TenantLimits.QueueLength(
                messages: perhaps(Int.random(in: 1...1_000_000, using: &random)),
                bytes: perhaps(Int.random(in: (1 << 20)...(2 << 30), using: &random)))
        }
        func contact() throws -> TenantContact {
            let email = try EmailAddress(validating: "\(word())@\(word()).example")
            return Bool.random(using: &random) ? TenantContact(name: perhaps(text(100)), email: email) : TenantContact()
        }
        var declared = TenantDeclaration()
        declared.name = text(100)
        let count = Int.random(in: 1...3, using: &random)
        declared.jurisdictions = try (0..<count).map { try JurisdictionID(validating: "\(word())\($0).example") }
        declared.fallbackLanguages = Bool.random(using: &random) ? [.english] : []
        declared.timeZone = Bool.random(using: &random) ? "Europe/Paris" : "America/Martinique"
        declared.virtualHost = Bool.random(using: &random) ? "open311" : "/"
        declared.contact = text(100)
        declared.keyService = text(100)
        declared.contacts.technicalAdministrator = try contact()
        declared.contacts.manager = try contact()
        declared.limits.requestQueue = queue()
        declared.limits.deadQueue = queue()
        declared.limits.statusQueue = queue()
        declared.limits.connections = Int.random(in: 1...100, using: &random)
        declared.limits.channels = declared.limits.connections + Int.random(in: 0...100, using: &random)
        declared.limits.requestsPerMinute = perhaps(Int.random(in: 1...10_000_000, using: &random))
        declared.service.calendar.holidays = HolidayRegion.allCases.randomElement(using: &random) ?? .france
        declared.service.calendar.hours = ["mon-fri 08:00-18:00", "sat 09:00-12:30"].filter { _ in Bool.random(using: &random) }
            .compactMap { ServiceHours($0) }
        declared.service.calendar.closures = ["2026-12-24", "2026-12-24..2027-01-02"].filter { _ in Bool.random(using: &random) }
            .compactMap { DayRange($0) }
        declared.service.acknowledgeWithinHours = Int.random(in: 1...2_000, using: &random)
        declared.service.progressWithinDays = Int.random(in: 1...365, using: &random)
        declared.service.progressOfServices = ["LAMP 10", "Noise at night 365"].filter { _ in Bool.random(using: &random) }
            .compactMap { ServiceDelay($0) }
        declared.service.retention.months = Int.random(in: 1...24, using: &random)
        declared.service.retention.services = ["LAMP 24", "Noise at night 6"].filter { _ in Bool.random(using: &random) }
            .compactMap { RetentionPolicy.ServiceTerm($0) }
        declared.service.retention.tellsCRM = Bool.random(using: &random)
        declared.service.retention.restDays = Int.random(in: 0...90, using: &random)
        declared.credentials.slots = Int.random(in: 1...2, using: &random)
        declared.credentials.readsDeadLetters = Bool.random(using: &random)
        declared.policies.defersIdentifiers = Bool.random(using: &random)
        declared.policies.keepsUndeclaredAttributes = Bool.random(using: &random)
        declared.policies.sendsPersonalData = Bool.random(using: &random)
        if Bool.random(using: &random) {
            declared.policies.contract = .both
            declared.policies.contractSunset = Timestamp(seconds: 1_800_000_000)
        }
        declared.policies.photos.kinds = Bool.random(using: &random) ? [.png, .jpeg] : Set(PhotoType.allCases)
        declared.policies.photos.maximumBytes = perhaps(Int.random(in: 1...(1 << 31), using: &random))
        declared.policies.photos.shownDays = perhaps(30)
        declared.policies.photos.fetchesLinks = Bool.random(using: &random)
        declared.policies.photos.blurCommand = Bool.random(using: &random) ? ["/bin/blur", text(20), text(20)] : []
        var notices = DeclaredNotices()
        if Bool.random(using: &random) {
            notices.kinds = NoticeKind.chosen.filter { _ in Bool.random(using: &random) }
            notices.fromName = perhaps(text(100))
            notices.replyTo = perhaps(try EmailAddress(validating: "\(word())@\(word()).example"))
        }
        if Bool.random(using: &random) {
            notices.templates = NoticeKind.allCases.filter { _ in Bool.random(using: &random) }.map {
                DeclaredNotices.Template(kind: $0, language: .french, file: "\(word()) é.txt")
            }
        }
        var file = TenantFile(
            tenant: Bool.random(using: &random) ? .stem(word()) : .key(try TenantKey(validating: word() + "-00ff99")),
            declaration: declared,
            boundary: [.asStored, .none, .file(text(50) + ".geojson")][Int.random(in: 0..<3, using: &random)],
            catalogue: perhaps(text(50) + ".json"))
        file.notices = notices
        return file
    }
}
