import Logging
import Open311
import Storage

extension GeoReportGateway.Posting {
    /// With no place in the form, the first photo that knows where it was taken says where.
    var isLocatedByPhoto: Bool { photoPosition != nil }

    private var photoPosition: Coordinate? {
        let places = ["lat", "long", "address_string", "address", "address_id", "zipcode", "service_object_id"]
        guard places.allSatisfy({ fields[$0] == nil }) else { return nil }
        return photos.lazy.compactMap(\.photo.metadata.position).first
    }

    /// The form, with what its photos add: a place, and their hashes, so that another photo under the same client reference is
    /// another content.
    var fieldsWithPhotos: FormFields {
        guard !photos.isEmpty else { return fields }
        var all = fields
        if let photoPosition {
            all.append(name: "lat", value: DecimalForm.text(photoPosition.latitude))
            all.append(name: "long", value: DecimalForm.text(photoPosition.longitude))
        }
        for received in photos {
            all.append(name: "media", value: received.photo.sha256.map { String($0, radix: 16) }.joined(separator: ":"))
        }
        return all
    }
}

extension GeoReportGateway {
    /// Each link once, when the tenant has links copied.
    static func copiedLinks(_ urls: [String], _ policy: PhotoPolicy) -> [CopiedLink] {
        guard policy.fetchesLinks else { return [] }
        var seen: Set<String> = []
        return urls.filter { seen.insert($0).inserted }.map { CopiedLink(token: PhotoToken(), url: $0) }
    }

    func keep(_ received: [ReceivedPhoto], of tenant: Tenant) async throws(GeoReportError) {
        guard let media = photos?.media, !received.isEmpty else { return }
        for (index, one) in received.enumerated() {
            do {
                try await media.keep(one.file, sha256: one.photo.sha256, as: .original(one.photo.token, of: tenant.key))
            } catch {
                logger.error("photo not stored", metadata: ["tenant": "\(tenant.key)", "error": "\(error)"])
                await withdraw(Array(received[...index]), of: tenant)
                throw GeoReportError(error)
            }
        }
        MediaFailPoint.afterPut.reach(configuration.failPoint)
    }

    /// Removes what was kept for a request that is not recorded. What cannot be removed now is swept.
    func withdraw(_ received: [ReceivedPhoto], of tenant: Tenant) async {
        for one in received { try? await photos?.media.remove(.original(one.photo.token, of: tenant.key)) }
    }

    func discard(_ received: [ReceivedPhoto]) async {
        for one in received { await one.file.discard() }
    }
}
