/// The rows of a table in CSV (RFC 4180), as spreadsheets of any country write it: separated by `;`, `,` or tabs, which the first row
/// tells; a first line `sep=;` is passed over.
public struct Table: Sendable, Equatable {
    public static let maximumRows = 100_000
    public static let maximumColumns = 500

    /// The first row, without spaces around its names.
    public let columns: [String]
    /// The others, without those that are empty; each as long as the first.
    public let rows: [Row]
    /// What is wrong with the table as such. The other rows can be read all the same, so that their faults are told at once with these.
    public let faults: [ReferenceFault]

    public struct Row: Sendable, Equatable {
        /// From 1, the first row counted, as RFC 7111 counts.
        public let number: Int
        public let cells: [String]
        /// Its cells are not what they should be: of its content nothing can be said.
        public var isBroken = false
    }

    /// - Parameter charset: of the bytes, as the sender names it; nil for UTF-8.
    /// - Throws: ``ReferenceFaults`` when its rows or columns cannot be told.
    public init(csv bytes: [UInt8], charset: String? = nil) throws(ReferenceFaults) {
        var reader = TableReader(try TableText.text(bytes, charset: charset))
        let records = try reader.records()
        guard let first = records.first else {
            throw ReferenceFaults([ReferenceFault("", "The table is empty: its first row names the columns.")])
        }
        if let fault = first.fault { throw ReferenceFaults([fault] + records.dropFirst().compactMap(\.fault)) }
        var columns = first.cells.map { CleanText.singleSpaced($0) }
        while columns.last == "" { columns.removeLast() }
        guard columns.count <= Self.maximumColumns else {
            throw ReferenceFaults([ReferenceFault("#row=1", "There are \(columns.count) columns, \(Self.maximumColumns) at most.")])
        }
        var faults: [ReferenceFault] = []
        for (index, name) in columns.enumerated() where name.isEmpty || columns[..<index].contains(name) {
            faults.append(
                ReferenceFault(
                    "#cell=1,\(index + 1)", name.isEmpty ? "A column has no name." : "The column “\(name.prefix(64))” occurs twice."))
        }
        var rows: [Row] = []
        for record in records.dropFirst() where record.fault != nil || record.cells.contains(where: { !$0.isEmpty }) {
            var isBroken = false
            if let fault = record.fault {
                isBroken = true
                faults.append(fault)
            } else if record.cells.dropFirst(columns.count).contains(where: { !$0.isEmpty }) {
                isBroken = true
                faults.append(
                    ReferenceFault(
                        "#row=\(record.number)",
                        "Row \(record.number) has \(record.cells.count) cells, and there are \(columns.count) columns: is a quotation mark missing?"
                    ))
            }
            let cells = record.cells.prefix(columns.count)
            rows.append(
                Row(
                    number: record.number, cells: cells + [String](repeating: "", count: columns.count - cells.count),
                    isBroken: isBroken))
        }
        self.faults = faults
        self.columns = columns
        self.rows = rows
    }
}

private struct TableReader {
    struct Record {
        let number: Int
        var cells: [String]
        /// That ends it: its further cells are not known.
        var fault: ReferenceFault?
    }

    private var bytes: [UInt8]
    private var position = 0
    private let separator: UInt8

    init(_ text: String) {
        var bytes = Array(text.utf8)
        var separator: UInt8?
        if bytes.starts(with: Array("sep=".utf8)), bytes.count >= 5 {
            separator = bytes[4]
            bytes = Array(bytes.drop { $0 != 10 }.dropFirst())
        }
        self.bytes = bytes
        self.separator = separator ?? Self.separator(of: bytes)
    }

    /// The one of the three that the first row has most of, outside of quotation marks.
    private static func separator(of bytes: [UInt8]) -> UInt8 {
        var counts: [UInt8: Int] = [:]
        var isQuoted = false
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if isQuoted { continue }
            if byte == 10 || byte == 13 { break }
            if byte == UInt8(ascii: ";") || byte == UInt8(ascii: ",") || byte == 9 { counts[byte, default: 0] += 1 }
        }
        let order: [UInt8] = [UInt8(ascii: ";"), UInt8(ascii: ","), 9]
        return order.max { (counts[$0] ?? 0, -Int($0 == 59 ? 0 : $0)) < (counts[$1] ?? 0, -Int($1 == 59 ? 0 : $1)) } ?? UInt8(ascii: ",")
    }

    mutating func records() throws(ReferenceFaults) -> [Record] {
        var records: [Record] = []
        while position < bytes.count {
            guard records.count < Table.maximumRows else {
                throw ReferenceFaults([ReferenceFault("#row=\(records.count + 1)", "There are more than \(Table.maximumRows) rows.")])
            }
            records.append(record(records.count + 1))
        }
        return records
    }

    private mutating func record(_ number: Int) -> Record {
        var record = Record(number: number, cells: [])
        while true {
            let start = position
            do throws(ReferenceFaults) { record.cells.append(try cell(number, record.cells.count + 1)) } catch {
                record.fault = error.listed.first
                // A quotation mark that was forgotten ends no later than its own line: the next rows are read as rows again.
                position = start
                endLine()
                return record
            }
            guard record.cells.count <= 4 * Table.maximumColumns else {
                record.fault = ReferenceFault("#row=\(number)", "Row \(number) has more than \(4 * Table.maximumColumns) cells.")
                endLine()
                return record
            }
            guard position < bytes.count else { return record }
            if bytes[position] == separator {
                position += 1
                continue
            }
            endLine()
            return record
        }
    }

    /// Passes over what is left of the line, and its end: carriage return, line feed, or both.
    private mutating func endLine() {
        while position < bytes.count, bytes[position] != 10, bytes[position] != 13 { position += 1 }
        if position + 1 < bytes.count, bytes[position] == 13, bytes[position + 1] == 10 { position += 1 }
        position = min(position + 1, bytes.count)
    }

    private mutating func cell(_ row: Int, _ column: Int) throws(ReferenceFaults) -> String {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            let start = position
            while position < bytes.count, bytes[position] != separator, bytes[position] != 10, bytes[position] != 13 { position += 1 }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            guard byte == UInt8(ascii: "\"") else {
                text.append(byte)
                continue
            }
            if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                text.append(byte)
                position += 1
                continue
            }
            guard position == bytes.count || bytes[position] == separator || bytes[position] == 10 || bytes[position] == 13 else {
                throw ReferenceFaults([
                    ReferenceFault(
                        "#cell=\(row),\(column)", "Row \(row), cell \(column): something comes after the closing quotation mark.")
                ])
            }
            return String(decoding: text, as: UTF8.self)
        }
        throw ReferenceFaults([ReferenceFault("#cell=\(row),\(column)", "Row \(row), cell \(column): the quotation mark is never closed.")])
    }
}

/// Writes CSV as a spreadsheet in France opens it: UTF-8 with its mark, separated by semicolons.
public struct TableWriter {
    public private(set) var bytes: [UInt8] = [0xEF, 0xBB, 0xBF]

    public init() {}

    public mutating func row(_ cells: [String]) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ";")) }
            let needsQuotes =
                cell.utf8.contains { $0 == 10 || $0 == 13 || $0 == 9 || "\";,".utf8.contains($0) } || cell.hasPrefix(" ")
                || cell.hasSuffix(" ")
            guard needsQuotes else {
                bytes.append(contentsOf: cell.utf8)
                continue
            }
            bytes.append(UInt8(ascii: "\""))
            for byte in cell.utf8 {
                if byte == UInt8(ascii: "\"") { bytes.append(byte) }
                bytes.append(byte)
            }
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(contentsOf: [13, 10])
    }
}
