import Open311

extension GeoReportError {
    /// What is wrong with the text of a field `media`.
    init(_ fault: InlineMedia.Fault, _ field: String, _ language: Language) {
        let french: String
        let english: String
        switch fault {
        case .base64(.foreign(let byte, let position)):
            let shown = (33...126).contains(byte) ? "“\(Character(UnicodeScalar(byte)))”" : "0x" + String(byte, radix: 16)
            french = "l’octet \(position) (\(shown)) n’est pas du base64"
            english = "byte \(position) (\(shown)) is not base64"
        case .base64(.padding(let position)):
            french = "le base64 a un « = » mal placé à l’octet \(position)"
            english = "the base64 has a misplaced “=” at byte \(position)"
        case .base64(.incomplete):
            french = "le base64 s’arrête au milieu d’un groupe de quatre caractères : il est tronqué"
            english = "the base64 ends within a group of four characters: it is cut short"
        case .base64(.tooManyBreaks):
            french = "le base64 a trop de sauts de ligne"
            english = "the base64 has too many line breaks"
        case .dataPrefix:
            french = "« data: » doit être suivi d’un type, de « ;base64, » et de la photo"
            english = "“data:” must be followed by a type, “;base64,” and the photo"
        case .link:
            french = "ce n’est pas une adresse http ou https de 2 000 caractères au plus"
            english = "this is no http or https address of 2,000 characters at most"
        }
        self.init(
            400, language, french: "\(field) : \(french). Envoyez la photo comme fichier, en base64, ou son adresse.",
            english: "\(field): \(english). Send the photo as a file part, in base64, or its address.")
    }
}
