import Open311
import Postgres

extension SubmissionBatch {
    private struct PhotoRow {
        let entry: Entry
        let position: Int16
        let token: PhotoToken
        /// Nil for a link that is copied later.
        let photo: SubmittedPhoto?
        let link: String?
    }

    /// Photos first, then the links that are copied.
    static func photos(_ entries: [Entry]) -> [Parameter] {
        let all = entries.flatMap { entry -> [PhotoRow] in
            let (photos, links) = (entry.item.submission.photos, entry.item.submission.copiedLinks)
            return photos.enumerated().map {
                PhotoRow(entry: entry, position: Int16(clamping: $0 + 1), token: $1.token, photo: $1, link: nil)
            }
                + links.enumerated().map {
                    PhotoRow(entry: entry, position: Int16(clamping: photos.count + $0 + 1), token: $1.token, photo: nil, link: $1.url)
                }
        }
        return [
            .int64s(all.map(\.entry.request.rawValue)), .int32s(all.map(\.entry.item.tenant.id.rawValue)),
            .int16s(all.map(\.position)), .texts(all.map(\.token.text)), .texts(all.map { $0.photo?.type.rawValue }),
            .int32s(all.map { Int32(clamping: $0.photo?.bytes ?? 0) }), .byteStrings(all.map { $0.photo?.sha256 }),
            .doubles(all.map { $0.photo?.metadata.position?.latitude }), .doubles(all.map { $0.photo?.metadata.position?.longitude }),
            .texts(all.map { $0.photo?.metadata.takenAt }), .texts(all.map(\.entry.item.submission.clientReference?.key)),
            .int16s(all.map { Int16(clamping: $0.photo?.metadata.orientation ?? 0) }),
            .timestamps(all.map { $0.entry.item.submission.photosExpireAt?.microseconds }), .texts(all.map(\.link)),
        ]
    }
}
