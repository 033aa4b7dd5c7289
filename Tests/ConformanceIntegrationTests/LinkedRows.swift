import Foundation
import Open311
import Storage
import TestSupport
import Testing

/// CitySDK Linked Data over the town's places (reference 3.10).
@Suite("CitySDK linked data")
struct LinkedRows {
    private static let all = ["parking.k.1", "parking.k.2", "poi.p.17", "poi.z.1"]

    // MARK: Layers

    @Test("L-01") func l01() async throws {
        try await row("L-01", "the base: one feature with the templates of the rest") { site in
            let features = try await site.features("/?format=json")
            try #require(features.count == 1 && features[0]["properties"]?["urls"]?["objects"]?.string == "/objects{/cdk_id}")
        }
    }
    @Test("L-02") func l02() async throws {
        try await row("L-02", "layers: poi, parking, requests", refusedBecause: Self.noRequests) { site in
            try #require(try await site.names("/layers?format=json", "name") == ["poi", "parking"])
        }
    }
    @Test("L-03") func l03() async throws {
        try await row("L-03", "one layer, as a collection of one") { site in
            let layer = try #require(try await site.features("/layers/~.parking?format=json").first?["properties"])
            try #require(layer["category"]?.string == "mobility" && layer["fields"]?.array?.contains(.string("capacity")) == true)
        }
    }
    @Test("L-04") func l04() async throws { try await refusal("L-04", "an unknown layer: 404", 404, naming: "nope", "/layers/nope") }
    @Test("L-05") func l05() async throws {
        try await row("L-05", "layers by category: civic is the requests'", refusedBecause: Self.noRequests) { site in
            try #require(try await site.names("/layers?category=civic&format=json", "name") == [])
            try #require(try await site.names("/layers?category=mobility&format=json", "name") == ["parking"])
        }
    }
    @Test("L-06") func l06() async throws {
        try await row("L-06", "a layer's fields, with types") { site in
            let fields = try #require(try await site.get("/layers/~.parking/fields?format=json").json()["fields"]?.array)
            try #require(fields.first { $0["name"]?.string == "capacity" }?["type"]?.string == "xsd:integer")
            let one = try await site.get("/layers/~.parking/fields/capacity?format=json").json()["fields"]?.array
            try #require(one?.count == 1)
        }
    }
    @Test("L-07") func l07() async throws {
        try await refusal("L-07", "an unknown field: 404", 404, naming: "none", "/layers/~.parking/fields/none")
    }
    @Test("L-08") func l08() async throws {
        try await row("L-08", "a layer's context") { site in
            let context = try await site.get("/layers/~.poi/context").json()["@context"]
            try #require(context?["@vocab"]?.string?.hasSuffix("/layers/\(site.key).poi/fields/") == true)
        }
    }
    @Test("L-09") func l09() async throws {
        try await row("L-09", "a layer's owner, without anybody's address") { site in
            let answer = try await site.get("/layers/~.poi/owners?format=json")
            let owner = try #require(try answer.json()["owners"]?.array?.first?.object)
            try #require(
                owner["name"]?.string == site.key && owner["domains"] == nil && owner["email"] == nil && !answer.text.contains("@"))
        }
    }
    @Test("L-10") func l10() async throws {
        try await row("L-10", "an owner's layers: three", refusedBecause: Self.noRequests) { site in
            try #require(try await site.names("/owners/~/layers?format=json", "name") == ["poi", "parking"])
            try #require(try await site.get("/owners/nobody").status == 404)
        }
    }

    // MARK: Pages

    @Test("L-11") func l11() async throws {
        try await row("L-11", "objects without data: those of three layers", refusedBecause: Self.noRequests) { site in
            let answer = try await site.get("/objects?format=json")
            try #require(answer.contentType == "application/json; charset=utf-8")
            try #require(try await site.names("/objects?format=json") == Self.all)
            try #require(try await site.names("/objects.json") == Self.all)
            try #require(try await site.features("/objects?format=json").allSatisfy { $0["properties"]?["layers"] == nil })
        }
    }
    @Test("L-12") func l12() async throws {
        try await row("L-12", "a full page: `next` stands first in `Link`") { site in
            let answer = try await site.get("/objects?format=json&per_page=3")
            try #require(try answer.json()["features"]?.array?.count == 3)
            let link = try #require(answer.header("Link"))
            try #require(link == "<\(site.base)/objects?format=json&page=2&per_page=3>; rel=\"next\"", "\(link)")
        }
    }
    @Test("L-13") func l13() async throws {
        try await row("L-13", "the last page: how many there are, `last`, no `next`") { site in
            let answer = try await site.get("/objects?format=json&per_page=3&page=2")
            try #require(try answer.json()["features"]?.array?.count == 1 && answer.header("X-Result-Count") == "4")
            let link = try #require(answer.header("Link"))
            try #require(
                link.contains("page=2&per_page=3>; rel=\"last\"") && !link.contains("rel=\"next\"") && link.contains("rel=\"prev\""))
        }
    }
    @Test("L-14") func l14() async throws {
        try await row("L-14", "`count`: how many there are on a full page too") { site in
            let answer = try await site.get("/objects?count&per_page=3")
            let link = try #require(answer.header("Link"))
            try #require(
                answer.header("X-Result-Count") == "4" && link.contains("rel=\"next\", ") && link.hasSuffix("rel=\"last\""), "\(link)")
        }
    }
    @Test("L-15") func l15() async throws {
        try await row("L-15", "what is no size is 10, what is too large 1000") { site in
            for (text, size) in [("0", "10"), ("x", "10"), ("99999", "1000")] {
                let link = try #require(try await site.get("/objects?per_page=\(text)").header("Link"))
                try #require(link.contains("per_page=\(size)>"), "\(link)")
            }
        }
    }

    // MARK: One object

    @Test("L-16") func l16() async throws {
        try await row("L-16", "one object with its data, which are texts, and its place") { site in
            let found = try await site.features("/objects/~.parking.k.1?format=json")
            try #require(found.count == 1)
            let data = found[0]["properties"]?["layers"]?["\(site.key).parking"]?["data"]
            try #require(data?["capacity"]?.string == "212" && data?["free"]?.string == "80" && data?["occupation"]?.string == "62")
            try #require(found[0]["geometry"]?["coordinates"]?.array == [.number(3.201), .number(43.601)])
            try #require(found[0]["properties"]?["title"]?.string == "Parking des Halles")
        }
    }
    @Test("L-17") func l17() async throws {
        try await refusal(
            "L-17", "an unknown object: 404", 404, naming: "'", "/objects/nope", "/objects/~.poi.k.1", "/objects/~.parking.k-1")
    }
    @Test("L-18") func l18() async throws {
        try await row("L-18", "the layers with data about an object") { site in
            try #require(try await site.names("/objects/~.parking.k.1/layers?format=json", "name") == ["parking"])
        }
    }
    @Test("L-19") func l19() async throws {
        try await row("L-19", "an object's data alone") { site in
            let data = try #require(try await site.get("/objects/~.parking.k.1/layers/~.parking?format=json").json().object)
            try #require(data["capacity"]?.string == "212" && data["free"]?.string == "80" && data["@context"] == nil)
            try #require(try await site.get("/objects/~.parking.k.1/layers/~.poi").status == 404)
        }
    }
    @Test("L-20") func l20() async throws {
        try await row("L-20", "when an object's data came and changed") { site in
            let moments = try await site.get("/layers/~.parking/objects/~.parking.k.1?format=json").json()
            try #require(moments["created_at"]?.string?.hasSuffix("Z") == true && moments["updated_at"]?.string?.hasSuffix("Z") == true)
        }
    }

    // MARK: Filters

    @Test("L-21") func l21() async throws {
        try await row("L-21", "a layer's objects, each with its data") { site in
            let found = try await site.features("/layers/~.parking/objects?format=json")
            try #require(try await site.names("/layers/~.parking/objects?format=json") == ["parking.k.1", "parking.k.2"])
            try #require(found.allSatisfy { $0["properties"]?["layers"]?["\(site.key).parking"]?["data"]?["capacity"]?.string != nil })
        }
    }
    @Test("L-22") func l22() async throws {
        try await row("L-22", "`layer`: the same") { site in
            try #require(
                try await site.features("/objects?layer=~.parking&format=json")
                    == (try await site.features("/layers/~.parking/objects?format=json")))
        }
    }
    @Test("L-23") func l23() async throws {
        try await objects("L-23", "several layers: on each of them, so none", "/objects?layer=~.parking,~.poi&format=json")
    }
    @Test("L-24") func l24() async throws {
        try await refusal("L-24", "by an unknown layer: 404", 404, "/objects?layer=nope", "/objects?nope::x=1")
    }
    @Test("L-25") func l25() async throws {
        try await objects(
            "L-25", "within 200 m, the request there too", "/objects?lat=43.6&lon=3.2&radius=200&format=json", "poi.z.1", "parking.k.1",
            refusedBecause: Self.noRequests)
    }
    @Test("L-26") func l26() async throws {
        try await objects(
            "L-26", "nearest first", "/objects?lat=43.6&lon=3.2&format=json", "poi.z.1", "parking.k.1", "poi.p.17", "parking.k.2")
    }
    @Test("L-27") func l27() async throws {
        try await refusal(
            "L-27", "what is no place or radius: 422", 422, "/objects?lat=43.6&lon=abc", "/objects?lat=43.6&lon=3.2&radius=x",
            "/objects?lat=43.6",
            "/objects?radius=3", "/objects?lat=43.6&lon=3.2&radius=100001")
    }
    @Test("L-28") func l28() async throws {
        try await objects(
            "L-28", "wholly inside of a box, latitude first", "/objects?bbox=43.599,3.195,43.604,3.205&format=json", "parking.k.1")
    }
    @Test("L-29") func l29() async throws {
        try await row("L-29", "its corners in any order") { site in
            try #require(try await site.names("/objects?bbox=43.604,3.205,43.599,3.195&format=json") == ["parking.k.1"])
            try #require(try await site.names("/objects?bbox=43.59,3.19,43.61,3.22&format=json") == ["parking.k.1", "poi.p.17", "poi.z.1"])
        }
    }
    @Test("L-30") func l30() async throws {
        try await refusal(
            "L-30", "a box of three numbers: 422", 422, "/objects?bbox=1,2,3", "/objects?bbox=1,2,3,x", "/objects?bbox=91,2,3,4")
    }
    @Test("L-31") func l31() async throws { try await objects("L-31", "by title", "/objects?title=halles&format=json", "parking.k.1") }
    @Test("L-32") func l32() async throws {
        try await row("L-32", "by a field's value, with data") { site in
            let found = try await site.features("/objects?~.parking::free=80&format=json")
            try #require(found.count == 1 && found[0]["properties"]?["layers"]?["\(site.key).parking"] != nil)
            try #require(try await site.names("/objects?~.poi::address=Place%20du%20Moulin,%2034000%20Valmont&format=json") == ["poi.p.17"])
        }
    }
    @Test("L-33") func l33() async throws {
        try await objects("L-33", "by a field's presence", "/objects?~.parking::price&format=json", "parking.k.1")
    }
    @Test("L-34") func l34() async throws {
        try await objects(
            "L-34", "by several fields: all of them", "/objects?~.parking::capacity=300&~.parking::poi=k-2&format=json", "parking.k.2")
    }
    @Test("L-35") func l35() async throws {
        try await row("L-35", "`in` an object's ground") { site in
            try #require(try await site.names("/objects?in=~.poi.z.1&layer=~.parking&format=json") == ["parking.k.1"])
            try #require(try await site.names("/objects?in=~.poi.z.1&format=json") == ["parking.k.1", "poi.p.17", "poi.z.1"])
        }
    }
    @Test("L-36") func l36() async throws {
        try await objects("L-36", "what contains an object", "/layers/~.poi/objects?contains=~.parking.k.1&format=json", "poi.z.1")
    }
    @Test("L-37") func l37() async throws {
        try await refusal("L-37", "in what there is not: 404", 404, "/objects?in=nope", "/objects?contains=nope")
    }
    @Test("L-38") func l38() async throws {
        try await row("L-38", "`geom=false`: an empty geometry") { site in
            let found = try await site.features("/objects/~.parking.k.1?geom=false&format=json")
            try #require(found.first?["geometry"] == .object([:]))
        }
    }

    // MARK: JSON-LD

    @Test("L-39") func l39() async throws {
        let why = "`@base` ends with /{tenant}/ld/, so that every `@id` is an address that answers"
        try await row("L-39", "JSON-LD when nothing is said; `@base` ends with the tenant", refusedBecause: why) { site in
            let answer = try await site.get("/objects/~.parking.k.1")
            let document = try answer.json()
            let base = try #require(document["@context"]?["@base"]?.string)
            let feature = try #require(document["features"]?.array?.first)
            try #require(base == site.base + "/" && answer.contentType == "application/json; charset=utf-8")
            try #require(feature["@id"]?.string == "objects/\(site.key).parking.k.1" && feature["@type"]?.string == "Object")
            let layer = feature["properties"]?["layers"]?["\(site.key).parking"]
            for id in [feature["@id"], feature["properties"]?["layer"], layer?["@id"], layer?["data"]?["@id"]] {
                try #require(try await site.gateway.get(base + (try #require(id?.string))).status == 200, "\(String(describing: id))")
            }
        }
    }
    @Test("L-40") func l40() async throws {
        try await row("L-40", "asked for by `Accept`: the same") { site in
            let answer = try await site.get("/objects/~.parking.k.1", ["Accept": "application/ld+json"])
            try #require(answer.contentType == "application/ld+json; charset=utf-8")
            try #require(answer.body == (try await site.get("/objects/~.parking.k.1")).body)
        }
    }
    @Test("L-41") func l41() async throws {
        // The terms that a processor expands it with; `places.py` has a real one do it.
        try await row("L-41", "expanded by a processor: a node with dc:title") { site in
            let document = try await site.get("/objects/~.parking.k.1").json()
            let context = try #require(document["@context"])
            try #require(context["title"]?.string == "dc:title" && context["dc"]?.string == "http://purl.org/dc/elements/1.1/")
            try #require(context["geometry"]?.isNull == true && context["type"]?.isNull == true)
            let feature = try #require(document["features"]?.array?.first)
            try #require(feature["properties"]?["@id"] == feature["@id"] && feature["properties"]?["title"]?.string == "Parking des Halles")
            let data = feature["properties"]?["layers"]?["\(site.key).parking"]?["data"]
            try #require(data?["@context"]?["@vocab"]?.string == "\(site.base)/layers/\(site.key).parking/fields/")
        }
    }
    @Test("L-42") func l42() async throws {
        try await row("L-42", "a layer is a dcat:Dataset of its owner") { site in
            let layer = try #require(try await site.features("/layers/~.poi?format=jsonld").first)
            try #require(layer["@type"]?.array?.contains(.string("dcat:Dataset")) == true)
            try #require(layer["properties"]?["owner"]?.string == "owners/\(site.key)")
        }
    }

    // MARK: HTTP

    @Test("L-43") func l43() async throws { try await refusal("L-43", "another format: 406", 406, "/objects?format=csv", "/objects.csv") }
    @Test("L-44") func l44() async throws { try await refusal("L-44", "two slashes: 404", 404, "//objects", "/objects/", "/nothing") }
    @Test("L-45") func l45() async throws {
        try await row("L-45", "another method: 405") { site in
            let answer = try await site.gateway.send("DELETE", site.base + "/layers")
            try #require(answer.status == 405 && answer.header("Allow") == "GET, HEAD, OPTIONS")
        }
    }
    @Test("L-46") func l46() async throws {
        try await row("L-46", "open to every origin") { site in
            let answer = try await site.get("/objects", ["Origin": "https://a.example"])
            try #require(answer.header("Access-Control-Allow-Origin") == "*")
        }
    }
    @Test("L-47") func l47() async throws {
        try await row("L-47", "a request that no moderator has published is nowhere") { site in
            let everything = try await site.get("/objects?layer=*&per_page=1000").text
            try #require(!everything.contains("service_request") && !everything.contains("Trou dans"))
        }
    }
    @Test("L-48") func l48() async throws {
        try await row("L-48", "nobody's name or address anywhere") { site in
            for path in ["/objects?layer=*&per_page=1000", "/layers", "/owners", "/"] {
                let text = try await site.get(path).text
                for word in ["email", "first_name", "last_name", "account_id", "device_id"] {
                    try #require(!text.contains(word), "\(path) \(word)")
                }
            }
        }
    }
    @Test("L-49") func l49() async throws {
        try await row("L-49", "the CRM closes a request: the next read says so", refusedBecause: Self.noRequests) { site in
            try #require(try await site.get("/layers/~.requests/objects").status == 404)
        }
    }

    // MARK: Writing

    @Test("L-50") func l50() async throws { try await unwritten("L-50", "writing without a session: 401", "POST", "/layers/~.poi/objects") }
    @Test("L-51") func l51() async throws { try await unwritten("L-51", "an object is made", "POST", "/layers/~.poi/objects") }
    @Test("L-52") func l52() async throws { try await unwritten("L-52", "the same again: 422", "POST", "/layers/~.poi/objects") }
    @Test("L-53") func l53() async throws { try await unwritten("L-53", "nested data, no geometry: 422", "POST", "/layers/~.poi/objects") }
    @Test("L-54") func l54() async throws {
        try await unwritten("L-54", "data are merged", "PATCH", "/objects/~.poi.p.17/layers/~.poi")
    }
    @Test("L-55") func l55() async throws { try await unwritten("L-55", "an object is deleted", "DELETE", "/objects/~.poi.p.17") }
    @Test("L-56") func l56() async throws {
        try await row("L-56", "as the Ruby gem pages: `Link` begins with the next page, until there is none") { site in
            var address: String? = site.base + "/layers/\(site.key).parking/objects?format=jsonld&per_page=1"
            var pages: [String] = []
            while let next = address, pages.count < 5 {
                let answer = try await site.gateway.get(next, headers: ["Content-Type": "application/json"])
                pages += try #require(try answer.json()["features"]?.array).compactMap { $0["properties"]?["cdk_id"]?.string }
                address = try answer.header("Link")?.firstMatch(of: Regex("^<(.+)>; rel=\"next\""))?.output[1].substring.map(String.init)
            }
            try #require(pages == ["\(site.key).parking.k.1", "\(site.key).parking.k.2"], "\(pages)")
        }
    }
}
