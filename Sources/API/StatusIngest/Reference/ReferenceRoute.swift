import HTTPTypes
import Open311

/// What can be asked of reference data, below `/v1/reference-data`.
enum ReferenceRoute: Equatable {
    /// Every kind, and what is live of it.
    case kinds
    /// The live document.
    case document(ReferenceKind)
    case versions(ReferenceKind)
    case version(ReferenceKind, Int32)
    case difference(ReferenceKind, Int32)
    case publication(ReferenceKind, Int32)
    case rollback(ReferenceKind)

    /// - Parameter words: of the path, after `v1/reference-data`.
    init?(_ words: some Collection<Substring>) {
        let words = Array(words)
        guard let first = words.first else {
            self = .kinds
            return
        }
        guard let kind = ReferenceKind(pathName: first), kind.rules != nil else { return nil }
        let number = words.count > 2 ? Self.number(words[2]) : nil
        switch (words.count, words.count > 1 ? words[1] : "", words.count > 3 ? words[3] : "") {
        case (1, _, _): self = .document(kind)
        case (2, "versions", _): self = .versions(kind)
        case (2, "rollback", _): self = .rollback(kind)
        case (3, "versions", _):
            guard let number else { return nil }
            self = .version(kind, number)
        case (4, "versions", "difference"):
            guard let number else { return nil }
            self = .difference(kind, number)
        case (4, "versions", "publication"):
            guard let number else { return nil }
            self = .publication(kind, number)
        default: return nil
        }
    }

    private static func number(_ text: Substring) -> Int32? {
        guard text.utf8.count <= 9, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int32(text), number > 0 else {
            return nil
        }
        return number
    }

    var methods: [HTTPRequest.Method] {
        switch self {
        case .kinds, .versions, .version, .difference: [.get]
        // A boundary is one whole: no part of it can be changed.
        case .document(let kind): kind.entryKey == nil ? [.get, .put] : [.get, .put, .patch]
        case .publication: [.post, .delete]
        case .rollback: [.post]
        }
    }

    /// What may follow the path after a question mark. What would say nothing there is refused: whoever sends it means something by it.
    func parameters(of method: HTTPRequest.Method) -> [String] {
        switch self {
        case .kinds, .version: []
        case .document: method == .get ? [] : ["dry_run", "publish_at", "draft", "note"]
        case .versions: ["limit", "below"]
        case .difference: ["from"]
        case .publication: method == .delete ? [] : ["publish_at", "draft"]
        case .rollback: ["dry_run", "note"]
        }
    }
}
