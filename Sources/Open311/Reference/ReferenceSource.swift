/// A document as somebody sends it: what its bytes are, and whether they are the whole or a part.
public struct ReferenceSource: Sendable {
    /// Of a document as it is sent.
    public static let maximumBytes = 16_777_216

    public enum Format: Sendable, Equatable {
        case json
        /// - Parameter charset: as the sender names it; nil for UTF-8.
        case csv(charset: String?)

        /// From a `Content-Type` header: JSON is `application/json` and whatever ends with `+json`, as for updates. Nil for a type that is
        /// not taken.
        public init?(contentType: String) {
            if StatusUpdateForm.fault(type: contentType, encoding: nil) == nil {
                self = .json
                return
            }
            let parts = contentType.split(separator: ";").map { $0.filter { $0 != " " } }
            switch parts.first?.lowercased() {
            case "text/csv":
                let charset = parts.dropFirst().first { $0.lowercased().hasPrefix("charset=") }
                self = .csv(charset: charset.map { $0.dropFirst(8).filter { $0 != "\"" } }.map { String($0) })
            default: return nil
            }
        }
    }

    private let kind: ReferenceKind
    private let rules: any ReferenceRules.Type
    private let value: JSONValue
    private let tree: PlacedTree?

    /// - Throws: ``ReferenceFaults`` when it cannot be read at all.
    public init(_ bytes: [UInt8], _ format: Format, kind: ReferenceKind, tenant: Tenant) throws(ReferenceFaults) {
        guard bytes.count <= Self.maximumBytes else {
            throw ReferenceFaults([ReferenceFault("", "The document may have \(Self.maximumBytes) bytes at most.")])
        }
        guard let rules = kind.rules else { throw ReferenceFaults([ReferenceFault("", "\(kind.pathName) is not taken here.")]) }
        self.kind = kind
        self.rules = rules
        switch format {
        case .json:
            tree = nil
            do { value = try JSONReader.value(bytes) } catch {
                throw ReferenceFaults([ReferenceFault("", "The body is no JSON: \(error).")])
            }
        case .csv(let charset):
            guard let read = rules.table else { throw ReferenceFaults([ReferenceFault("", "\(kind.pathName) is no table: send JSON.")]) }
            let made = try read(try Table(csv: bytes, charset: charset), tenant)
            tree = made
            value = made.keyed
        }
    }

    /// The document as a whole.
    public func whole() -> ReferenceCandidate {
        guard let tree, let key = kind.entryKey else { return ReferenceCandidate(document: value, rules: rules) }
        return ReferenceCandidate(document: tree.document(key: key), rules: rules, tree: tree, keys: (key, nil, nil))
    }

    /// What is live, changed by the document as a part of it.
    ///
    /// - Parameter live: nil when there is none yet.
    public func patched(_ live: JSONValue?) throws(ReferenceFaults) -> ReferenceCandidate {
        guard let key = kind.entryKey else {
            throw ReferenceFaults([ReferenceFault("", "\(kind.pathName) is one whole: send all of it with PUT.")])
        }
        guard value.object != nil else {
            throw ReferenceFaults([
                ReferenceFault(
                    "",
                    "A part is an object of \(key) to what changes, as in {\"CODE\": {…}}; null takes an entry out. This is \(value.kindName)."
                )
            ])
        }
        return ReferenceCandidate(
            document: ReferencePatch.merge(live ?? .array([]), with: value, key: key), rules: rules, tree: tree,
            keys: tree == nil ? (key, value, live) : (key, nil, nil))
    }
}

/// A whole document that is not checked yet, with the places of what its sender wrote.
public struct ReferenceCandidate: Sendable {
    public let document: JSONValue
    fileprivate let rules: any ReferenceRules.Type
    fileprivate var tree: PlacedTree?
    /// Nil where what was sent is the document itself: a pointer into the one is a pointer into the other.
    fileprivate var keys: (key: String, part: JSONValue?, live: JSONValue?)?

    /// - Parameter others: what other documents say against it, with pointers into ``document``.
    /// - Throws: ``ReferenceFaults`` with every fault that the document itself has, and those.
    public func checked(of tenant: Tenant, with others: [ReferenceFault] = []) throws(ReferenceFaults) -> CheckedReference {
        let (unread, others) = (tree?.faults ?? [], placed(others))
        let checked: CheckedReference
        do { checked = try rules.check(document, of: tenant) } catch {
            let own = placed(error.listed)
            throw ReferenceFaults(
                unread + own + others, of: unread.count + error.count - error.listed.count + own.count + others.count)
        }
        guard unread.isEmpty, others.isEmpty else { throw ReferenceFaults(unread + others) }
        return CheckedReference(value: checked.value, advice: placed(checked.advice))
    }

    /// Faults of the document with their places in what was sent: the cell of a table, the path by keys of a part.
    public func placed(_ faults: [ReferenceFault]) -> [ReferenceFault] {
        guard let keys, !faults.isEmpty else { return faults }
        let paths = KeyedPath(key: keys.key, part: keys.part, live: keys.live)
        guard let tree else { return faults.map { ReferenceFault(paths.path($0.pointer, in: document), $0.text) } }
        return faults.compactMap { tree.placed($0, in: document, paths) }
    }
}
