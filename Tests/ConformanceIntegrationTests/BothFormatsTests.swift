import Foundation
import Open311
import Testing

@testable import API
@testable import Storage

/// Needs no server; stands here for the tree that compares an XML document with a JSON one.
@Suite("Service requests in both formats")
struct BothFormatsTests {
    @Test("XML and JSON say the same of any service requests, with every extension")
    func sameInBoth() throws {
        for _ in 0..<200 {
            let requests = try (0..<Int64.random(in: 0...4)).map { try Self.request(number: $0) }
            let details = Bool.random() ? nil : Self.details(of: requests)
            let json = try JSONDecoder().decode(JSON.self, from: Data(RequestDocuments.bytes(requests, details, .json)))
            let xml = RequestDocuments.bytes(requests, details, .xml)
            let tree = try XMLTree(xml)
            #expect(tree.says(json) && tree.isBare, "\(String(decoding: xml, as: UTF8.self))")
            #expect(json.array?.count == requests.count)
        }
    }

    private static func request(number: Int64) throws -> ServiceRequest {
        let now = Timestamp.now
        return ServiceRequest(
            id: ServiceRequestID(number: number + 1, at: now), status: status(), statusNotes: text(), serviceCode: try code(),
            serviceName: someText(), description: someText(), agencyResponsible: text(), serviceNotice: text(),
            requestedAt: now.adding(days: -3), updatedAt: now.adding(days: .random(in: -5...0)), expectedAt: Bool.random() ? now : nil,
            location: Location(
                coordinate: Bool.random() ? nil : Coordinate(latitude: .random(in: -90...90), longitude: .random(in: -180...180)),
                address: text(), addressID: text(), zipcode: text()),
            mediaURLs: (0..<Int.random(in: 0...3)).map { "https://photos.example/\($0).jpg?a=1&b=<2>" },
            answers: (0..<Int.random(in: 0...3)).map { Open311.Answer(code: "Q\($0)", values: [someText(), someText()]) },
            title: text(), object: Bool.random() ? nil : ServiceObject(type: "http://o.example/?a&b", id: someText()))
    }

    private static func details(of requests: [ServiceRequest]) -> RequestDocuments.Details {
        RequestDocuments.Details(
            extensions: .all,
            history: Dictionary(
                uniqueKeysWithValues: requests.map { request in
                    (request.id, (0..<Int.random(in: 0...3)).map { _ in HistoryEntry(at: .now, status: status(), notes: text()) })
                }),
            reporters: Dictionary(
                uniqueKeysWithValues: requests.map {
                    (
                        $0.id,
                        Reporter(
                            firstName: text(), lastName: text(), email: text(), phone: text(), accountID: text(), deviceID: text(),
                            organisation: text(), siret: text())
                    )
                }),
            catalogue: Catalogue(services: [], changedAt: .now), languages: [.french])
    }

    private static func status() -> DetailedStatus {
        DetailedStatus(GeneralStatus.allCases.randomElement() ?? .received, refinements: Bool.random() ? [] : ["PUBLIC_WORKS_NEW"])
    }

    private static func code() throws -> ServiceCode { try ServiceCode(validating: "ROAD-\(Int.random(in: 0...9))") }

    private static func text() -> String? { Bool.random() ? nil : someText() }

    /// Letters of every alphabet, markup, quotes and line ends; what a form's reader lets through.
    private static func someText() -> String {
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0..<30) {
            let ranges: [ClosedRange<UInt32>] = [0x20...0x7E, 0xA0...0x2FF, 0x400...0x4FF, 0x4E00...0x4EFF, 0x1F300...0x1F5FF]
            if let scalar = Unicode.Scalar(UInt32.random(in: ranges.randomElement() ?? 0x20...0x7E)) { scalars.append(scalar) }
            if Int.random(in: 0..<8) == 0, let odd = ["&", "<", "\n", "]]>", "\"", "'"].randomElement() {
                scalars.append(contentsOf: odd.unicodeScalars)
            }
        }
        return "x" + CleanText.withoutControls(String(scalars)) + "x"
    }
}
