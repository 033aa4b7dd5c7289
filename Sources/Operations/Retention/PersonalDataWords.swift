import Storage

/// The words of the register sheet, in the two languages that cities read here.
struct PersonalDataWords {
    private let isFrench: Bool

    init(_ language: PersonalDataSheet.Language) { isFrench = language == .french }

    private func say(_ french: String, _ english: String) -> String { isFrench ? french : english }

    var title: String { say("Fiche du registre des traitements", "Register sheet: personal data in Bus311") }
    var preface: String {
        say(
            "Produite par `bus311 privacy sheet --language fr` à partir de la configuration en service (RGPD, article 30). Chaque ville est responsable du traitement ; l'exploitant du bus est son sous-traitant. Finalité : transmettre à l'application de la ville les demandes que les habitants adressent à ses services, et leur dire ce qu'il en advient. Base : mission d'intérêt public.",
            "Made by `bus311 privacy sheet --language en` from the running configuration (GDPR, article 30). Each city is the controller; the operator of the bus is its processor. Purpose: to hand citizens' requests to the city's application, and to tell them what became of them. Basis: a task in the public interest."
        )
    }
    var registerTitle: String { say("Quoi, pourquoi, combien de temps, qui", "What, why, how long, who") }
    var registerColumns: [String] {
        isFrench ? ["Quoi", "Pourquoi", "Combien de temps", "Qui y accède"] : ["What", "Why", "How long", "Who sees it"]
    }
    var citiesTitle: String { say("Durées de chaque ville", "Each city's terms") }
    var citiesPreface: String {
        say(
            "Comptées depuis le dépôt de la demande. À leur terme la personne est oubliée ; la ligne vidée part après les jours de reste. Une demande retenue (`bus311 retention hold`) attend.",
            "Counted from when the request was made. When they are over, the person is forgotten; the emptied row goes after the days of rest. A request on hold (`bus311 retention hold`) waits."
        )
    }
    var citiesColumns: [String] {
        isFrench
            ? ["Ville", "Durée", "Reste", "CRM prévenu", "Déclarant nommé au CRM", "Photos visibles"]
            : ["City", "Term", "Rest", "CRM told", "Reporter named to the CRM", "Photos shown"]
    }
    var tablesTitle: String { say("Où, table par table", "Where, table by table") }
    var tablesPreface: String {
        say(
            "Toutes les tables de la base ; un essai automatique refuse une table qui n'y est pas.",
            "Every table of the database; an automatic test refuses one that is missing here.")
    }
    var tablesColumns: [String] { isFrench ? ["Table", "Devient"] : ["Table", "Becomes"] }
    var rightsTitle: String { say("Droits des personnes", "Rights of the persons") }
    var rights: String {
        say(
            "Effacement : `bus311 erase`, ou la demande du CRM de la ville ; ce qui a été livré ne se reprend pas, la ville efface de son côté (`service_request.erased`). Retenue légale : `bus311 retention hold`. Chaque passage est inscrit dans un registre chaîné, sans personne dedans (`bus311 retention ledger --verify`).",
            "Erasure: `bus311 erase`, or by the city's CRM; what was delivered cannot be unsent, and the city erases on its side (`service_request.erased`). Legal hold: `bus311 retention hold`. Each run is written into a chained ledger without a person in it (`bus311 retention ledger --verify`)."
        )
    }
    var asLongAsTheRequest: String { say("comme la demande", "as long as the request") }

    func yes(_ value: Bool) -> String { value ? say("oui", "yes") : say("non", "no") }
    func months(_ count: Int) -> String { say("\(count) mois", count == 1 ? "1 month" : "\(count) months") }
    func days(_ count: Int) -> String { say(count == 1 ? "1 jour" : "\(count) jours", count == 1 ? "1 day" : "\(count) days") }
    func term(_ code: String, _ count: Int) -> String { "\(code) \(months(count))" }

    func disposal(_ disposal: RetentionRule.Disposal) -> String {
        switch disposal {
        case .withRequest:
            say("anonymisé au terme de la demande, puis supprimé", "anonymised at the request's term, then deleted")
        case .rows(let count, let column): say("supprimé \(days(count)) après `\(column)`", "deleted \(days(count)) after `\(column)`")
        case .months(let count, _, let emptied):
            emptied.map {
                say(
                    "contenu vidé après \(days($0)), le mois entier supprimé après \(months(count))",
                    "content emptied after \(days($0)), the whole month dropped after \(months(count))")
            } ?? say("le mois entier supprimé après \(months(count))", "the whole month dropped after \(months(count))")
        case .withTenant: say("tant que la ville est cliente", "while the city is a tenant")
        case .kept:
            say(
                "conservé : personne n'y figure, hors le compte de l'exploitant qui a agi",
                "kept: nobody is in it but the account of the operator who acted")
        }
    }

    func row(_ subject: RetentionRule.Subject) -> (what: String, why: String, who: String) {
        switch subject {
        case .requests:
            (
                say("Demandes : texte, lieu, réponses, suites données", "Requests: text, place, answers, what became of them"),
                say("Les traiter et dire où elles en sont", "To handle them and say how they stand"),
                say("La ville (CRM) ; le public, sauf ce qui est masqué", "The city (CRM); the public, but for what is hidden")
            )
        case .reporters:
            (
                say(
                    "Déclarants : nom, courriel, téléphone, compte, appareil, organisme",
                    "Reporters: name, e-mail, phone, account, device, organisation"),
                say("Répondre au déclarant, reconnaître un envoi répété", "To answer the reporter, to recognise a repeated submission"),
                say("La ville (CRM), si elle l'a choisi ; jamais le public", "The city (CRM), where it has chosen so; never the public")
            )
        case .photos:
            (
                say(
                    "Photos, nettoyées de leurs métadonnées ; à part, le lieu et l'heure de la prise de vue",
                    "Photos, cleaned of their metadata; apart from them, where and when they were taken"),
                say("Montrer ce qui est signalé", "To show what is reported"),
                say(
                    "La ville (CRM) ; de la photo seule, qui en connaît l'adresse",
                    "The city (CRM); of the photo alone, who knows its address")
            )
        case .notices:
            (
                say("Courriels au déclarant : nature, état, empreinte d'adresse", "Mails to reporters: kind, state, hash of the address"),
                say("Lui dire ce qu'il advient de sa demande, une fois", "To tell them what became of their request, once"),
                say("Le déclarant ; l'exploitant, sans texte ni adresse", "The reporter; the operator, without words or addresses")
            )
        case .messages:
            (
                say("Messages vers et depuis le CRM", "Messages to and from the CRM"),
                say("Les remettre une fois au moins, même après une panne", "To deliver them at least once, after a failure too"),
                say("Le CRM de la ville ; l'exploitant n'en lit pas le contenu", "The city's CRM; the operator does not read them")
            )
        case .audit:
            (
                say(
                    "Journal des appels : clé, opération, résultat, jamais le contenu",
                    "Audit of calls: key, operation, result, never content"),
                say("Sécurité, preuve, dépannage", "Security, proof, repair"),
                say("La ville pour ce qui est à elle ; l'exploitant", "The city its own; the operator")
            )
        case .alerts:
            (
                say("Alertes et connexions des CRM : codes, compteurs, postes", "Alerts and connections of CRMs: codes, counts, hosts"),
                say("Rétablir le service", "To restore the service"),
                say("L'exploitant, le gestionnaire de la ville", "The operator, the city's manager")
            )
        case .people:
            (
                say("Contacts des villes, clés d'accès", "Contacts of cities, access keys"),
                say("Joindre qui répond du service, fermer l'accès aux autres", "To reach who answers for the service, to keep others out"),
                say("L'exploitant", "The operator")
            )
        case .register:
            (
                say("Registres : effacements, retenues, passages", "Registers: erasures, holds, runs"),
                say("Prouver ce qui est parti, refaire après restauration", "To prove what went, to redo it after a restore"),
                say("L'exploitant, le délégué de la ville", "The operator, the city's data protection officer")
            )
        case .city:
            (
                say("Données de la ville : services, lieux, réglages (personne)", "The city's data: services, places, settings (nobody)"),
                say("Répondre aux applications", "To answer apps"), say("Le public", "The public")
            )
        case .statistics:
            (
                say("Statistiques : nombres par jour, sans personne", "Statistics: counts by day, without anybody"),
                say("Rendre compte de l'usage", "To account for the use"), say("La ville, l'exploitant", "The city, the operator")
            )
        case .technical:
            (
                say("Tables techniques (personne)", "Technical tables (nobody)"), say("Fonctionnement", "Operation"),
                say("L'exploitant", "The operator")
            )
        }
    }

    /// What stands outside of the database; the queues' times are those of the broker's policies.
    var outside: [[String]] {
        [
            [
                say("Messages rejetés par le CRM, dans sa file morte", "Messages that the CRM refused, in its dead queue"),
                say("Les corriger et les renvoyer", "To correct and return them"), days(30),
                say("Le CRM s'il y a droit ; l'exploitant", "The CRM where it may; the operator"),
            ],
            [
                say("Sauvegardes de la base", "Backups of the database"), say("Rétablir après un sinistre", "To restore after a disaster"),
                say(
                    "selon l'exploitant, \(days(35)) au plus ; après restauration les effacements sont refaits",
                    "as the operator has it, \(days(35)) at most; after a restore erasures are done again"),
                say("L'exploitant", "The operator"),
            ],
        ]
    }
}
