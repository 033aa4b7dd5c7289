import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Testing

@testable import API

@Suite("Linked Data")
struct LinkedDataTests {
    private func paths() throws -> [String: [String: Any]] {
        let parsed = try JSONSerialization.jsonObject(with: Data(PackageResources.linked_data_json))
        return try #require((parsed as? [String: Any])?["paths"] as? [String: [String: Any]])
    }

    @Test("every described path is understood, each as another resource, and there are no others")
    func described() throws {
        var found: Set<String> = []
        for path in try paths().keys {
            let asked = path.replacing("{tenant}", with: "valmont-7f3a9c").replacing(/\{[a-z_]+\}/, with: "x.1")
            let target = try #require(LinkedTarget(path: asked), "\(path)")
            let resource = try #require(target.resource, "\(path)")
            #expect(target.tenant == "valmont-7f3a9c" && !target.isJSON && !target.hasOtherExtension)
            found.insert("\(resource)")
        }
        // Sixteen resources and the description of them.
        #expect(found.count == 17)
    }

    @Test("every reference of the description leads somewhere")
    func references() throws {
        let text = String(decoding: PackageResources.linked_data_json, as: UTF8.self)
        let document = try #require(try JSONSerialization.jsonObject(with: Data(PackageResources.linked_data_json)) as? [String: Any])
        for reference in Set(text.matches(of: /"#\/([^"]+)"/).map(\.1)) {
            var part: Any? = document
            for word in reference.split(separator: "/") { part = (part as? [String: Any])?[String(word)] }
            #expect(part != nil, "\(reference)")
        }
    }

    @Test(
        "a path is a resource, or none",
        arguments: [
            ("/a-000000/ld", true), ("/a-000000/ld/", true), ("/a-000000/ld/objects.json", true), ("/a-000000/ld//objects", false),
            ("/a-000000/ld/objects/", false), ("/a-000000/ld/objects/x/", false), ("/a-000000/ld/objects/x/fields", false),
            ("/a-000000/ld/layers/a/objects/b/c", false),
        ])
    func resources(path: String, isResource: Bool) {
        #expect((LinkedTarget(path: path)?.resource != nil) == isResource)
    }

    @Test("another path is not asked about")
    func others() {
        for path in ["", "/", "/ld", "ld", "/a/open311/v2/requests.json", "/a/tourism/", "//ld"] where path != "//ld" {
            #expect(LinkedTarget(path: path) == nil, "\(path)")
        }
        #expect(LinkedTarget(path: "//ld")?.tenant == "")
    }

    private static func query(_ text: String) throws -> LinkedQuery {
        try LinkedQuery(
            Request(
                head: HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/a/ld/objects?" + text),
                body: RequestBody(buffer: ByteBuffer())))
    }

    @Test("whatever is sent as a page gives a page within its bounds; following `next` ends, and passes everything once")
    func pages() throws {
        for text in ["", "per_page=-1", "per_page=1e9", "page=999999999999999999999", "page=0&per_page=99999", "page=%00"] {
            let query = try Self.query(text)
            #expect((1...1_000).contains(query.size) && (1...100).contains(query.page))
        }
        for total in 0...25 {
            for size in 1...7 {
                var (page, seen) = (1, 0)
                while true {
                    let query = try Self.query("lat=1&lon=2&page=\(page)&per_page=\(size)")
                    seen += max(0, min(size, total - (page - 1) * size))
                    let told = query.pages("http://x/objects", count: total)
                    guard let link = told.link, link.contains("rel=\"next\"") else {
                        #expect(told.count == total)
                        break
                    }
                    page += 1
                    #expect(link.hasPrefix("<http://x/objects?lat=1&lon=2&page=\(page)&per_page=\(size)>; rel=\"next\""), "\(link)")
                }
                #expect(seen == total && page == max(1, (total + size - 1) / size))
            }
        }
    }

    @Test("an id becomes one that stands in a cdk_id: lower case, dots, none at either end")
    func identifiers() throws {
        for (id, expected) in [("k-1", "k.1"), ("P-17", "p.17"), ("-a--b_c~", "a.b_c"), ("x.y", "x.y"), ("...", "")] {
            #expect(LinkedPlaceFilter.linkedID(try #require(PlaceID(id))) == expected)
        }
    }
}
