import Open311

/// One point of interest in Tourism's common object format.
struct TourismPOI {
    let known: KnownPlace
    let tree: PlaceCategoryTree
    let documents: TourismDocuments
    /// Without what only its own page needs.
    let isMinimal: Bool
    let children: [PlaceID]

    private var place: Place { known.place }
    private var pois: String { documents.base + "pois/" }
    private var language: Language { documents.tenant.language }

    func write(_ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("id")
        writer.value(place.id.rawValue)
        writer.name("base")
        writer.value(pois)
        writer.name("lang")
        writer.value(language.rawValue)
        writer.name("created")
        moment(known.createdAt, &writer)
        writer.name("updated")
        moment(max(known.updatedAt, known.count?.receivedAt ?? known.updatedAt), &writer)
        if let retired = known.retiredAt {
            writer.name("deleted")
            moment(retired, &writer)
        }
        if !isMinimal { author(&writer) }
        documents.labels(place.name, or: place.id.rawValue, &writer)
        descriptions(&writer)
        categories(&writer)
        hours(&writer)
        location(&writer)
        links(&writer)
        writer.endObject()
    }

    /// Three digits of a second, which every client reads.
    private func moment(_ moment: Timestamp, _ writer: inout JSONWriter) {
        let milliseconds = ((moment.microseconds / 1_000) % 1_000 + 1_000) % 1_000
        let digits = String(1_000 + milliseconds).dropFirst()
        writer.value(Timestamp(seconds: moment.seconds).iso8601.dropLast() + "." + digits + "Z")
    }

    private func author(_ writer: inout JSONWriter) {
        writer.name("author")
        writer.beginObject()
        writer.name("term")
        writer.value("primary")
        writer.name("value")
        writer.value(documents.tenant.name)
        writer.endObject()
        writer.name("license")
        writer.beginObject()
        writer.name("term")
        writer.value("primary")
        writer.name("value")
        writer.value("open-data")
        writer.endObject()
    }

    // MARK: Texts

    private func descriptions(_ writer: inout JSONWriter) {
        writer.name("description")
        writer.beginArray()
        for (language, text) in documents.inOrder(place.summary) { description(text, language, nil, &writer) }
        if let sentence = parkingSentence { description(sentence, language, nil, &writer) }
        if !isMinimal {
            if let occupation = known.occupation(at: documents.now) {
                description(String(occupation), language, "X-citysdk/occupation", &writer)
            }
            for (language, text) in documents.inOrder(place.price) { description(text, language, "X-citysdk/price", &writer) }
        }
        writer.endArray()
    }

    private func description(_ text: String, _ language: Language, _ type: String?, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("value")
        writer.value(text)
        writer.name("lang")
        writer.value(language.rawValue)
        if let type {
            writer.name("type")
            writer.value(type)
        }
        writer.endObject()
    }

    /// Capacity has no slot of its own; an old count is told as one, and gives no occupation.
    private var parkingSentence: String? {
        let isFrench = language.primary == .french
        var parts: [String] = []
        if let capacity = place.capacity { parts.append(isFrench ? "\(capacity) places." : "\(capacity) places.") }
        if let count = known.count {
            let isStale = known.isStale(at: documents.now)
            switch (isFrench, isStale) {
            case (true, false): parts.append("\(count.free) libres.")
            case (true, true): parts.append("\(count.free) libres au dernier comptage, ancien : \(count.countedAt.iso8601).")
            case (false, false): parts.append("\(count.free) free.")
            case (false, true): parts.append("\(count.free) free when last counted, long ago: \(count.countedAt.iso8601).")
            }
        }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    private func categories(_ writer: inout JSONWriter) {
        writer.name("category")
        writer.beginArray()
        let label = tree.category(place.category)?.label ?? LocalizedText([:])
        for (language, text) in documents.inOrder(label, or: place.category) { category("category", text, language, &writer) }
        for tag in place.tags { category("tag", tag, language, &writer) }
        writer.endArray()
    }

    private func category(_ term: String, _ text: String, _ language: Language, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("term")
        writer.value(term)
        writer.name("lang")
        writer.value(language.rawValue)
        writer.name("value")
        writer.value(text)
        writer.endObject()
    }

    /// Free text, as Lisbon's were.
    private func hours(_ writer: inout JSONWriter) {
        writer.name("time")
        writer.beginArray()
        if let text = place.hours.text(in: documents.tenant.languages) {
            writer.beginObject()
            writer.name("term")
            writer.value("open")
            writer.name("value")
            writer.value(text)
            writer.endObject()
        }
        writer.endArray()
    }

    // MARK: Where

    private func location(_ writer: inout JSONWriter) {
        writer.name("location")
        writer.beginObject()
        writer.name("point")
        writer.beginArray()
        point("center", place.position, &writer)
        // Some clients ask for an entrance only.
        if !isMinimal { point("entrance", place.entrance ?? place.position, &writer) }
        writer.endArray()
        if !isMinimal, let first = place.outline.first {
            writer.name("polygon")
            writer.beginArray()
            geometry("center", "SimplePolygon", place.outline + [first], &writer)
            writer.endArray()
        }
        if !isMinimal, let address = place.address {
            writer.name("address")
            writer.beginObject()
            writer.name("type")
            writer.value("text/vcard")
            writer.name("value")
            writer.value(vcard(address))
            writer.endObject()
        }
        if !isMinimal, let parent = place.parent {
            writer.name("relationship")
            writer.beginArray()
            writer.beginObject()
            writer.name("term")
            writer.value("within")
            writer.name("base")
            writer.value(pois)
            writer.name("targetPOI")
            writer.value(parent.rawValue)
            writer.endObject()
            writer.endArray()
        }
        writer.endObject()
    }

    private func point(_ term: String, _ point: Coordinate, _ writer: inout JSONWriter) { geometry(term, "Point", [point], &writer) }

    private func geometry(_ term: String, _ shape: String, _ points: [Coordinate], _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("term")
        writer.value(term)
        writer.name(escaping: shape)
        writer.beginObject()
        writer.name("posList")
        writer.value(points.map { "\(DecimalForm.text($0.latitude)) \(DecimalForm.text($0.longitude))" }.joined(separator: ","))
        writer.name("srsName")
        writer.value("http://www.opengis.net/def/crs/EPSG/0/4326")
        writer.endObject()
        writer.endObject()
    }

    /// vCard 3.0 (RFC 2426).
    private func vcard(_ address: String) -> String {
        func escaped(_ text: String) -> String {
            text.replacing("\\", with: "\\\\").replacing(";", with: "\\;").replacing(",", with: "\\,").replacing("\n", with: "\\n")
        }
        var lines = ["BEGIN:VCARD", "VERSION:3.0"]
        let name = place.name.text(in: documents.tenant.languages) ?? place.id.rawValue
        lines += ["FN:" + escaped(name), "N:" + escaped(name) + ";;;;", "ADR;TYPE=WORK:;;" + escaped(address) + ";;;;"]
        if let phone = place.phone { lines.append("TEL;TYPE=WORK,VOICE:" + escaped(phone)) }
        if let url = place.url { lines.append("URL:" + url) }
        return (lines + ["END:VCARD"]).map { $0 + "\r\n" }.joined()
    }

    // MARK: Links

    private func links(_ writer: inout JSONWriter) {
        writer.name("link")
        writer.beginArray()
        if let icon = place.icon { link("icon", type: imageType(icon), href: icon, &writer) }
        if !isMinimal {
            for code in place.codes { link("alternative", type: "text/plain", value: code, &writer) }
            if let url = place.url { link("describedby", type: "text/html", href: url, &writer) }
            if let parent = place.parent { link("parent", type: "application/json", href: pois + parent.rawValue, id: parent, &writer) }
            for child in children { link("child", type: "application/json", href: pois + child.rawValue, id: child, &writer) }
            let namespace = FormWriter.escaped(pois)
            link(
                "related", type: "application/json",
                href: "\(documents.requests)/requests.json?service_object_type=\(namespace)&service_object_id=\(place.id)", &writer)
        }
        writer.endArray()
    }

    private func link(
        _ term: String, type: String, href: String? = nil, value: String? = nil, id: PlaceID? = nil, _ writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.name("term")
        writer.value(term)
        writer.name("type")
        writer.value(type)
        if let href {
            writer.name("href")
            writer.value(href)
        }
        if let value {
            writer.name("value")
            writer.value(value)
        }
        if let id {
            writer.name("base")
            writer.value(pois)
            writer.name("id")
            writer.value(id.rawValue)
        }
        writer.endObject()
    }

    private func imageType(_ url: String) -> String {
        let path = url.lowercased()
        return path.hasSuffix(".jpg") || path.hasSuffix(".jpeg") ? "image/jpeg" : path.hasSuffix(".svg") ? "image/svg+xml" : "image/png"
    }
}
