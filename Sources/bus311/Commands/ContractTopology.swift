import Bus
import Foundation
import TenantFiles

/// The AsyncAPI document of a contract's folder, as a tree.
enum ContractTopology {
    /// - Returns: nil when the folder has none.
    /// - Throws: ``ContractError``.
    static func read(in folder: String) throws(ContractError) -> BrokerValue? {
        let file = URL(fileURLWithPath: folder).appendingPathComponent(TopologyComparison.file)
        guard let data = try? Data(contentsOf: file) else { return nil }
        do throws(YAMLFault) {
            return value(try YAMLReader.document(Array(data)))
        } catch {
            throw ContractError.unreadableTopology(file.path, why: "\(error)")
        }
    }

    /// Scalars as they are written: what is compared are two spellings of the same author.
    private static func value(_ node: YAMLNode) -> BrokerValue {
        switch node.content {
        case .scalar(let text, _): .text(text)
        case .sequence(let items): .list(items.map(value))
        case .mapping(let entries): .table(Dictionary(entries.map { ($0.key, value($0.value)) }, uniquingKeysWith: { first, _ in first }))
        }
    }
}
