extension ServiceRequestEvent {
    /// The event of a photo that was cleaned, or refused, after its request was made: this photo only (bus reference 2.3).
    ///
    /// - Parameter sequence: of this event.
    public static func mediaAdded(
        _ photo: SettledPhoto, to requestID: ServiceRequestID, sequence: Int32, tenant: TenantKey, jurisdiction: String?, origin: Origin
    ) -> ServiceRequestEvent {
        let now = Timestamp.now
        let eventID = EventID(at: now)
        var writer = JSONWriter(capacity: 1_536)
        writer.beginObject()
        writer.envelope(
            id: eventID, kind: .mediaAdded, tenant: tenant, requestID: requestID, sequence: sequence, time: now, origin: origin)
        writer.name("data")
        writer.beginObject()
        writer.name("service_request_id")
        writer.quoted(requestID.rawValue)
        writer.name("tenant")
        writer.value(tenant.rawValue)
        writer.name("jurisdiction_id")
        writer.value(jurisdiction)
        writer.name("sequence")
        writer.value(Int64(sequence))
        writer.name("media")
        writer.beginArray()
        writer.photo(photo, origin)
        writer.endArray()
        writer.endObject()
        writer.endObject()
        return ServiceRequestEvent(
            id: eventID, kind: .mediaAdded, tenant: tenant, requestID: requestID, sequence: sequence, time: now, body: writer.bytes)
    }
}

extension JSONWriter {
    /// Photos of a submission, which are not cleaned yet, then the citizen's links.
    mutating func media(_ submission: Submission, _ origin: ServiceRequestEvent.Origin) {
        beginArray()
        for photo in submission.photos {
            beginObject()
            stored(photo.token.path, state: "pending", origin)
            if let expiresAt = submission.photosExpireAt {
                name("expires_at")
                value(expiresAt)
            }
            seen(photo.metadata)
            if let here = photo.metadata.position, let there = submission.location.coordinate, !submission.isLocatedByPhoto {
                name("distance_m")
                value(Int64(here.distance(to: there).rounded()))
            }
            endObject()
        }
        elements(submission.mediaURLs, origin, copied: Set(submission.copiedLinks.map(\.url)))
        endArray()
    }

    mutating func media(_ urls: [String], _ origin: ServiceRequestEvent.Origin) {
        beginArray()
        elements(urls, origin)
        endArray()
    }

    private mutating func elements(_ urls: [String], _ origin: ServiceRequestEvent.Origin, copied: Set<String> = []) {
        for url in urls {
            beginObject()
            if url.hasPrefix("/") {
                stored(url, state: nil, origin)
            } else {
                name("url")
                value(url)
                // A stranger's link: the CRM must not follow it on its own.
                name("kind")
                value("external")
                if copied.contains(url) {
                    name("state")
                    value("pending")
                }
            }
            endObject()
        }
    }

    private mutating func stored(_ path: String, state: String?, _ origin: ServiceRequestEvent.Origin) {
        name("url")
        value(origin.rootURL + path)
        name("kind")
        value("stored")
        if let state {
            name("state")
            value(state)
        }
    }

    private mutating func seen(_ metadata: PhotoMetadata) {
        if let position = metadata.position {
            name("lat")
            value(position.latitude)
            name("long")
            value(position.longitude)
        }
        if let takenAt = metadata.takenAt {
            name("taken_at")
            value(takenAt)
        }
        if let orientation = metadata.orientation {
            name("orientation")
            value(Int64(orientation))
        }
    }

    fileprivate mutating func photo(_ photo: SettledPhoto, _ origin: ServiceRequestEvent.Origin) {
        beginObject()
        switch photo.verdict {
        case .ready(let sha256, let bytes, let width, let height):
            stored(photo.token.path, state: "ready", origin)
            name("small_url")
            value(origin.rootURL + photo.token.smallPath)
            name("media_type")
            value(PhotoType.jpeg.rawValue)
            name("bytes")
            value(Int64(bytes))
            name("sha256")
            value(sha256.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
            name("width")
            value(Int64(width))
            name("height")
            value(Int64(height))
            name("expires_at")
            value(photo.expiresAt)
        case .refused(let reason):
            stored(photo.token.path, state: "refused", origin)
            name("reason")
            value(reason)
        case .revoked: stored(photo.token.path, state: "revoked", origin)
        }
        if let replaced = photo.replaced {
            name("replaces")
            value(origin.rootURL + replaced.path)
        }
        if let sourceURL = photo.sourceURL {
            name("source_url")
            value(sourceURL)
        }
        seen(photo.metadata)
        if let distance = photo.distance {
            name("distance_m")
            value(Int64(distance.rounded()))
        }
        endObject()
    }
}
