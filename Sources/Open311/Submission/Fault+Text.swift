extension Fault {
    /// A sentence for the citizen or the app's developer: what is wrong, where, and what to do. French or English; English for
    /// any other language.
    public func text(in language: Language) -> String {
        language.primary == .french ? french : english
    }

    private var english: String {
        switch problem {
        case .missing: "\(field) is required."
        case .attributeRequired(let code): "\(code) required: send \(field)."
        case .noLocation:
            "A location is required: send lat and long, or address_string, or address_id, or service_object_type and service_object_id."
        case .incompletePosition(let missing): "\(field) came without \(missing): send both, or neither."
        case .notACoordinate(let minimum, let maximum):
            "\(field) must be a decimal number of degrees from \(minimum) to \(maximum), with a point as decimal separator."
        case .tooLong(let maximum): "\(field) is too long: \(maximum) characters at most."
        case .tooMany(let maximum): "\(field): too many values, \(maximum) at most."
        case .tooMuchText(let maximum): "\(field): the answers together are too long, \(maximum) bytes at most. Shorten them."
        case .notANumber: "\(field) must be a number, as in 12 or 12.5."
        case .notADate: "\(field) must be a date and time, as in 2026-03-01T10:00:00Z."
        case .notAChoice(let value, let choices): "\(field): “\(value)” is not a choice. Choices: \(choices.joined(separator: ", "))."
        case .severalValues: "\(field) takes one value only."
        case .notAnAbsoluteURL: "\(field) must be an absolute http or https URL."
        case .undeclaredAttribute: "\(field) is not an attribute of this service: see its definition."
        case .unknownValue(let value, let allowed): "\(field): “\(value)” is unknown. Allowed: \(allowed.joined(separator: ", "))."
        case .malformed(let expectation): "\(field) \(expectation)."
        case .windowTooLong(let days): "\(field): start_date and end_date may be \(days) days apart at most. Ask for a shorter period."
        case .windowReversed: "\(field): the period ends before it begins."
        case .notAPage: "\(field) must be a whole number, 1 or more."
        case .pageTooFar(let maximum):
            "\(field): pages beyond request \(maximum) are not reached by their number. Follow the Link header's next page instead."
        case .notACursor: "\(field) is none that the Link header of this search gave: begin again without it."
        case .notARadius(let maximum): "\(field) must be a number of metres from 0 to \(maximum)."
        case .notAnEmailAddress:
            "\(field) must be one e-mail address, as in name@example.org, without spaces, line breaks or a second address. Leave it out if there is none."
        case .notASIRET: "\(field) must be the 14 digits of a SIRET number with a valid check digit."
        case .unknownObject(let id, isRetired: false):
            "\(field) not found: the city has no object “\(id)” of this service_object_type. See the list of service_objects."
        case .unknownObject(let id, isRetired: true):
            "\(field) not found: the object “\(id)” is no longer there. See the list of service_objects."
        case .outsideBoundary(let city):
            "\(field): this place is outside the territory of \(city). Choose a place inside it, or report it to its own city."
        case .notABox: "\(field) must be four decimal numbers: minLong,minLat,maxLong,maxLat."
        }
    }

    private var french: String {
        switch problem {
        case .missing: "\(field) est obligatoire."
        case .attributeRequired(let code): "\(code) required: le champ \(field) est obligatoire."
        case .noLocation:
            "Un emplacement est obligatoire : envoyez lat et long, ou address_string, ou address_id, ou service_object_type et service_object_id."
        case .incompletePosition(let missing): "\(field) est venu sans \(missing) : envoyez les deux, ou aucun."
        case .notACoordinate(let minimum, let maximum):
            "\(field) doit être un nombre décimal de degrés entre \(minimum) et \(maximum), avec un point comme séparateur."
        case .tooLong(let maximum): "\(field) est trop long : \(maximum) caractères au plus."
        case .tooMany(let maximum): "\(field) : trop de valeurs, \(maximum) au plus."
        case .tooMuchText(let maximum): "\(field) : les réponses sont trop longues ensemble, \(maximum) octets au plus. Raccourcissez-les."
        case .notANumber: "\(field) doit être un nombre, par exemple 12 ou 12.5."
        case .notADate: "\(field) doit être une date et une heure, par exemple 2026-03-01T10:00:00Z."
        case .notAChoice(let value, let choices):
            "\(field) : « \(value) » n’est pas un choix possible. Choix : \(choices.joined(separator: ", "))."
        case .severalValues: "\(field) n’accepte qu’une seule valeur."
        case .notAnAbsoluteURL: "\(field) doit être une URL http ou https absolue."
        case .undeclaredAttribute: "\(field) n’est pas un attribut de ce service : voyez sa définition."
        case .unknownValue(let value, let allowed):
            "\(field) : « \(value) » est inconnu. Valeurs possibles : \(allowed.joined(separator: ", "))."
        case .malformed(let expectation): "\(field) \(expectation)."
        case .windowTooLong(let days):
            "\(field) : start_date et end_date peuvent être séparées de \(days) jours au plus. Demandez une période plus courte."
        case .windowReversed: "\(field) : la période finit avant de commencer."
        case .notAPage: "\(field) doit être un nombre entier, 1 ou plus."
        case .pageTooFar(let maximum):
            "\(field) : au-delà de \(maximum) demandes, une page ne s’atteint pas par son numéro. Suivez la page « next » de l’en-tête Link."
        case .notACursor: "\(field) ne vient pas de l’en-tête Link de cette recherche : recommencez sans lui."
        case .notARadius(let maximum): "\(field) doit être un nombre de mètres entre 0 et \(maximum)."
        case .notAnEmailAddress:
            "\(field) doit être une seule adresse électronique, par exemple nom@exemple.fr, sans espace, saut de ligne ni seconde adresse. Omettez-le s’il n’y en a pas."
        case .notASIRET: "\(field) doit être les 14 chiffres d’un numéro SIRET dont la clé est juste."
        case .unknownObject(let id, isRetired: false):
            "\(field) introuvable : la ville n’a pas d’objet « \(id) » de ce service_object_type. Voyez la liste service_objects."
        case .unknownObject(let id, isRetired: true):
            "\(field) introuvable : l’objet « \(id) » n’existe plus. Voyez la liste service_objects."
        case .outsideBoundary(let city):
            "\(field) : ce lieu est hors du territoire de \(city). Choisissez un lieu à l’intérieur, ou signalez-le à sa propre commune."
        case .notABox: "\(field) doit être quatre nombres décimaux : minLong,minLat,maxLong,maxLat."
        }
    }
}
