/// A tree that was made from a table, with the cell behind each of its parts.
public struct PlacedTree: Sendable {
    /// Lists are objects of key to entry, in the order of the table.
    public let keyed: JSONValue
    /// By path: `/POTHOLE/attributes/depth`.
    fileprivate let cells: [String: Cell]

    /// A cell or row, and what it is called.
    fileprivate struct Cell {
        let row: Int
        let pointer: String
        let text: String
    }

    /// Of the table itself, in its order: cells that could not be taken. What they would have said is missing from the tree.
    let faults: [ReferenceFault]
    /// Rows that could not be read: what is missing because of them is no fault of its own.
    fileprivate let brokenRows: Set<Int>
    /// What has no row of its own, by path, and why the row that it was found in is none.
    fileprivate let borrowed: [String: String]

    /// The same tree with other values in its entries; where they come from stays.
    func mapping(_ transform: (JSONValue) -> JSONValue) -> PlacedTree {
        PlacedTree(
            keyed: .object((keyed.object ?? []).map { .init($0.name, transform($0.value)) }), cells: cells, faults: faults,
            brokenRows: brokenRows,
            borrowed: borrowed)
    }

    /// The tree with its lists as arrays, as a document has them.
    ///
    /// - Parameter key: of the entries.
    public func document(key: String) -> JSONValue { ReferencePatch.merge(.array([]), with: keyed, key: key) }

    /// A fault of the document that was made of the tree, with the cell in place of the pointer.
    ///
    /// - Parameters:
    ///   - document: to find an entry's key by its position.
    ///   - paths: of its kind.
    /// - Returns: with a path by keys where no cell is behind it; nil for what follows from a row that could not be read.
    func placed(_ fault: ReferenceFault, in document: JSONValue, _ paths: KeyedPath) -> ReferenceFault? {
        // Of the whole: there would be more in it, were all rows read.
        if fault.pointer.isEmpty, !brokenRows.isEmpty, document.array?.isEmpty == true { return nil }
        let keyed = paths.path(fault.pointer, in: document)
        var path = keyed
        while !path.isEmpty {
            if let cell = cells[path] {
                let remedy = borrowed[path].map { " " + $0 } ?? ""
                return brokenRows.contains(cell.row) ? nil : ReferenceFault(cell.pointer, "\(cell.text): \(fault.text)\(remedy)")
            }
            path = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        }
        return ReferenceFault(keyed, fault.text)
    }
}

/// Makes a tree of a table, cell by cell.
struct TableBuilder {
    private let table: Table
    private let language: Language
    private var columns: [String: Int] = [:]
    /// Column, first part of its name, language.
    private var localized: [(index: Int, name: String, language: String)] = []
    private var root = Node()
    private var cells: [String: PlacedTree.Cell] = [:]
    private var begun: [String: PlacedTree.Cell] = [:]
    private var borrowed: [String: String] = [:]
    /// Numbers of rows that say once more what a row above has said.
    private var doubled: Set<Int> = []
    private var faults: [ReferenceFault]

    /// Objects under construction, whose members keep their order.
    private final class Node {
        var names: [String] = []
        var children: [String: Node] = [:]
        var value: JSONValue?

        func child(_ name: String) -> Node {
            if let child = children[name] { return child }
            let child = Node()
            children[name] = child
            names.append(name)
            return child
        }

        var tree: JSONValue {
            value ?? .object(names.map { JSONValue.Member($0, children[$0]?.tree ?? .null) })
        }
    }

    /// - Parameters:
    ///   - plain: columns that hold one value.
    ///   - texts: columns that come once for each language, or once without.
    init(table: Table, language: Language, plain: Set<String>, texts: Set<String>) {
        self.table = table
        self.language = language
        faults = table.faults
        // What has no name, or that of a column before, is told by the table.
        for (index, column) in table.columns.enumerated() where !column.isEmpty && !table.columns[..<index].contains(column) {
            let parts = column.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if plain.contains(column) {
                columns[column] = index
            } else if let first = parts.first, texts.contains(first) {
                localized.append((index, first, parts.count > 1 ? parts[1] : language.rawValue))
            } else {
                let known = (plain.sorted() + texts.sorted().map { $0 + "." + language.rawValue }).joined(separator: ", ")
                faults.append(ReferenceFault("#cell=1,\(index + 1)", "The column “\(column.prefix(64))” is unknown. Known: \(known)."))
            }
        }
    }

    func column(_ name: String) -> Int? { columns[name] }

    /// Nil when the cell is empty, or there is no such column.
    func text(_ row: Table.Row, _ name: String) -> String? {
        guard let index = columns[name] else { return nil }
        let text = CleanText.singleSpaced(row.cells[index])
        return text.isEmpty ? nil : text
    }

    mutating func fault(_ row: Table.Row, _ column: Int?, _ text: String) {
        guard !row.isBroken else { return }
        let place = place(row, column)
        faults.append(ReferenceFault(place.pointer, "\(place.text): \(text)"))
    }

    private func place(_ row: Table.Row, _ column: Int?) -> PlacedTree.Cell {
        guard let column else {
            return PlacedTree.Cell(row: row.number, pointer: "#row=\(row.number)", text: "Row \(row.number)")
        }
        return PlacedTree.Cell(
            row: row.number, pointer: "#cell=\(row.number),\(column + 1)", text: "Row \(row.number), column \(table.columns[column])")
    }

    private func node(_ path: [String]) -> Node { path.reduce(root) { $0.child($1) } }

    private static func pointer(_ path: [String]) -> String { path.map { JSONPointer.step($0) }.joined() }

    /// Opens an entry; a second row of the same one is a fault, and nothing more is taken from it: it would hide what the first one says.
    ///
    /// - Parameter outer: what is to be said of an entry around it that turns out to have no row of its own, by the length of its path.
    mutating func begin(_ path: [String], _ row: Table.Row, _ column: Int?, outer remedies: [Int: String] = [:]) {
        _ = node(path)
        let place = place(row, column)
        let pointer = Self.pointer(path)
        if let before = begun[pointer] {
            doubled.insert(row.number)
            return fault(row, column, "“\((path.last ?? "").prefix(64))” occurs twice: it stands above already (\(before.text)).")
        }
        begun[pointer] = place
        cells[pointer] = place
        borrowed[pointer] = nil
        // What it stands in may have no row of its own.
        for length in 1..<path.count {
            let outer = Self.pointer(Array(path.prefix(length)))
            if cells[outer] == nil {
                cells[outer] = place
                borrowed[outer] = remedies[length]
            }
        }
    }

    /// Takes the cells of these columns that are not empty; others must be.
    ///
    /// - Parameter kind: of the row, for people; what to do with a cell that says nothing there.
    mutating func fill(
        _ path: [String], _ row: Table.Row, _ names: Set<String>, of kind: String = "such a row", remedy: String = "leave the cell empty"
    ) {
        guard !doubled.contains(row.number) else { return }
        for name in names.sorted() {
            guard let index = columns[name], let text = text(row, name) else { continue }
            let own = path + [name]
            cells[Self.pointer(own)] = place(row, index)
            node(own).value = value(name, text, row, index)
        }
        for (index, name, tag) in localized {
            let text = row.cells[index]
            guard !CleanText.singleSpaced(text).isEmpty else { continue }
            guard names.contains(name) else {
                fault(row, index, "\(name) says nothing in \(kind): \(remedy).")
                continue
            }
            let own = path + [name, tag]
            cells[Self.pointer(own)] = place(row, index)
            node(own).value = .string(text)
        }
        for name in columns.keys.sorted() where !names.contains(name) && !["service_code", "attribute", "value"].contains(name) {
            if let index = columns[name], text(row, name) != nil {
                fault(row, index, "\(name) says nothing in \(kind): \(remedy).")
            }
        }
    }

    private static let yes: Set<String> = ["true", "yes", "oui", "vrai", "1", "x"]
    private static let no: Set<String> = ["false", "no", "non", "faux", "0"]

    private mutating func value(_ name: String, _ text: String, _ row: Table.Row, _ index: Int) -> JSONValue {
        switch name {
        case "keywords":
            return .array(
                text.split { $0 == "," || $0 == "|" }.map { .string(CleanText.singleSpaced(String($0))) }.filter { $0 != .string("") })
        case "variable", "required":
            let word = text.lowercased()
            if Self.yes.contains(word) { return .bool(true) }
            if Self.no.contains(word) { return .bool(false) }
            fault(row, index, "“\(text.prefix(32))” is neither true nor false (oui, non).")
            return .bool(false)
        case "order":
            guard let number = Double(text), number.isFinite else {
                fault(row, index, "“\(text.prefix(32))” is no whole number.")
                return .number(1)
            }
            return .number(number)
        default: return .string(text)
        }
    }

    func finished() -> PlacedTree {
        PlacedTree(
            keyed: root.tree, cells: cells, faults: faults, brokenRows: Set(table.rows.filter(\.isBroken).map(\.number)),
            borrowed: borrowed)
    }
}
