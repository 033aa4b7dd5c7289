import Foundation
import Open311

/// The text of a field `media`: base64, with or without a `data:` prefix, or a link.
enum InlinePhoto: Equatable {
    case link(String)
    case photo([UInt8])

    static func isNamed(_ name: String) -> Bool { name == "media" || name == "media[]" }

    /// - Returns: nil for anything else.
    init?(_ text: String) {
        if WebAddress.isAbsolute(text) {
            self = .link(text)
            return
        }
        var encoded = text[...]
        if encoded.hasPrefix("data:") {
            guard let comma = encoded.firstIndex(of: ",") else { return nil }
            encoded = encoded[encoded.index(after: comma)...]
        }
        // Clients forget to escape the plus sign of a form.
        let digits = encoded.utf8.compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: " "): UInt8(ascii: "+")
            case 10, 13: nil
            default: byte
            }
        }
        guard let data = Data(base64Encoded: Data(digits)), !data.isEmpty else { return nil }
        self = .photo(Array(data))
    }
}
