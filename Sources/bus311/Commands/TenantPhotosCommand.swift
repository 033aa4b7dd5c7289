import API
import ArgumentParser
import Foundation
import Open311
import Storage

/// Changes what a tenant takes of photos and does with them; gateways and cleaners follow within seconds.
struct TenantPhotosCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "photos", abstract: "Show or change what a tenant takes of photos, and what becomes of them.",
        discussion: """
            Limits hold within those of the installation (media.maximumBytes, media.maximumPhotos, media.maximumPixels); the word \
            installation gives a limit back to it.
            Example: bus311 tenant photos valmont-7f3a9c --kinds jpeg,png --max-bytes 5MB --expire-days 90
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "What is taken, of jpeg, png, webp, heic, separated by commas; or all.") var kinds: String?
    @Option(help: "Of one photo, as in 5MB, 800kB or 4MiB.") var maxBytes: Limit<ByteCount>?
    @Option(help: "Of all photos of a request together, likewise.") var maxRequestBytes: Limit<ByteCount>?
    @Option(help: "Photos of a request, 0 to 20; 0 takes none.") var maxCount: Limit<Int>?
    @Option(help: "Pixels of a photo, as in 24MP or 24000000; one of more is refused by the cleaner.") var maxPixels: Limit<PixelCount>?
    @Option(help: "Days after which the address of a new photo ends to answer, 1 to 3660; or never.") var expireDays: String?
    @Option(help: "true or false: whether photos behind media_url links are copied and shown in their place.") var fetchLinks: Bool?
    @Option(help: "true or false: whether http links are followed too, and not only https.") var fetchHttp: Bool?
    @Option(
        help: """
            A program that blurs, with its arguments, separated by blanks; or none. It gets each cleaned JPEG on standard input and writes \
            a picture to standard output.
            """) var blurCommand: String?

    func run() async throws {
        try await common.administer { administration in
            let tenant = try await administration.tenant(tenant)
            let policy = try changed(tenant.policies.photos, within: administration.settings)
            if policy != tenant.policies.photos { _ = try await administration.store.setPhotoPolicy(policy, of: tenant.id) }
            let view = View(tenant.key, policy, administration.settings)
            try common.show(text: view.text, json: view)
        }
    }

    private func changed(_ policy: PhotoPolicy, within settings: Settings) throws -> PhotoPolicy {
        var policy = policy
        let ceiling = settings.photoLimits
        if let kinds { policy.kinds = try Self.kinds(kinds) }
        if let maxBytes { policy.maximumBytes = try maxBytes.checked(1...ceiling.maximumBytes, "--max-bytes", "media.maximumBytes") }
        if let maxRequestBytes {
            policy.maximumTotalBytes = try maxRequestBytes.checked(
                1...ceiling.maximumTotalBytes, "--max-request-bytes", "three times media.maximumBytes")
        }
        if let maxCount { policy.maximumCount = try maxCount.checked(0...ceiling.maximumCount, "--max-count", "media.maximumPhotos") }
        if let maxPixels { policy.maximumPixels = try maxPixels.checked(1...settings.maximumPixels, "--max-pixels", "media.maximumPixels") }
        if let expireDays {
            guard expireDays == "never" || Int(expireDays).map({ PhotoPolicy.dayRange.contains($0) }) == true else {
                throw ValidationError("--expire-days \(expireDays): give a number of days from 1 to 3660, or never.")
            }
            policy.shownDays = Int(expireDays)
        }
        if let fetchLinks { policy.fetchesLinks = fetchLinks }
        if let fetchHttp { policy.fetchesPlainHTTP = fetchHttp }
        if let blurCommand { policy.blurCommand = try Self.words(blurCommand) }
        return policy
    }

    private static func kinds(_ text: String) throws -> Set<PhotoType> {
        if text == "all" { return Set(PhotoType.allCases) }
        let kinds = try text.split(separator: ",").map { word in
            guard let kind = PhotoType(shortName: word.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError("--kinds: \(word) is none of jpeg, png, webp, heic.")
            }
            return kind
        }
        guard !kinds.isEmpty else { throw ValidationError("--kinds names none. To take no photos: --max-count 0") }
        return Set(kinds)
    }

    private static func words(_ text: String) throws -> [String] {
        if text == "none" { return [] }
        let words = text.split(separator: " ").map(String.init)
        guard let program = words.first, program.hasPrefix("/"), words.count <= PhotoPolicy.maximumWords else {
            throw ValidationError(
                "--blur-command: give the program's absolute path, as in /usr/local/bin/blur-faces, and up to "
                    + "\(PhotoPolicy.maximumWords - 1) arguments; or none.")
        }
        return words
    }

    struct View: Encodable {
        let tenant: String
        let kinds: [String]
        let max_bytes: Int
        let max_request_bytes: Int
        let max_count: Int
        let max_pixels: Int
        let expire_days: Int?
        let fetch_links: Bool
        let fetch_http: Bool
        let blur_command: [String]

        /// What is in force: the policy within the installation.
        init(_ key: TenantKey, _ policy: PhotoPolicy, _ settings: Settings) {
            let limits = settings.photoLimits.narrowed(by: policy)
            tenant = key.rawValue
            kinds = PhotoType.allCases.filter { limits.kinds.contains($0) }.map { $0.shortName.lowercased() }
            max_bytes = limits.maximumBytes
            max_request_bytes = limits.maximumTotalBytes
            max_count = limits.maximumCount
            max_pixels = min(settings.maximumPixels, policy.maximumPixels ?? .max)
            expire_days = policy.shownDays
            fetch_links = policy.fetchesLinks
            fetch_http = policy.fetchesPlainHTTP
            blur_command = policy.blurCommand
        }

        var text: String {
            [
                "tenant            \(tenant)", "kinds             \(kinds.joined(separator: ", "))", "bytes a photo     \(max_bytes)",
                "bytes a request   \(max_request_bytes)", "photos a request  \(max_count)", "pixels a photo    \(max_pixels)",
                "addresses expire  \(expire_days.map { "after \($0) days" } ?? "never")",
                "links are copied  \(fetch_links ? fetch_http ? "https and http" : "https" : "no")",
                "blur command      \(blur_command.isEmpty ? "none" : blur_command.joined(separator: " "))",
            ].joined(separator: "\n")
        }
    }
}

/// A limit, or the word that gives it back to the installation.
enum Limit<Value: ExpressibleByArgument & CountValue & Sendable>: ExpressibleByArgument, Sendable {
    case installation
    case own(Value)

    init?(argument: String) {
        if argument == "installation" {
            self = .installation
        } else if let value = Value(argument: argument) {
            self = .own(value)
        } else {
            return nil
        }
    }

    func checked(_ range: ClosedRange<Int>, _ option: String, _ ceiling: String) throws -> Int? {
        guard case .own(let value) = self else { return nil }
        guard range.contains(value.count) else {
            throw ValidationError("\(option) must be \(range.lowerBound) to \(range.upperBound), which is the installation's (\(ceiling)).")
        }
        return value.count
    }
}

protocol CountValue {
    var count: Int { get }
}

extension Int: CountValue {
    var count: Int { self }
}

/// `5MB`, `800kB`, `4MiB`, `123456`.
struct ByteCount: ExpressibleByArgument, CountValue {
    let count: Int

    init?(argument: String) {
        let units = [("kib", 1_024), ("mib", 1_048_576), ("kb", 1_000), ("mb", 1_000_000), ("b", 1), ("", 1)]
        guard let count = UnitText.number(argument, units) else { return nil }
        self.count = count
    }
}

/// `24MP`, `24000000`.
struct PixelCount: ExpressibleByArgument, CountValue {
    let count: Int

    init?(argument: String) {
        guard let count = UnitText.number(argument, [("mp", 1_000_000), ("", 1)]) else { return nil }
        self.count = count
    }
}

private enum UnitText {
    static func number(_ text: String, _ units: [(name: String, factor: Int)]) -> Int? {
        let text = text.lowercased().filter { $0 != " " }
        guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = text.dropLast(unit.name.count)
        guard !digits.isEmpty, digits.utf8.count <= 12, digits.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(digits) else {
            return nil
        }
        return value * unit.factor
    }
}
