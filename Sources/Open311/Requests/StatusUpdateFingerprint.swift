import Crypto

enum StatusUpdateFingerprint {
    static func of(_ update: StatusUpdate) -> [UInt8] {
        let status: String? =
            switch update.status {
            case .detailed(let status): status.description
            case .general(let word): word.rawValue
            case nil: nil
            }
        let parts: [String?] = [
            update.namesItsMoment ? String(update.occurredAt.microseconds) : nil, status, update.statusNotes, update.agencyResponsible,
            update.expectedAt.map { String($0.microseconds) }, update.serviceNotice, update.externalReference,
        ]
        var hash = SHA256()
        // Lengths in front, absence apart from emptiness: no two updates give the same bytes.
        for part in parts { hash.update(data: Array((part.map { "\($0.utf8.count):\($0)" } ?? "-").utf8)) }
        return Array(hash.finalize())
    }
}
