import CLibpq

/// A connection string, taken apart by libpq itself. Holds a password: never logged.
public struct ConnectionParameters: Sendable, Equatable {
    /// What the string sets, by libpq's keyword: `host`, `dbname`, …
    public let values: [String: String]
    /// The environment variable of each keyword that has one.
    private let variables: [String: String]

    /// - Parameter text: a URI, or `key=value` pairs.
    /// - Throws: ``PostgresError`` of kind `cannotConnect`, without the text: it may hold a password.
    public init(parsing text: String) throws(PostgresError) {
        var fault: UnsafeMutablePointer<CChar>?
        let options = text.withCString { PQconninfoParse($0, &fault) }
        PQfreemem(fault)
        guard let options else { throw PostgresError(.cannotConnect, detail: "the connection string cannot be read by libpq") }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var variables: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            let name = String(cString: keyword)
            if let value = option.pointee.val, value.pointee != 0 { values[name] = String(cString: value) }
            if let variable = option.pointee.envvar { variables[name] = String(cString: variable) }
            option += 1
        }
        self.values = values
        self.variables = variables
    }

    /// The same for libpq's programs, whose command line everybody on the machine can read. Keywords without a variable are left out.
    public var environment: [String: String] {
        Dictionary(uniqueKeysWithValues: values.compactMap { keyword, value in variables[keyword].map { ($0, value) } })
    }

    /// What names each server of a string that names several; one empty entry for a string that names one, or none.
    public var hosts: [[String: String]] {
        let lists = ["host", "hostaddr", "port"].map { keyword in
            values[keyword].map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
        }
        let count = max(lists[0].count, lists[1].count)
        guard count > 1 else { return [[:]] }
        return (0..<count).map { index in
            var host: [String: String] = [:]
            if index < lists[0].count { host["host"] = lists[0][index] }
            if index < lists[1].count { host["hostaddr"] = lists[1][index] }
            // One port stands for all of them. An empty one is the default within a list only: by itself, the list would stay in force.
            let ports = lists[2].map { $0.isEmpty ? "5432" : $0 }
            if ports.count == 1 { host["port"] = ports[0] } else if index < ports.count { host["port"] = ports[index] }
            return host
        }
    }
}
