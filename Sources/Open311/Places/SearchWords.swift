import Foundation

/// Texts as they are searched.
public enum SearchWords {
    /// Lower-case, without accents, on one line; the database computes the same (`bus311_folded`).
    public static func folded(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in CleanText.singleSpaced(text).decomposedStringWithCanonicalMapping.unicodeScalars
        where !(0x300...0x36F).contains(scalar.value) { scalars.append(scalar) }
        return String(scalars).lowercased()
    }
}
