import Open311

/// A tenant as its operator wrote it down: what shall be, and where the large parts stand.
public struct TenantFile: Sendable {
    public enum Name: Sendable, Equatable {
        /// The whole key, as in `valmont-7f3a9c`.
        case key(TenantKey)
        /// Its beginning, as in `valmont`: the only tenant whose key begins so, or a new one with a random end.
        case stem(String)
    }

    public enum Territory: Sendable, Equatable {
        /// As the database has it.
        case asStored
        /// Requests are taken from anywhere.
        case none
        /// GeoJSON; a path relative to the tenant's file.
        case file(String)
    }

    public var tenant: Name
    public var declaration: TenantDeclaration
    public var boundary: Territory
    /// JSON of services; a path relative to the tenant's file. Nil leaves the catalogue as the database has it.
    public var catalogue: String?
    public var notices = DeclaredNotices()
    /// Where each field stands, for faults that only show when the database or another file is looked at.
    private(set) var lines: [String: Int] = [:]

    public init(
        tenant: Name, declaration: TenantDeclaration = TenantDeclaration(), boundary: Territory = .asStored, catalogue: String? = nil
    ) {
        self.tenant = tenant
        self.declaration = declaration
        self.boundary = boundary
        self.catalogue = catalogue
    }

    /// A fault of one of the file's fields.
    public func fault(at path: String, _ problem: String) -> TenantFileFault {
        TenantFileFault(line: lines[path] ?? 1, path: path, problem: problem)
    }

    mutating func stands(_ path: String, at line: Int) { lines[path] = line }
}

extension TenantFile: Equatable {
    /// Where something stands does not count.
    public static func == (left: TenantFile, right: TenantFile) -> Bool {
        left.tenant == right.tenant && left.declaration == right.declaration && left.boundary == right.boundary
            && left.catalogue == right.catalogue && left.notices == right.notices
    }
}

/// Something in a tenant's file that has to be corrected.
public struct TenantFileFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// From 1.
    public let line: Int
    /// The field, as in `limits.connections`; empty for the file as a whole.
    public let path: String
    public let problem: String

    public init(line: Int, path: String, problem: String) {
        self.line = line
        self.path = path
        self.problem = problem
    }

    public var description: String { "line \(line): " + (path.isEmpty ? "" : "\(path): ") + problem }
}

/// All that is wrong with a tenant's file; nothing of it was applied.
public struct TenantFileFaults: Error, Sendable, Equatable {
    /// By line.
    public let faults: [TenantFileFault]
}
