import HTTPTypes
import Hummingbird
import Open311
import Storage

/// What a call about reference data says beside its body.
struct ReferenceQuery {
    /// Only say what would change.
    var isDryRun = false
    var moment = ReferenceMoment.now
    /// For people; up to 500 characters.
    var note: String?
    var limit: Int32 = 100
    var below: Int32 = .max
    /// The version to compare with.
    var from: Int32?

    /// - Parameters:
    ///   - text: what follows the question mark; nil without one.
    ///   - names: of the parameters that say something here.
    init(_ text: String?, knowing names: [String]) throws(Problem) {
        let given: FormFields
        do {
            given = try text.map { (text) throws(FormError) in try FormReader.fields(Array(text.utf8)) } ?? FormFields()
        } catch {
            throw Problem(400, "invalid-parameter", "Invalid parameter", "The query string cannot be read: check its percent-encoding.")
        }
        var faults: [StatusUpdateFault.Member] = []
        func fault(_ name: String, _ text: String) { faults.append(.init(pointer: "?" + name, text: text)) }
        var seen: Set<String> = []
        let fields = FormFields(given.all.filter { names.contains($0.name) })
        for (name, value) in given.all {
            if !names.contains(name) {
                let known = names.isEmpty ? "None is." : "Known: \(names.joined(separator: ", "))."
                fault(CleanText.withoutControls(String(name.prefix(64))), "This parameter is not known here. \(known)")
            } else if !seen.insert(name).inserted {
                fault(name, "\(name) occurs twice.")
            } else if value.isEmpty, name != "note" {
                // Of a variable that was never set: to pass over it would publish at once what was to wait.
                fault(name, "\(name) is empty: give it a value, or leave it out.")
            }
        }
        func flag(_ name: String) -> Bool {
            guard let text = fields[name] else { return false }
            if text != "true", text != "false" { fault(name, "\(name) must be true or false.") }
            return text == "true"
        }
        func number(_ name: String, _ range: ClosedRange<Int32>) -> Int32? {
            guard let text = fields[name] else { return nil }
            guard let number = Int32(text), range.contains(number) else {
                fault(name, "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).")
                return nil
            }
            return number
        }
        isDryRun = flag("dry_run")
        if flag("draft") { moment = .never }
        if let text = fields["publish_at"] {
            if let at = Timestamp(parsing: text), at < Timestamp.now.adding(days: 36_600) {
                if moment == .never { fault("draft", "draft and publish_at contradict each other.") }
                moment = .at(at)
            } else {
                fault("publish_at", "publish_at must be a date and time within a hundred years, as in 2027-01-01T00:00:00Z.")
            }
        }
        if let text = fields["note"] {
            let clean = CleanText.withoutControls(text)
            if CleanText.isLonger(clean, than: 500) { fault("note", "note is too long: 500 characters at most.") }
            note = clean
        }
        limit = number("limit", 1...1_000) ?? limit
        below = number("below", 1...Int32.max) ?? below
        from = number("from", 1...Int32.max)
        guard faults.isEmpty else {
            throw Problem(
                400,
                StatusUpdateFault(
                    "invalid-parameter", "Invalid parameter", "Nothing was changed: correct the parameters listed.", members: faults))
        }
    }
}

/// What a caller knows of the live version (RFC 9110, 13.1).
struct ReferencePrecondition {
    private let matches: [String]?
    private let mustBeNew: Bool

    init(_ request: Request) {
        matches = request.headers[.ifMatch].map { header in
            header.split(separator: ",").map { String($0.drop { $0 == " " }.prefix { $0 != " " }) }
        }
        mustBeNew = request.headers[.ifNoneMatch]?.filter { $0 != " " } == "*"
    }

    var isThere: Bool { matches != nil || mustBeNew }

    /// - Throws: 412 when the live version is another than the caller knows.
    func check(_ live: ReferenceVersion?, _ kind: ReferenceKind) throws(Problem) {
        if let matches, !matches.contains(where: { $0 == "*" ? live != nil : $0 == live?.entityTag }) {
            throw Self.stale(live?.number, kind)
        }
        if mustBeNew, live != nil { throw Self.stale(live?.number, kind) }
    }

    static func stale(_ live: Int32?, _ kind: ReferenceKind) -> Problem {
        Problem(
            412, "stale-version", "Another version is live",
            live.map {
                "Version \($0) of \(kind.pathName) is live, not the one that you name: read it, make your change again, and send its ETag."
            }
                ?? "No version of \(kind.pathName) is live: leave If-Match out.")
    }
}
