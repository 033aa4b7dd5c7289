import Open311
import Testing

@Suite("Service definition")
struct DefinitionRows {
    private func definition(_ gateway: GatewayUnderTest) async throws -> [JSON] {
        try #require(try await gateway.get("services/POT.json?jurisdiction_id=a.example").json()["attributes"]?.array)
    }

    private func attribute(_ code: String, _ gateway: GatewayUnderTest) async throws -> JSON {
        try #require(try await definition(gateway).first { $0["code"]?.string == code })
    }

    @Test("F01") func f01() async throws {
        try await row("F01", "POT.xml: 200, `service_definition` with the code and `attributes/attribute`") { gateway in
            let answer = try await gateway.get("services/POT.xml?jurisdiction_id=a.example")
            let root = try answer.xml()
            try #require(answer.status == 200 && root.name == "service_definition" && root["service_code"]?.text == "POT" && root.isBare)
            try #require(root["attributes"]?.all("attribute").count == 5)
            try #require(root.says(try await gateway.get("services/POT.json?jurisdiction_id=a.example").json()))
        }
    }

    @Test("F02") func f02() async throws {
        try await row("F02", "POT.json: 200, an object with the code and an array of attributes") { gateway in
            let answer = try await gateway.get("services/POT.json?jurisdiction_id=a.example")
            try #require(answer.status == 200 && (try answer.json())["service_code"]?.string == "POT")
            try #require(try answer.json()["attributes"]?.array?.count == 5)
        }
    }

    @Test("F03") func f03() async throws {
        try await row("F03", "each attribute has the types of the schema") { gateway in
            let types: Set<String> = ["string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"]
            for attribute in try await definition(gateway) {
                try #require(attribute["variable"]?.bool != nil && attribute["required"]?.bool != nil && attribute["code"]?.string != nil)
                try #require(types.contains(attribute["datatype"]?.string ?? "") && attribute["order"]?.isIntegral == true)
                try #require(attribute["datatype_description"]?.isTextOrNull == true && attribute["description"]?.isTextOrNull == true)
            }
        }
    }

    @Test("F04") func f04() async throws {
        try await row("F04", "attributes are sorted by `order`, each 1 or more and its own") { gateway in
            let orders = try await definition(gateway).compactMap { $0["order"]?.number }
            try #require(orders == orders.sorted() && Set(orders).count == orders.count && orders.allSatisfy { $0 >= 1 })
        }
    }

    @Test("F05") func f05() async throws {
        try await row("F05", "a list's values are `key` and `name`, strings, in the catalogue's order") { gateway in
            let values = try #require(try await attribute("shape", gateway)["values"]?.array)
            try #require(values.compactMap { $0["key"]?.string } == ["circle", "square", "triangle"])
            try #require(values.allSatisfy { $0["name"]?.string?.isEmpty == false })
            let xml = try await gateway.get("services/POT.xml?jurisdiction_id=a.example").xml()
            let shape = try #require(xml["attributes"]?.children.first { $0["code"]?.text == "shape" }?["values"])
            try #require(shape.all("value").map { $0.children.map(\.name) } == [["key", "name"], ["key", "name"], ["key", "name"]])
        }
    }

    @Test("F06") func f06() async throws {
        try await row("F06", "an attribute that is no list has no `values`") { gateway in
            try #require(try await attribute("depth", gateway)["values"] == nil)
            let xml = try await gateway.get("services/POT.xml?jurisdiction_id=a.example").xml()
            try #require(xml["attributes"]?.children.first { $0["code"]?.text == "depth" }?["values"] == nil)
        }
    }

    @Test("F07") func f07() async throws {
        try await row("F07", "a list with one value is an array of one") { gateway in
            var service = try ConformanceFixture.services()[0]
            service.attributes[1].choices = Array(service.attributes[1].choices.prefix(1))
            let city = try await gateway.city("f07", services: [service])
            let attributes = try await gateway.get("\(city.base)/services/POT.json").json()["attributes"]?.array ?? []
            try #require(attributes.first { $0["code"]?.string == "shape" }?["values"]?.array?.count == 1)
        }
    }

    @Test("F08") func f08() async throws {
        try await row("F08", "a service without questions: 200 with no attributes") { gateway in
            let answer = try await gateway.get("services/BIN.json?jurisdiction_id=a.example")
            try #require(answer.status == 200 && answer.text == "{\"service_code\":\"BIN\",\"attributes\":[]}")
        }
    }

    @Test("F09") func f09() async throws {
        try await row("F09", "unknown code: 404 that names the service_code") { gateway in
            try (try await gateway.get("services/NOPE.json?jurisdiction_id=a.example")).requireRefusal(404, naming: "service_code")
        }
    }

    @Test("F10") func f10() async throws {
        try await row("F10", "no jurisdiction: 400 about `jurisdiction_id`") { gateway in
            try (try await gateway.get("services/POT.json")).requireRefusal(400, naming: "jurisdiction_id")
        }
    }

    @Test("F11") func f11() async throws {
        try await row("F11", "unknown jurisdiction: 404 about `jurisdiction_id`") { gateway in
            let answer = try await gateway.get("services/POT.json?jurisdiction_id=nowhere.example")
            try answer.requireRefusal(404, naming: "jurisdiction_id")
        }
    }

    @Test("F12") func f12() async throws {
        try await row("F12", "another city's code: 404") { gateway in
            try (try await gateway.get("services/CITY-B.json?jurisdiction_id=a.example")).requireRefusal(404)
        }
    }

    @Test("F13") func f13() async throws {
        try await row("F13", "a code with a dot: the last dot parts the extension") { gateway in
            let answer = try await gateway.get("services/A.12.json?jurisdiction_id=a.example")
            try #require(answer.status == 200 && (try answer.json())["service_code"]?.string == "A.12")
        }
    }

    @Test("F14") func f14() async throws {
        try await row("F14", "a percent-encoded code with a space and &") { gateway in
            let answer = try await gateway.get("services/Voirie%20%26%20Eau.json?jurisdiction_id=a.example")
            try #require(answer.status == 200 && (try answer.json())["service_code"]?.string == "Voirie & Eau")
        }
    }

    @Test("F15") func f15() async throws {
        try await row("F15", "`/service/POT.xml`, as PyPI open311 asks, is `/services/POT.xml`") { gateway in
            let alias = try await gateway.get("service/POT.xml?jurisdiction_id=a.example")
            let plural = try await gateway.get("services/POT.xml?jurisdiction_id=a.example")
            try #require(alias.status == 200 && alias.body == plural.body)
        }
    }

    @Test("F16") func f16() async throws {
        try await row("F16", "a notice: `variable` false, `required` false, its text in `description`") { gateway in
            let note = try await attribute("note", gateway)
            try #require(note["variable"]?.bool == false && note["required"]?.bool == false)
            try #require(note["description"]?.string?.isEmpty == false)
        }
    }
}
