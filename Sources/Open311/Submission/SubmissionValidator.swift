/// What is known of the object that a form names.
public enum ObjectState: Sendable, Equatable {
    /// Of somebody else's namespace, or none: kept as it came.
    case foreign
    /// One that the city publishes, there.
    case known(Coordinate)
    /// Of the city's own namespace, but not published, or no longer.
    case unknown(isRetired: Bool)
}

/// Turns the fields of a form into a ``Submission``, or into the list of everything that is wrong with them. Pure: no clock, no
/// database.
public struct SubmissionValidator: Sendable {
    public static let maximumDescription = 4_000
    public static let maximumText = 1_000
    /// Of one answer: `maxItems` of its values in every published schema.
    public static let maximumAnswerValues = 100
    public static let maximumAnswers = 100
    public static let maximumMediaURLs = 10
    /// Of all answers together, in bytes of UTF-8: with it, no event can pass ``ServiceRequestEvent/maximumSize``.
    public static let maximumAnswerBytes = 65_536

    private let tenant: Tenant
    private let service: Service
    private let objectState: ObjectState
    private let photos: Int
    private var faults: [Fault] = []

    /// - Parameters:
    ///   - tenant: whose policies hold.
    ///   - service: the one that `service_code` names.
    ///   - object: what is known of the object that the form names.
    ///   - photos: how many came with the form.
    public init(tenant: Tenant, service: Service, object: ObjectState = .foreign, photos: Int = 0) {
        self.tenant = tenant
        self.service = service
        objectState = object
        self.photos = photos
    }

    /// - Parameters:
    ///   - fields: body and query string together.
    ///   - apiKey: the key that carried them.
    ///   - idempotencyKey: the `Idempotency-Key` header; wins over the field `client_request_id`.
    ///   - language: of the answer and of the service's name in the request.
    ///   - moment: when they arrived.
    /// - Throws: ``Faults`` with every fault found.
    public func submission(
        from fields: FormFields, apiKey: AccessKey, idempotencyKey: String?, language: Language, at moment: Timestamp
    ) throws(Faults) -> Submission {
        var check = self
        let object = check.object(fields)
        // Somebody else's object is a place too: where, its own namespace knows (CitySDK reference 1.3 and 1.9).
        let location = check.location(fields, hasObject: object != nil)
        let title = check.text("title", in: fields, maximum: 255)
        let description = check.description(fields)
        let answers = check.answers(fields.answers)
        let mediaURLs = check.mediaURLs(fields)
        let reporter = check.reporter(fields)
        let reference = check.clientReference(fields, idempotencyKey: idempotencyKey, apiKey: apiKey)
        guard check.faults.isEmpty else { throw Faults(check.faults) }
        var submission = Submission(
            tenant: tenant.id,
            serviceCode: service.code,
            serviceName: service.name.text(in: language, fallback: [tenant.language]) ?? service.code.rawValue,
            description: description,
            location: location,
            answers: answers,
            reporter: reporter.isEmpty ? nil : reporter,
            mediaURLs: mediaURLs,
            receivedVia: apiKey.label,
            language: language,
            receivedAt: moment,
            clientReference: reference,
            title: title,
            object: object,
            // Nobody waits at the end of a test endpoint: there the token is resolved at once.
            isListed: service.kind == .realtime || service.kind == .batch && tenant.id.isTest
        )
        submission.catalogueVersion = service.catalogueVersion
        return submission
    }

    private mutating func refuse(_ field: String, _ problem: Fault.Problem) { faults.append(Fault(field: field, problem: problem)) }

    private mutating func text(_ name: String, in fields: FormFields, maximum: Int = maximumText) -> String? {
        guard let value = fields[name] else { return nil }
        let clean = CleanText.singleSpaced(value)
        if CleanText.isLonger(clean, than: maximum) { refuse(name, .tooLong(maximum: maximum)) }
        return clean.isEmpty ? nil : clean
    }

    private mutating func location(_ fields: FormFields, hasObject: Bool) -> Location {
        let address = text("address_string", in: fields)
        let addressID = text("address_id", in: fields, maximum: 255)
        let zipcode = text("zipcode", in: fields, maximum: 20)
        let latitude = coordinate("lat", 90, in: fields)
        let longitude = coordinate("long", 180, in: fields)
        if fields["lat"] != nil, fields["long"] == nil { refuse("lat", .incompletePosition(missing: "long")) }
        if fields["long"] != nil, fields["lat"] == nil { refuse("long", .incompletePosition(missing: "lat")) }
        if fields["lat"] == nil, fields["long"] == nil, address == nil, addressID == nil, !hasObject { refuse("lat", .noLocation) }
        let position = latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } }
        if let position, let boundary = tenant.policies.boundary, !boundary.contains(position) {
            refuse("lat", .outsideBoundary(city: tenant.name))
        }
        return Location(coordinate: position ?? objectPosition, address: address, addressID: addressID, zipcode: zipcode)
    }

    /// An object of the city's own says where it is, for who does not (CitySDK reference 1.9).
    private var objectPosition: Coordinate? {
        if case .known(let position) = objectState { position } else { nil }
    }

    /// Both halves of the pair, or neither (CitySDK reference 1.3).
    private mutating func object(_ fields: FormFields) -> ServiceObject? {
        let id = text("service_object_id", in: fields, maximum: 255)
        let type = text("service_object_type", in: fields)
        switch (type, id) {
        case (let type?, let id?):
            if case .unknown(let isRetired) = objectState {
                refuse("service_object_id", .unknownObject(id: String(id.prefix(PlaceID.maximumLength)), isRetired: isRetired))
            }
            return ServiceObject(type: type, id: id)
        case (.some, nil): refuse("service_object_type", .incompletePosition(missing: "service_object_id"))
        case (nil, .some): refuse("service_object_id", .incompletePosition(missing: "service_object_type"))
        case (nil, nil): break
        }
        return nil
    }

    private mutating func coordinate(_ name: String, _ bound: Int, in fields: FormFields) -> Double? {
        guard let text = fields[name] else { return nil }
        guard let value = DecimalText.number(text), abs(value) <= Double(bound) else {
            refuse(name, .notACoordinate(minimum: -bound, maximum: bound))
            return nil
        }
        return value
    }

    private mutating func description(_ fields: FormFields) -> String {
        let text = CleanText.withoutControls(fields["description"] ?? "")
        // A character here is a Unicode scalar, as the databases and clients of the field count.
        if CleanText.isLonger(text, than: Self.maximumDescription) { refuse("description", .tooLong(maximum: Self.maximumDescription)) }
        return text
    }

    private mutating func mediaURLs(_ fields: FormFields) -> [String] {
        let urls = fields.values("media_url").map(CleanText.singleSpaced)
        if urls.count > Self.maximumMediaURLs { refuse("media_url", .tooMany(maximum: Self.maximumMediaURLs)) }
        if photos + urls.count > ServiceRequestEvent.maximumMedia { refuse("media", .tooMany(maximum: ServiceRequestEvent.maximumMedia)) }
        for url in urls where !WebAddress.isAbsolute(url) { refuse("media_url", .notAnAbsoluteURL) }
        return urls
    }

    private mutating func reporter(_ fields: FormFields) -> Reporter {
        Reporter(
            firstName: text("first_name", in: fields, maximum: 255),
            lastName: text("last_name", in: fields, maximum: 255),
            email: email(fields),
            phone: text("phone", in: fields, maximum: 64),
            accountID: text("account_id", in: fields, maximum: 255),
            deviceID: text("device_id", in: fields, maximum: 255),
            organisation: text(fields["organisation"] == nil ? "organization" : "organisation", in: fields, maximum: 255),
            siret: siret(fields)
        )
    }

    private mutating func email(_ fields: FormFields) -> String? {
        do { return try ReporterEmail.read(fields["email"]) } catch {
            faults.append(error)
            return nil
        }
    }

    private mutating func siret(_ fields: FormFields) -> String? {
        guard let text = fields["siret"] else { return nil }
        let digits = SIRET.digits(text)
        if digits == nil { refuse("siret", .notASIRET) }
        return digits
    }

    private mutating func clientReference(_ fields: FormFields, idempotencyKey: String?, apiKey: AccessKey) -> ClientReference? {
        guard let key = [idempotencyKey, fields["client_request_id"]].compactMap({ $0 }).first(where: { !$0.isEmpty }) else { return nil }
        do {
            return try ClientReference(key: key, apiKey: apiKey.publicID, fields: fields)
        } catch {
            faults.append(error)
            return nil
        }
    }

    // MARK: Attributes

    private mutating func answers(_ given: [Answer]) -> [Answer] {
        if given.count > Self.maximumAnswers { refuse("attribute", .tooMany(maximum: Self.maximumAnswers)) }
        var kept: [Answer] = []
        for attribute in service.attributes where attribute.isVariable {
            let field = "attribute[\(attribute.code)]"
            guard let answer = given.first(where: { $0.code == attribute.code }) else {
                if attribute.isRequired { refuse(field, .attributeRequired(code: attribute.code)) }
                continue
            }
            if let values = checked(answer.values, attribute, field) { kept.append(Answer(code: attribute.code, values: values)) }
        }
        for answer in given where service.attribute(answer.code) == nil {
            let field = "attribute[\(answer.code)]"
            guard tenant.policies.keepsUndeclaredAttributes else {
                refuse(field, .undeclaredAttribute)
                continue
            }
            let code = CleanText.withoutControls(answer.code)
            guard !code.isEmpty else {
                // Nothing but characters that no message carries.
                refuse("attribute", .undeclaredAttribute)
                continue
            }
            if CleanText.isLonger(code, than: 255) { refuse("attribute", .tooLong(maximum: 255)) }
            if answer.values.count > Self.maximumAnswerValues { refuse(field, .tooMany(maximum: Self.maximumAnswerValues)) }
            if answer.values.contains(where: { CleanText.isLonger($0, than: Self.maximumDescription) }) {
                refuse(field, .tooLong(maximum: Self.maximumDescription))
            }
            kept.append(Answer(code: code, values: answer.values.map(CleanText.withoutControls)))
        }
        let bytes = kept.reduce(0) { $0 + $1.code.utf8.count + $1.values.reduce(0) { $0 + $1.utf8.count } }
        if bytes > Self.maximumAnswerBytes { refuse("attribute", .tooMuchText(maximum: Self.maximumAnswerBytes)) }
        return kept
    }

    private mutating func checked(_ values: [String], _ attribute: ServiceAttribute, _ field: String) -> [String]? {
        if attribute.dataType != .multivaluelist, values.count > 1 {
            refuse(field, .severalValues)
            return nil
        }
        switch attribute.dataType {
        case .string: return bounded(values.map(CleanText.singleSpaced), field)
        case .text: return bounded(values.map(CleanText.withoutControls), field)
        case .number:
            let numbers = values.map(CleanText.singleSpaced)
            guard numbers.allSatisfy({ DecimalText.isDecimal($0) }) else {
                refuse(field, .notANumber)
                return nil
            }
            return bounded(numbers, field)
        case .datetime:
            let moments = values.compactMap { Timestamp(parsing: $0) }
            guard moments.count == values.count else {
                refuse(field, .notADate)
                return nil
            }
            return moments.map(\.iso8601)
        case .singlevaluelist, .multivaluelist: return choices(values, attribute, field)
        }
    }

    private mutating func bounded(_ values: [String], _ field: String) -> [String]? {
        guard !values.contains(where: { CleanText.isLonger($0, than: Self.maximumDescription) }) else {
            refuse(field, .tooLong(maximum: Self.maximumDescription))
            return nil
        }
        return values
    }

    private mutating func choices(_ values: [String], _ attribute: ServiceAttribute, _ field: String) -> [String]? {
        let keys = attribute.choices.map(\.key)
        var chosen: [String] = []
        for value in values {
            // One client joins its choices by commas; a key with a comma of its own comes first.
            let isJoined = attribute.dataType == .multivaluelist && !keys.contains(value)
            let parts = isJoined ? value.split(separator: ",").map { CleanText.singleSpaced(String($0)) } : [value]
            for part in parts {
                guard keys.contains(part) else {
                    refuse(field, .notAChoice(value: String(part.prefix(100)), choices: keys))
                    return nil
                }
                if !chosen.contains(part) { chosen.append(part) }
            }
        }
        guard chosen.count <= Self.maximumAnswerValues else {
            refuse(field, .tooMany(maximum: Self.maximumAnswerValues))
            return nil
        }
        return chosen
    }
}

/// Everything that is wrong with a form; never empty.
public struct Faults: Error, Sendable, Equatable {
    public let all: [Fault]
    init(_ all: [Fault]) { self.all = all }

    public init(first: Fault, others: [Fault] = []) { all = [first] + others }
}
