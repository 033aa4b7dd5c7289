import Open311

/// What the pages behind signed links say, in French or English.
struct LinkTexts: Sendable {
    let language: Language

    /// The caller's wish first, then the language of the report, then the city's.
    init(_ preferences: LanguagePreferences, _ report: Language?, _ city: Language?) {
        let known = (preferences.wanted + [report, city].compactMap { $0 }).map(\.primary).first { $0 == .french || $0 == .english }
        language = known ?? .english
    }

    private func said(_ french: String, _ english: String) -> String { language == .french ? french : english }

    var other: (tag: String, name: String) { language == .french ? ("en", "English") : ("fr", "Français") }

    // MARK: Answers

    var notAllowed: String { said("Cette page se lit par GET et agit par POST.", "This page is read by GET and acts by POST.") }
    var unknown: String {
        said(
            "Ce lien n’ouvre rien. Vérifiez qu’il est entier : certains logiciels coupent les longs liens.",
            "This link opens nothing. See that it is whole: some programs cut long links.")
    }
    var expired: String {
        said(
            "Ce lien n’est plus valable. Adressez-vous à la ville pour exercer vos droits.",
            "This link has expired. Turn to the city to exercise your rights.")
    }
    var unavailable: String {
        said(
            "Le service est momentanément indisponible. Réessayez dans une minute.",
            "The service is unavailable for a moment. Try again in a minute.")
    }
    var unreadable: String { said("Le formulaire est illisible. Rien n’a été fait.", "The form cannot be read. Nothing was done.") }
    var confirmMissing: String {
        said("Cochez la case de confirmation. Rien n’a été effacé.", "Tick the box to confirm. Nothing was erased.")
    }

    func unsubscribed(_ city: String) -> String {
        said(
            "C’est fait : \(city) ne vous enverra plus de messages sur vos signalements.",
            "Done: \(city) will send you no more messages about your reports.")
    }
    var nobodyToUnsubscribe: String {
        said(
            "Rien n’a été fait : les données de ce signalement sont effacées, et avec elles l’adresse. Vous recevez encore des messages ? Utilisez le lien du plus récent.",
            "Nothing was done: the data of this report are erased, and the address with them. Do you still get messages? Use the link in the newest one."
        )
    }
    var withdrawn: String {
        said(
            "Votre signalement est retiré : il n’est plus visible du public, et la ville en est informée.",
            "Your report is withdrawn: the public does not see it any more, and the city is told.")
    }
    var erasedBefore: String { said("Vos données sont déjà effacées.", "Your data are erased already.") }
    /// - Parameters:
    ///   - count: erased just now.
    ///   - held: kept by a legal hold.
    ///   - isMore: whether some were not looked at yet.
    func erased(_ count: Int, held: Int, isMore: Bool) -> String {
        if count == 0, held == 0 { return erasedBefore }
        if held == 0, !isMore {
            return said(
                "Vos données sont effacées (signalements : \(count)). L’application de la ville est priée de les effacer aussi.",
                "Your data are erased (reports: \(count)). The city’s own application is told to erase them too.")
        }
        let kept =
            held == 0
            ? ""
            : said(
                " Conservés comme la loi l’exige : \(held). Adressez-vous à la ville.", " Kept by law: \(held). Turn to the city.")
        let more = isMore ? said(" Il en reste : recommencez.", " There are more: do it again.") : ""
        return said("Signalements effacés : \(count).", "Reports erased: \(count).") + kept + more
    }

    // MARK: The page of a report

    var title: String { said("Votre signalement", "Your report") }
    var number: String { said("Numéro", "Number") }
    var service: String { said("Objet", "Subject") }
    var date: String { said("Date", "Date") }
    var status: String { said("État", "Status") }
    var note: String { said("La ville précise", "The city says") }
    var rights: String { said("Vos droits", "Your rights") }

    func status(_ status: GeneralStatus) -> String {
        switch status {
        case .pending, .received: said("Reçu", "Received")
        case .inProcess: said("Pris en charge", "Taken up")
        case .processed: said("Traité", "Done")
        case .rejected: said("Non retenu", "Not taken up")
        case .archived: said("Archivé", "Archived")
        }
    }

    var hidden: String { said("Ce signalement n’est pas visible du public.", "The public does not see this report.") }

    func seeHeading(_ count: Int) -> String {
        count > 1
            ? said("Consulter les données de vos \(count) signalements", "See the data of your \(count) reports")
            : said("Consulter vos données", "See your data")
    }
    var seeText: String {
        said(
            "Un fichier JSON de tout ce qui est conservé ici sous votre adresse électronique.",
            "A JSON file of all that is held here under your e-mail address.")
    }
    var seeButton: String { said("Télécharger mes données", "Download my data") }

    var withdrawHeading: String { said("Retirer ce signalement", "Withdraw this report") }
    var withdrawText: String {
        said(
            "Il ne sera plus visible du public, et la ville saura que vous l’avez retiré. Elle peut continuer à le traiter.",
            "The public will not see it any more, and the city will know that you withdrew it. It may go on dealing with it.")
    }
    var withdrawButton: String { said("Retirer le signalement", "Withdraw the report") }

    var eraseHeading: String { said("Effacer vos données", "Erase your data") }
    var eraseText: String {
        said(
            "Votre nom, vos coordonnées, votre texte, vos photos et vos réponses seront effacés pour toujours, et la ville sera priée de les effacer aussi. Il n’y aura plus de suivi.",
            "Your name, your address, your words, photos and answers will be erased for ever, and the city will be told to erase them too. There will be no news any more."
        )
    }
    var confirm: String { said("Je comprends que cela ne peut pas être annulé.", "I understand that this cannot be undone.") }
    var eraseButton: String { said("Effacer ce signalement", "Erase this report") }
    func eraseAllButton(_ count: Int) -> String { said("Effacer mes \(count) signalements", "Erase my \(count) reports") }

    func erasedOn(_ day: String) -> String { said("Vos données ont été effacées le \(day).", "Your data were erased on \(day).") }
    func crm(_ outcome: CRMErasureOutcome?, _ day: String?) -> String {
        switch outcome {
        case nil:
            said(
                "L’application de la ville n’a pas encore confirmé l’effacement.",
                "The city’s own application has not confirmed the erasure yet.")
        case .erased:
            said(
                "L’application de la ville a confirmé l’effacement le \(day ?? "").",
                "The city’s own application confirmed the erasure on \(day ?? "").")
        case .kept:
            said(
                "L’application de la ville doit conserver des données (réponse du \(day ?? "")). Adressez-vous à la ville pour en savoir plus.",
                "The city’s own application has to keep some data (it said so on \(day ?? "")). Turn to the city to learn more.")
        }
    }

    // MARK: The page of notices

    var unsubscribeTitle: String { said("Ne plus recevoir de messages", "Stop the messages") }
    func unsubscribeText(_ city: String) -> String {
        said(
            "\(city) ne vous enverra plus de messages sur vos signalements, à cette adresse électronique.",
            "\(city) will send you no more messages about your reports, to this e-mail address.")
    }
    var unsubscribeButton: String { said("Ne plus recevoir de messages", "Stop the messages") }

    /// `2026-11-25` read aloud is the same in every language.
    func day(_ moment: Timestamp) -> String { String(moment.iso8601.prefix(10)) }
}
