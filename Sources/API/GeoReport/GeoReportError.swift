import Open311
import Storage

/// An error as GeoReport answers it: an HTTP status and one description for each problem.
struct GeoReportError: Error {
    let status: Int
    let descriptions: [String]
    var retryAfter: Int?
    var allow: String?
    /// Of the first fault of a form, a code of ours: for the audit and the statistics.
    var reason: String?

    init(_ status: Int, _ description: String) {
        self.status = status
        descriptions = [description]
    }

    init(_ faults: Faults, language: Language) {
        status = 400
        descriptions = faults.all.map { $0.text(in: language) }
        reason = faults.all.first?.problem.code
    }

    /// In French or English, as the caller or the tenant speaks.
    init(_ status: Int, _ language: Language, french: String, english: String) {
        self.init(status, language.primary == .french ? french : english)
    }

    init(_ error: StorageError, _ language: Language) {
        switch error.kind {
        case .unavailable, .overloaded:
            self.init(
                503, language, french: "Le service est momentanément indisponible. Réessayez dans quelques secondes.",
                english: "The service is unavailable for a moment. Try again in a few seconds.")
            retryAfter = 5
        case .conflict:
            self.init(
                409, language, french: "Cette référence client (Idempotency-Key ou client_request_id) a déjà servi pour un autre contenu.",
                english: "This client reference (Idempotency-Key or client_request_id) was used before with another content.")
        case .tooLarge:
            self.init(
                413, language, french: "La demande est trop volumineuse. Raccourcissez la description ou les attributs.",
                english: "The request is too large. Shorten the description or the attributes.")
        case .duplicate, .internalFault:
            self.init(500, language, french: "Une erreur interne s’est produite.", english: "An internal error occurred.")
        }
    }

    init(_ error: FormError, _ language: Language) {
        switch error {
        case .tooManyFields(let maximum):
            self.init(400, language, french: "Trop de champs : \(maximum) au plus.", english: "Too many fields: \(maximum) at most.")
        case .invalidUTF8(let field):
            self.init(
                400, language, french: "Le champ « \(field) » n’est pas en UTF-8. Envoyez le formulaire en UTF-8.",
                english: "The field “\(field)” is not UTF-8. Send the form in UTF-8.")
        case .brokenEscape(let field):
            self.init(
                400, language, french: "Le champ « \(field) » contient un % qui n’est pas suivi de deux chiffres hexadécimaux.",
                english: "The field “\(field)” has a % that is not followed by two hexadecimal digits.")
        case .fieldTooLarge(let field):
            self.init(
                413, language, french: "Le formulaire est trop volumineux. Le champ « \(field) » a dépassé la limite : raccourcissez-le.",
                english: "The form is too large. The field “\(field)” overran the limit: shorten it.")
        case .malformedMultipart(let detail):
            self.init(
                400, language, french: "Le formulaire multipart est mal formé : \(detail).",
                english: "The multipart form is malformed: \(detail).")
        case .malformedJSON(let detail):
            self.init(
                400, language, french: "Le corps JSON est mal formé : \(detail).", english: "The JSON body is malformed: \(detail).")
        }
    }
}
