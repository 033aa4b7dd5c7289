/// A status mapping as a table: a row for each code.
enum StatusMappingTable {
    private static let columns = ["code", "status", "status_notes"]

    /// Keyed by code, with the cell behind each part, so that the tree is a patch too (``ReferencePatch``).
    static func tree(_ table: Table, language: Language) throws(ReferenceFaults) -> PlacedTree {
        var builder = TableBuilder(table: table, language: language, plain: Set(columns), texts: [])
        guard let key = table.columns.firstIndex(of: "code") else {
            throw ReferenceFaults([ReferenceFault("#row=1", "There is no column code. Known: \(columns.joined(separator: ", ")).")])
        }
        for row in table.rows {
            let code = CleanText.singleSpaced(row.cells[key])
            guard !code.isEmpty else {
                builder.fault(row, key, "code is empty.")
                continue
            }
            builder.begin([code], row, key)
            builder.fill([code], row, Set(columns))
        }
        return builder.finished()
    }

    /// - Parameter document: in the canonical form.
    static func csv(_ document: JSONValue) -> [UInt8] {
        var writer = TableWriter()
        writer.row(columns)
        for entry in document.array ?? [] { writer.row(columns.map { entry[$0]?.string ?? "" }) }
        return writer.bytes
    }
}
