import Open311

/// Reads the form of `POST servicerequestupdates` (FixMyStreet's extension, 13.2).
struct CitizenUpdateForm {
    private let fields: FormFields
    private var faults: [Fault] = []

    /// - Throws: every fault at once.
    static func update(_ fields: FormFields) throws(Faults) -> CitizenUpdate {
        var form = CitizenUpdateForm(fields: fields)
        let update = form.update()
        if let first = form.faults.first { throw Faults(first: first, others: Array(form.faults.dropFirst())) }
        return update
    }

    private init(fields: FormFields) { self.fields = fields }

    private mutating func update() -> CitizenUpdate {
        if fields["service_request_id"] == nil { refuse("service_request_id", .missing) }
        let id = required("update_id", maximum: 255)
        let moment = required("updated_datetime", maximum: 64)
        let occurredAt = Timestamp(parsing: moment)
        if occurredAt == nil, !moment.isEmpty { refuse("updated_datetime", .notADate) }
        let status = required("status", maximum: 64).lowercased().replacing(" ", with: "_")
        if !status.utf8.allSatisfy({ (97...122).contains($0) || $0 == UInt8(ascii: "_") }) {
            refuse("status", .unknownValue(value: String(status.prefix(64)), allowed: ["OPEN", "IN_PROGRESS", "FIXED", "CLOSED"]))
        }
        let description = CleanText.withoutControls(fields["description"] ?? "")
        if description.isEmpty { refuse("description", .missing) }
        if description.unicodeScalars.count > SubmissionValidator.maximumDescription {
            refuse("description", .tooLong(maximum: SubmissionValidator.maximumDescription))
        }
        let urls = fields.values("media_url").map(CleanText.singleSpaced)
        if urls.count > SubmissionValidator.maximumMediaURLs {
            refuse("media_url", .tooMany(maximum: SubmissionValidator.maximumMediaURLs))
        }
        for url in urls where !WebAddress.isAbsolute(url) { refuse("media_url", .notAnAbsoluteURL) }
        let author = Reporter(
            firstName: text("first_name", 255), lastName: text("last_name", 255), email: email(), phone: text("phone", 64),
            accountID: text("account_id", 255), deviceID: nil)
        return CitizenUpdate(
            id: id, occurredAt: occurredAt ?? .now, status: status, description: description, mediaURLs: urls,
            author: author.isEmpty ? nil : author)
    }

    private mutating func refuse(_ field: String, _ problem: Fault.Problem) { faults.append(Fault(field: field, problem: problem)) }

    private mutating func text(_ name: String, _ maximum: Int) -> String? {
        let text = CleanText.singleSpaced(fields[name] ?? "")
        if text.unicodeScalars.count > maximum { refuse(name, .tooLong(maximum: maximum)) }
        return text.isEmpty ? nil : text
    }

    private mutating func email() -> String? {
        do { return try ReporterEmail.read(fields["email"]) } catch {
            faults.append(error)
            return nil
        }
    }

    private mutating func required(_ name: String, maximum: Int) -> String {
        let value = text(name, maximum)
        if value == nil { refuse(name, .missing) }
        return value ?? ""
    }
}
