import Foundation
import Testing

@testable import API

@Suite("openapi.json")
struct OpenAPITests {
    private let document: [String: Any]

    init() throws {
        let parsed = try JSONSerialization.jsonObject(with: Data(PackageResources.openapi_json))
        document = try #require(parsed as? [String: Any])
    }

    private func paths() throws -> [String: [String: Any]] { try #require(document["paths"] as? [String: [String: Any]]) }

    @Test("every route is described, with each method that it takes", arguments: GeoReportRoute.allCases)
    func routesAreDescribed(route: GeoReportRoute) throws {
        let path = try #require(try paths()[route.template], "\(route.template) is not in openapi.json")
        #expect(Set(path.keys) == (route.takesPost ? ["get", "post"] : ["get"]))
    }

    @Test("every described path is a route")
    func pathsAreRoutes() throws {
        #expect(Set(try paths().keys) == Set(GeoReportRoute.allCases.map(\.template)))
    }

    @Test("every described path, below every described server, is understood as its route")
    func pathsAreUnderstood() throws {
        let servers = try #require(document["servers"] as? [[String: Any]]).compactMap { $0["url"] as? String }
        #expect(servers.count == 4)
        for route in GeoReportRoute.allCases {
            for server in servers {
                let path = (server + route.template).replacing("{tenant}", with: "valmont-7f3a9c").replacing("{format}", with: "json")
                    .replacing(/\{[a-z_]+\}/, with: "X1")
                let target = try #require(GeoReportTarget(path: path), "\(path)")
                #expect(target.resource.route == route && target.format == .json)
                #expect(target.isTest == server.contains("test") && (target.tenant != nil) == server.contains("{tenant}"))
            }
        }
    }

    @Test("every reference leads somewhere, every operation has a name of its own and says how it refuses")
    func isWhole() throws {
        var names: [String] = []
        for (path, methods) in try paths() {
            for (method, value) in methods {
                let operation = try #require(value as? [String: Any])
                names.append(try #require(operation["operationId"] as? String))
                let responses = try #require(operation["responses"] as? [String: Any])
                #expect(Set(responses.keys).isSuperset(of: ["200", "400", "404", "429", "500", "503"]), "\(method) \(path)")
            }
        }
        #expect(Set(names).count == names.count)
        for reference in Set(String(decoding: PackageResources.openapi_json, as: UTF8.self).matches(of: /"#\/([^"]+)"/).map(\.1)) {
            var part: Any? = document
            for word in reference.split(separator: "/") { part = (part as? [String: Any])?[String(word)] }
            #expect(part != nil, "\(reference) leads nowhere")
        }
    }

    @Test("the page to try it on loads nothing from elsewhere")
    func pageStaysHome() throws {
        for page in [PackageResources.try_html, PackageResources.try_js, PackageResources.try_css] {
            let text = String(decoding: page, as: UTF8.self)
            #expect(!text.contains("http://") && !text.contains("https://") && !text.contains("innerHTML") && !text.contains("eval("))
        }
    }
}
