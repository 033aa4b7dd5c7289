import ArgumentParser
import Open311
import Storage

extension Administration {
    /// Our number of a request that an operator names: by that number, by the id that its CRM gave in its place, or by the token that the
    /// citizen was answered.
    ///
    /// - Throws: a sentence, also when requests of several tenants have that id.
    func request(_ text: String) async throws -> ServiceRequestID {
        guard let address = RequestAddress(serviceRequestID: text) else {
            throw ValidationError("\(text) is no service_request_id: ours are digits only, a CRM's are letters, digits, - and _.")
        }
        if let number = address.number { return number }
        var found = try await store.requests(given: text)
        if found.isEmpty { found = try await store.requests(withToken: text) }
        guard let only = found.first else {
            throw ValidationError("No tenant has a service request \(text), and none was answered with this as its token.")
        }
        guard found.count == 1 else {
            let numbers = found.map(\.description).joined(separator: ", ")
            throw ValidationError("Several service requests have the id \(text). Name the one that is meant by our number: \(numbers)")
        }
        return only
    }
}
