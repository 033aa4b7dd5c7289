import Foundation
import HTTPTypes
import Open311
import Storage
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

    @Test("what may follow the question mark is what is described there, and nothing else is passed over")
    func parameters() throws {
        let parsed = try JSONSerialization.jsonObject(with: Data(StatusIngestService.openAPIDocument)) as? [String: Any]
        let paths = try #require(parsed?["paths"] as? [String: [String: [String: Any]]])
        var seen = 0
        for (path, methods) in paths where path.hasPrefix("/v1/reference-data") {
            let words = path.replacing("{kind}", with: "catalogue").replacing("{version}", with: "7").split(separator: "/").dropFirst(2)
            let route = try #require(ReferenceRoute(words), "\(path)")
            for (method, operation) in methods {
                let described = (operation["parameters"] as? [[String: Any]] ?? []).filter { $0["in"] as? String == "query" }
                let known = route.parameters(of: try #require(HTTPRequest.Method(method.uppercased())))
                #expect(Set(known) == Set(described.compactMap { $0["name"] as? String }), "\(method) \(path)")
                for stranger in ["dry_run", "publish_at", "draft", "note", "limit", "below", "from", "dryrun"]
                where !known.contains(stranger) {
                    #expect(refused("\(stranger)=true", known) == ["?\(stranger)"], "\(method) \(path) \(stranger)")
                    seen += 1
                }
            }
        }
        #expect(seen > 40)
    }

    private func refused(_ query: String?, _ known: [String]) -> [String] {
        do { _ = try ReferenceQuery(query, knowing: known) } catch { return error.errors.map(\.pointer) }
        return []
    }

    @Test("a parameter without its value, or with two, publishes nothing")
    func unsaid() throws {
        let known = ReferenceRoute.document(.catalogue).parameters(of: .put)
        for name in ["dry_run", "draft", "publish_at"] {
            for query in [name, name + "=", "note=x&\(name)="] { #expect(refused(query, known) == ["?" + name], "\(query)") }
        }
        #expect(refused("dry_run=false&dry_run=true", known) == ["?dry_run"])
        #expect(refused("dry_run=1&publish_at=soon&x=&draft=yes", known) == ["?x", "?dry_run", "?draft", "?publish_at"])
        #expect(refused(nil, known) == [] && refused("", known) == [] && refused("note=", known) == [])
        #expect(refused("limit=&below=", ReferenceRoute.versions(.catalogue).parameters(of: .get)) == ["?limit", "?below"])
        let query = try ReferenceQuery("dry_run=true&note=x&publish_at=2099-01-01T00:00:00Z", knowing: known)
        let moment = try #require(Timestamp(parsing: "2099-01-01T00:00:00Z"))
        #expect(query.isDryRun && query.note == "x" && query.moment == .at(moment))
        #expect(try ReferenceQuery("draft=true", knowing: known).moment == .never)
        #expect(try ReferenceQuery("dry_run=false&draft=false", knowing: known).moment == .now)
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
