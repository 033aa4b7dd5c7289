import Foundation
import FoundationXML

/// An XML document as bare elements; attributes and namespaces are kept only to be found missing.
struct XMLTree: Equatable, Sendable {
    let name: String
    let attributes: [String]
    let hasNamespace: Bool
    let children: [XMLTree]
    /// Of a leaf.
    let text: String

    init(_ bytes: [UInt8]) throws {
        let document = try XMLDocument(data: Data(bytes))
        guard let root = document.rootElement() else { throw CocoaError(.propertyListReadCorrupt) }
        self.init(root)
    }

    private init(_ element: XMLElement) {
        name = element.name ?? ""
        attributes = (element.attributes ?? []).compactMap(\.name)
        hasNamespace = !(element.namespaces ?? []).isEmpty || element.uri?.isEmpty == false
        children = (element.children ?? []).compactMap { $0 as? XMLElement }.map(XMLTree.init)
        text = children.isEmpty ? element.stringValue ?? "" : ""
    }

    /// The first child of that name.
    subscript(name: String) -> XMLTree? { children.first { $0.name == name } }

    func all(_ name: String) -> [XMLTree] { children.filter { $0.name == name } }

    /// Whether this element and all below are bare names.
    var isBare: Bool { attributes.isEmpty && !hasNamespace && children.allSatisfy(\.isBare) }

    /// Whether it says what the JSON value says, by GeoReport's convention: list items lose their names, leaves become text.
    func says(_ json: JSON) -> Bool {
        if let items = json.array {
            return items.count == children.count && zip(children, items).allSatisfy { $0.says($1) }
        }
        if let members = json.object {
            return Set(members.keys).isSuperset(of: children.map(\.name))
                && members.allSatisfy { member, value in self[member].map { $0.says(value) } ?? (value.isNull || value.array == []) }
        }
        guard children.isEmpty, let wanted = json.leafText else { return false }
        // Numbers may be written in several ways.
        if let number = json.number { return Double(text) == number }
        return wanted == text
    }
}
