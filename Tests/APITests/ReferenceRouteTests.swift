import Foundation
import HTTPTypes
import Open311
import Testing

@testable import API

@Suite("Routes of reference data")
struct ReferenceRouteTests {
    @Test("every described path is understood, takes the methods that are described, and the other way round")
    func described() throws {
        let parsed = try JSONSerialization.jsonObject(with: Data(StatusIngestService.openAPIDocument)) as? [String: Any]
        let paths = try #require(parsed?["paths"] as? [String: [String: Any]])
        var described: Set<String> = []
        for (path, methods) in paths where path.hasPrefix("/v1/reference-data") {
            let words = path.replacing("{kind}", with: "catalogue").replacing("{version}", with: "7").split(separator: "/").dropFirst(2)
            let route = try #require(ReferenceRoute(words), "\(path)")
            #expect(Set(route.methods.map { $0.rawValue.lowercased() }) == Set(methods.keys), "\(path)")
            described.insert("\(route)")
        }
        let routes: [ReferenceRoute] = [
            .kinds, .document(.catalogue), .versions(.catalogue), .version(.catalogue, 7), .difference(.catalogue, 7),
            .publication(.catalogue, 7), .rollback(.catalogue),
        ]
        #expect(described == Set(routes.map { "\($0)" }))
    }

    @Test("every kind that is taken is described")
    func kinds() throws {
        let text = String(decoding: StatusIngestService.openAPIDocument, as: UTF8.self)
        for kind in ReferenceKind.allCases where kind.rules != nil { #expect(text.contains("\"\(kind.pathName)\""), "\(kind.pathName)") }
    }

    @Test(
        "what is no route is none",
        arguments: [
            "weather", "catalogue/versions/0", "catalogue/versions/x", "catalogue/versions/-1", "catalogue/versions/99999999999",
            "catalogue/versions/1/x", "catalogue/versions/1/difference/x", "catalogue/x", "Catalogue",
        ])
    func strangers(path: String) { #expect(ReferenceRoute(path.split(separator: "/")) == nil) }

    @Test("a boundary is one whole")
    func whole() {
        #expect(ReferenceRoute(["boundary"])?.methods == [.get, .put])
        #expect(
            ReferenceRoute(["status-mapping"])?.methods.contains(.patch) == ReferenceRoute(["status_mapping"])?.methods.contains(.patch))
    }
}
