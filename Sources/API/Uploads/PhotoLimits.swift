import Open311

/// What is taken of photos: by an installation, and within that by a tenant.
public struct PhotoLimits: Sendable, Equatable {
    /// Of one photo, in bytes.
    public var maximumBytes: Int
    /// Of one request.
    public var maximumCount: Int
    /// Of all photos of one request, in bytes.
    public var maximumTotalBytes: Int
    public var kinds: Set<PhotoType>

    public init(
        maximumBytes: Int = 10_485_760, maximumCount: Int = 5, maximumTotalBytes: Int = 31_457_280,
        kinds: Set<PhotoType> = Set(PhotoType.allCases)
    ) {
        self.maximumBytes = maximumBytes
        self.maximumCount = maximumCount
        self.maximumTotalBytes = maximumTotalBytes
        self.kinds = kinds
    }

    /// These, narrowed by what a tenant has chosen; never widened.
    public func narrowed(by policy: PhotoPolicy) -> PhotoLimits {
        PhotoLimits(
            maximumBytes: min(maximumBytes, policy.maximumBytes ?? maximumBytes),
            maximumCount: min(maximumCount, policy.maximumCount ?? maximumCount),
            maximumTotalBytes: min(maximumTotalBytes, policy.maximumTotalBytes ?? maximumTotalBytes),
            kinds: kinds.intersection(policy.kinds))
    }

    // MARK: Checks, each of which names the field at fault

    /// - Parameter count: of this request's photos, this one among them.
    func check(count: Int, _ field: String, _ language: Language) throws(GeoReportError) {
        guard maximumCount > 0 else {
            throw GeoReportError(
                400, language, french: "\(field) : aucune photo n’est acceptée ici. Envoyez la demande sans photo.",
                english: "\(field): no photos are taken here. Send the request without.")
        }
        guard count <= maximumCount else {
            throw GeoReportError(
                413, language, french: "\(field) : trop de photos, \(maximumCount) au plus.",
                english: "\(field): too many photos, \(maximumCount) at most.")
        }
    }

    func check(bytes: Int, _ field: String, _ language: Language) throws(GeoReportError) {
        guard bytes <= maximumBytes else {
            throw GeoReportError(
                413, language, french: "\(field) : la photo est trop volumineuse, \(maximumBytes) octets au plus.",
                english: "\(field): the photo is too large, \(maximumBytes) bytes at most.")
        }
    }

    func check(total: Int, _ field: String, _ language: Language) throws(GeoReportError) {
        guard total <= maximumTotalBytes else {
            throw GeoReportError(
                413, language, french: "\(field) : les photos sont trop volumineuses ensemble, \(maximumTotalBytes) octets au plus.",
                english: "\(field): the photos are too large together, \(maximumTotalBytes) bytes at most.")
        }
    }

    func check(kind: PhotoType, _ field: String, _ language: Language) throws(GeoReportError) {
        guard kinds.contains(kind) else {
            let taken = PhotoType.list(kinds)
            throw GeoReportError(
                400, language, french: "\(field) : une photo \(kind.shortName) n’est pas acceptée ici. Envoyez \(taken).",
                english: "\(field): a \(kind.shortName) photo is not taken here. Send \(taken).")
        }
    }

    /// All of a request's photos, once its tenant is known for sure.
    func check(_ photos: [ReceivedPhoto], _ language: Language) throws(GeoReportError) {
        var total = 0
        for (index, received) in photos.enumerated() {
            total += received.photo.bytes
            try check(count: index + 1, received.field, language)
            try check(kind: received.photo.type, received.field, language)
            try check(bytes: received.photo.bytes, received.field, language)
            try check(total: total, received.field, language)
        }
    }
}
