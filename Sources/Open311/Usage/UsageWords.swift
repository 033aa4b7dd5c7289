/// The page's words, numbers and dates in French or English.
struct UsageWords: Sendable {
    let isFrench: Bool

    init(_ language: Language) { isFrench = language.primary == .french }

    func callAsFunction(_ french: String, _ english: String) -> String { isFrench ? french : english }

    /// French has a narrow space between thousands, English a comma.
    func number(_ value: Int64) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "−" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += isFrench ? "\u{202F}" : "," }
            text.append(digit)
        }
        return text
    }

    /// With at most one decimal, none from 100 on.
    func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "–" }
        let tenths = Int64((value * 10).rounded())
        if abs(value) >= 100 || tenths % 10 == 0 { return number(Int64(value.rounded())) }
        return (tenths < 0 && tenths > -10 ? "−" : "") + number(tenths / 10) + (isFrench ? "," : ".") + String(abs(tenths % 10))
    }

    func percent(_ share: Double) -> String {
        // What is not all must not look like all.
        let shown = share < 1 ? min(99.9, share * 100) : share * 100
        return decimal(shown) + (isFrench ? "\u{202F}%" : "%")
    }

    /// In the unit that people would use.
    func duration(_ seconds: Double) -> String {
        let (value, unit): (Double, String) =
            switch seconds {
            case ..<0.9995: (seconds * 1_000, "ms")
            case ..<59.95: (seconds, "s")
            case ..<3_597: (seconds / 60, "min")
            case ..<172_800: (seconds / 3_600, "h")
            default: (seconds / 86_400, self("j", "d"))
            }
        return decimal(value) + "\u{202F}" + unit
    }

    func bytes(_ count: Int64) -> String {
        let units = isFrench ? ["o", "ko", "Mo", "Go", "To"] : ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(count), 0)
        while value >= 999.5, unit < units.count - 1 {
            value /= 1_000
            unit += 1
        }
        return decimal(value) + "\u{202F}" + units[unit]
    }

    // MARK: Days

    private var monthNames: [String] {
        isFrench
            ? ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]
            : [
                "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
            ]
    }

    private var shortMonths: [String] {
        isFrench
            ? ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."]
            : ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    }

    var weekdays: [String] {
        isFrench
            ? ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"]
            : ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    }

    func month(_ day: CivilDay) -> String { "\(monthNames[day.civil.month - 1]) \(day.civil.year)" }
    func shortMonth(_ day: CivilDay) -> String { shortMonths[day.civil.month - 1] }

    func day(_ day: CivilDay) -> String {
        let date = day.civil
        let number = isFrench && date.day == 1 ? "1er" : "\(date.day)"
        return "\(number) \(monthNames[date.month - 1]) \(date.year)"
    }

    // MARK: Measures

    func status(_ status: String) -> String {
        switch status {
        case "PENDING": self("à confirmer", "to be confirmed")
        case "RECEIVED": self("reçue", "received")
        case "IN_PROCESS": self("en cours", "in process")
        case "PROCESSED": self("traitée", "processed")
        case "REJECTED": self("refusée", "rejected")
        case "ARCHIVED": self("classée", "archived")
        case "OPEN": self("ouverte", "open")
        case "CLOSED": self("close", "closed")
        case UsageFigures.others: self("autres", "others")
        default: status
        }
    }

    func duration(of measure: UsageMeasure) -> String {
        switch measure {
        case .answer: self("Réponse à l’application", "Answer to the app")
        case .delivery: self("Remise à la file du CRM", "Delivery to the CRM’s queue")
        case .acknowledgement: self("Prise en compte par le CRM", "Acknowledgement by the CRM")
        case .firstStatus: self("Premier avancement", "First progress")
        default: self("Clôture", "Closing")
        }
    }

    func refusal(_ reason: String) -> String {
        switch reason {
        case "invalid": self("demande mal formée", "malformed request")
        case "missing": self("champ obligatoire absent", "required field missing")
        case "outside-boundary": self("hors du territoire", "outside the boundary")
        case "no-location": self("aucun lieu", "no location")
        case "unauthorized": self("clé absente ou inconnue", "key missing or unknown")
        case "forbidden": self("clé sans ce droit", "key without this right")
        case "unknown": self("adresse ou objet inconnu", "unknown address or object")
        case "method": self("méthode non permise", "method not allowed")
        case "format": self("format non servi", "format not served")
        case "conflict": self("contradiction avec l’état connu", "conflict with what is known")
        case "gone": self("objet effacé", "erased object")
        case "too_large": self("trop volumineux", "too large")
        case "media_type": self("type de contenu refusé", "content type refused")
        case "too_many": self("trop d’appels", "too many calls")
        case "status_message": self("statut refusé (AMQP)", "status refused (AMQP)")
        case "other": self("autre", "other")
        default: reason
        }
    }
}

/// Text in HTML, and never markup.
public enum HTMLText {
    public static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count + 16)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
