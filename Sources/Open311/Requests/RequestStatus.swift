/// GeoReport's two values.
public enum PublicStatus: String, Sendable, CaseIterable {
    case open, closed
}

/// CitySDK's general statuses, which the state machine moves between.
public enum GeneralStatus: String, Sendable, CaseIterable {
    /// Entered, not yet confirmed by its author.
    case pending = "PENDING"
    /// Arrived, nothing done.
    case received = "RECEIVED"
    /// Being handled.
    case inProcess = "IN_PROCESS"
    /// Resolved.
    case processed = "PROCESSED"
    /// Refused: a duplicate, or nothing the city can solve.
    case rejected = "REJECTED"
    /// Resolved and put away; final.
    case archived = "ARCHIVED"

    /// What GeoReport says of it.
    public var publicStatus: PublicStatus {
        switch self {
        case .pending, .received, .inProcess: .open
        case .processed, .rejected, .archived: .closed
        }
    }

    /// How far a request has come: nothing leads back to an earlier rank. Within one rank every move is legal: work is begun, done,
    /// refused and begun again.
    public var rank: Int {
        switch self {
        case .pending: 0
        case .received: 1
        case .inProcess, .processed, .rejected: 2
        case .archived: 3
        }
    }

    /// Where it may go. Staying where it is is always allowed: a note or a date may change alone.
    ///
    /// Whatever can be reached by several moves can be reached by one: an update whose predecessor is still on its way is judged as
    /// it will be when that has come.
    public var successors: Set<GeneralStatus> { Set(Self.allCases.filter { $0 != self && $0.rank >= rank }) }
}

/// A request's status: a general value, then the tokens of finer states (`IN_PROCESS,PUBLIC_WORKS_NEW`; CitySDK reference 1.7).
public struct DetailedStatus: Sendable, Equatable, CustomStringConvertible {
    public let general: GeneralStatus
    /// Each `[A-Z0-9_]{1,64}`; at most 8, no two alike.
    public let refinements: [String]

    public init(_ general: GeneralStatus, refinements: [String] = []) {
        self.general = general
        self.refinements = refinements
    }

    /// Reads a comma-separated list without regard to case; what is said twice counts once.
    ///
    /// - Throws: ``InvalidValue`` when the first is no general status, or a token has another form.
    public init(validating text: String) throws(InvalidValue) {
        // Almost every stored one is this, and a list reads a thousand of them.
        if let general = GeneralStatus(rawValue: text) {
            self.init(general)
            return
        }
        let tokens = text.split(separator: ",").map { $0.drop { $0 == " " }.uppercased().trimmingSuffix(" ") }
        guard let first = tokens.first, let general = GeneralStatus(rawValue: first) else {
            throw InvalidValue(
                name: "status",
                problem: "must be open, closed, or begin with one of \(GeneralStatus.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let refinements = Array(tokens.dropFirst())
        let isToken = { (token: String) in
            (1...64).contains(token.utf8.count)
                && token.utf8.allSatisfy { (65...90).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_") }
        }
        guard refinements.count <= 8, refinements.allSatisfy(isToken) else {
            throw InvalidValue(name: "status", problem: "may be refined by at most 8 tokens of letters, digits and underscores")
        }
        var distinct: [String] = []
        for token in refinements where token != first && !distinct.contains(token) { distinct.append(token) }
        self.init(general, refinements: distinct)
    }

    /// The refinement that says another thing than ``general``: another general status, or GeoReport's other word (CitySDK reference 1.7).
    public var contradiction: String? {
        refinements.first { token in
            GeneralStatus(rawValue: token) != nil || PublicStatus(rawValue: token.lowercased()).map { $0 != publicStatus } ?? false
        }
    }

    public var description: String { ([general.rawValue] + refinements).joined(separator: ",") }
    public var publicStatus: PublicStatus { general.publicStatus }
}

/// A move that the state machine refuses.
public struct IllegalTransition: Error, Sendable, Equatable, CustomStringConvertible {
    public let from: GeneralStatus
    public let to: GeneralStatus

    public var description: String {
        let allowed = from.successors.map(\.rawValue).sorted()
        let remedy = allowed.isEmpty ? "\(from.rawValue) is final" : "from \(from.rawValue) it may go to \(allowed.joined(separator: ", "))"
        return "status cannot go from \(from.rawValue) to \(to.rawValue): \(remedy)"
    }
}

extension DetailedStatus {
    /// - Throws: ``IllegalTransition`` unless `next` stays or is a legal successor.
    public func checkMove(to next: DetailedStatus) throws(IllegalTransition) {
        guard next.general == general || general.successors.contains(next.general) else {
            throw IllegalTransition(from: general, to: next.general)
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self[...]
        while text.last == character { text.removeLast() }
        return String(text)
    }
}
