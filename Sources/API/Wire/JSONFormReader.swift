import Foundation
import Open311

/// Reads a JSON object as the form it stands for: members are fields, arrays are repetitions, and the answers to a service's
/// questions stand under their own names (`"attribute[depth]"`) or together in an object `attribute` or `attributes`.
enum JSONFormReader {
    /// More brackets than this are no form but an attack on the parser's stack.
    private static let maximumBrackets = 1_000

    static func fields(_ bytes: [UInt8]) throws(FormError) -> FormFields {
        guard bytes.count(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") }) <= maximumBrackets,
            let parsed = try? JSONSerialization.jsonObject(with: Data(bytes)), let members = parsed as? [String: Any]
        else { throw .malformedJSON("the body must be one JSON object in UTF-8") }
        var fields = FormFields()
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            if name == "attribute" || name == "attributes", let answers = value as? [String: Any] {
                for (code, answer) in answers.sorted(by: { $0.key < $1.key }) { try append(answer, as: "attribute[\(code)]", to: &fields) }
            } else {
                try append(value, as: name, to: &fields)
            }
        }
        return fields
    }

    private static func append(_ value: Any, as name: String, to fields: inout FormFields) throws(FormError) {
        for element in value as? [Any] ?? [value] {
            guard fields.count < FormReader.maximumFields else { throw .tooManyFields(maximum: FormReader.maximumFields) }
            switch element {
            case is NSNull: continue
            case let text as String: fields.append(name: name, value: text)
            case let number as NSNumber: fields.append(name: name, value: text(number))
            default: throw .malformedJSON("\(name.prefix(100)) must be a text, a number, true, false, null, or an array of them")
            }
        }
    }

    private static func text(_ number: NSNumber) -> String {
        // JSON numbers come as wider types: this one is a boolean.
        if String(cString: number.objCType) == "c" { return number.boolValue ? "true" : "false" }
        if let whole = Int64(exactly: number.doubleValue) { return String(whole) }
        // With its exponent, where no plain decimal has it: then whatever wants a decimal refuses it.
        return abs(number.doubleValue) < 1e15 ? DecimalForm.text(number.doubleValue) : number.doubleValue.description
    }
}
