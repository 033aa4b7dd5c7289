import Hummingbird
import Open311

extension FormFields {
    /// A call's query, when all its parameters are known: one that is misspelt would otherwise answer another question than was asked.
    ///
    /// - Parameter refusal: makes the problem of a sentence.
    init(of request: Request, knowing names: [String], _ refusal: (String) -> Problem) throws(Problem) {
        do {
            self = try request.uri.query.map { (text) throws(FormError) in try FormReader.fields(Array(text.utf8)) } ?? FormFields()
        } catch {
            throw refusal("The query cannot be read: check its percent-encoding.")
        }
        if let (stranger, _) = all.first(where: { !names.contains($0.0) }) {
            throw refusal("\(CleanText.withoutControls(String(stranger.prefix(64)))) is unknown. Known: \(names.joined(separator: ", ")).")
        }
    }
}
