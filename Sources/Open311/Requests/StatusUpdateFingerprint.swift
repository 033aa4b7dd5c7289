import Crypto

enum StatusUpdateFingerprint {
    static func of(_ update: StatusUpdate) -> [UInt8] {
        // What the mapping made of a code may change; what the CRM said may not.
        let status = update.statusCode == nil ? update.status?.text : nil
        var parts: [String?] = [
            update.namesItsMoment ? String(update.occurredAt.microseconds) : nil, status, update.notesAreMapped ? nil : update.statusNotes,
            update.agencyResponsible, update.expectedAt.map { String($0.microseconds) }, update.serviceNotice, update.externalReference,
        ]
        let later: [(String, String?)] = [
            ("code", update.statusCode), ("internal", update.internalNotes), ("merged", update.mergedInto.map { "\($0)" }),
            ("ack", update.isAcknowledgement ? "true" : nil), ("sequence", update.sourceSequence.map { String($0) }),
            ("erasure", update.erasure.map { "\($0.outcome.rawValue) \($0.reason ?? "")" }),
        ]
        // Named, and absent when not said: what was kept before there were these is the same still.
        for (name, value) in later { if let value { parts += [name, value] } }
        var hash = SHA256()
        // Lengths in front, absence apart from emptiness: no two updates give the same bytes.
        for part in parts { hash.update(data: Array((part.map { "\($0.utf8.count):\($0)" } ?? "-").utf8)) }
        return Array(hash.finalize())
    }
}
