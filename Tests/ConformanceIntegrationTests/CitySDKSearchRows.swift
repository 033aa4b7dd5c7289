import Open311
import TestSupport
import Testing

@Suite("CitySDK participation: reading")
struct CitySDKSearchRows {
    private static let all = ["r-005", "r-004", "r-003", "r-002", "r-001"]
    private static let here = [("lat", "43.6"), ("long", "3.2")]

    private func row(
        _ id: String,
        _ title: String,
        refusedBecause refusal: String? = nil,
        _ body: (GatewayUnderTest, CitySDKTown) async throws -> Void
    ) async throws {
        try await ConformanceIntegrationTests.row(id, title, refusedBecause: refusal) { try await body($0, try await CitySDKTown.shared()) }
    }

    @Test("P-01") func p01() async throws {
        try await row("P-01", "requests.json: newest first, without `extended_attributes`") { gateway, town in
            try #require(try await town.names([], gateway) == Self.all)
            try #require(try await town.get([], gateway).items().allSatisfy { $0["extended_attributes"] == nil })
        }
    }

    @Test("P-02") func p02() async throws {
        try await row("P-02", "`extensions=false`: the same") { gateway, town in
            try #require(try await town.get([("extensions", "false")], gateway).items().allSatisfy { $0["extended_attributes"] == nil })
        }
    }

    private func requireDetailed(_ gateway: GatewayUnderTest, _ town: CitySDKTown, _ value: String) async throws {
        let items = try await town.get([("extensions", value)], gateway).items()
        try #require(items.count == 5 && items.allSatisfy { $0["extended_attributes"]?["detailed_status"]?.string?.isEmpty == false })
    }

    @Test("P-03") func p03() async throws {
        try await row("P-03", "`extensions=true`: each has `extended_attributes` with `detailed_status`") {
            try await requireDetailed($0, $1, "true")
        }
    }

    @Test("P-04") func p04() async throws {
        try await row("P-04", "`extensions=TRUE` and `all`: the same") { gateway, town in
            for value in ["TRUE", "all"] { try await requireDetailed(gateway, town, value) }
        }
    }

    @Test("P-05") func p05() async throws {
        try await row("P-05", "`extensions=citysdk`: without `media_urls`") { gateway, town in
            try await requireDetailed(gateway, town, "citysdk")
            let items = try await town.get([("extensions", "citysdk")], gateway).items()
            try #require(items.allSatisfy { $0["extended_attributes"]?["media_urls"] == nil })
        }
    }

    @Test("P-06") func p06() async throws {
        try await row("P-06", "`extensions=citysdk,media,foo`: `media_urls` where there are any") { gateway, town in
            let items = try await town.get([("extensions", "citysdk,media,foo")], gateway).items()
            try #require(items.map { $0["extended_attributes"]?["media_urls"]?.array?.count ?? 0 } == [0, 0, 1, 2, 0])
        }
    }

    @Test("P-07") func p07() async throws {
        try await row("P-07", "one request with extensions: detailed status whole, `media_url` the first of `media_urls`") {
            gateway,
            town in
            let url = "\(town.city.base)/requests/\(try town.id("r-002")).json?extensions=true"
            let items = try await gateway.get(url).items()
            let extended = items.first?["extended_attributes"]
            try #require(items.count == 1 && items[0]["status"]?.string == "open")
            try #require(extended?["detailed_status"]?.string == "IN_PROCESS,PUBLIC_WORKS_IN_PROGRESS")
            try #require(items[0]["media_url"] == extended?["media_urls"]?.array?.first && items[0]["media_url"]?.string != nil)
        }
    }

    @Test("P-08") func p08() async throws {
        try await row("P-08", "the same in XML: `extended_attributes/media_urls/media_url` twice") { gateway, town in
            let root = try await gateway.get("\(town.city.base)/requests/\(try town.id("r-002")).xml?extensions=true").xml()
            try #require(root.name == "service_requests" && root.all("request").count == 1 && root.isBare)
            try #require(root["request"]?["extended_attributes"]?["media_urls"]?.all("media_url").count == 2)
        }
    }

    @Test("P-10") func p10() async throws {
        try await row("P-10", "300 m around: the one at the spot") {
            try await $1.require($0, Self.here + [("radius", "300")], are: "r-001")
        }
    }

    @Test("P-11") func p11() async throws {
        try await row("P-11", "400 m: the one at 333 m too") {
            try await $1.require($0, Self.here + [("radius", "400")], are: "r-001", "r-002")
        }
    }

    @Test("P-12") func p12() async throws {
        try await row("P-12", "1,000 m: those at 806 m too") {
            try await $1.require($0, Self.here + [("radius", "1000")], are: "r-001", "r-002", "r-003", "r-005")
        }
    }

    @Test("P-13") func p13() async throws {
        try await row("P-13", "10,000 m: all") {
            try await $1.require($0, Self.here + [("radius", "10000")], are: "r-001", "r-002", "r-003", "r-004", "r-005")
        }
    }

    @Test("P-14") func p14() async throws {
        try await row("P-14", "a radius and a status without a match: 200, `[]`") { gateway, town in
            let answer = try await town.get(Self.here + [("radius", "400"), ("status", "closed")], gateway)
            try #require(answer.status == 200 && answer.text == "[]")
        }
    }

    @Test("P-15") func p15() async throws {
        try await row("P-15", "a radius without `long`: 400") { gateway, town in
            try (try await town.get([("lat", "43.6"), ("radius", "400")], gateway)).requireRefusal(400)
        }
    }

    @Test("P-16") func p16() async throws {
        try await row("P-16", "`radius=abc`, `radius=-1`, `lat=95`: 400 each") { gateway, town in
            for radius in ["abc", "-1"] {
                try (try await town.get(Self.here + [("radius", radius)], gateway)).requireRefusal(400, naming: "radius")
            }
            try (try await town.get([("lat", "95"), ("long", "3.2"), ("radius", "1")], gateway)).requireRefusal(400, naming: "lat")
        }
    }

    @Test("P-17") func p17() async throws {
        try await row("P-17", "`lon` for `long`: 400, `long` is missing") { gateway, town in
            let answer = try await town.get([("lat", "43.6"), ("lon", "3.2"), ("radius", "400")], gateway)
            try answer.requireRefusal(400, naming: "long")
        }
    }

    @Test("P-18") func p18() async throws {
        try await row("P-18", "`lat` and `long` without radius: no filter") { try #require(try await $1.names(Self.here, $0) == Self.all) }
    }

    @Test("P-19") func p19() async throws {
        try await row("P-19", "a bounding box") { try await $1.require($0, [("bbox", "3.195,43.599,3.205,43.604")], are: "r-001", "r-002") }
    }

    @Test("P-20") func p20() async throws {
        try await row("P-20", "its corners swapped, with `;`") {
            try await $1.require($0, [("bbox", "3.205;43.604;3.195;43.599")], are: "r-001", "r-002")
        }
    }

    @Test("P-21") func p21() async throws {
        try await row("P-21", "a box of three numbers, or off the globe: 400") { gateway, town in
            for box in ["1,2,3", "3,95,4,96"] { try (try await town.get([("bbox", box)], gateway)).requireRefusal(400, naming: "bbox") }
        }
    }

    @Test("P-22") func p22() async throws {
        try await row("P-22", "`updated_after`, its moment included") { gateway, town in
            let moment = try CitySDKTown.moment("2026-03-11T07:00:00Z")
            try await town.require(gateway, [("updated_after", moment)], are: "r-003", "r-004", "r-005")
        }
    }

    @Test("P-23") func p23() async throws {
        try await row("P-23", "`updated_before`, its moment included") { gateway, town in
            let moment = try CitySDKTown.moment("2026-03-06T10:00:00Z")
            try await town.require(gateway, [("updated_before", moment)], are: "r-001", "r-002")
        }
    }

    @Test("P-24") func p24() async throws {
        try await row("P-24", "both") { gateway, town in
            let period = [
                ("updated_after", try CitySDKTown.moment("2026-03-06T00:00:00Z")),
                ("updated_before", try CitySDKTown.moment("2026-03-11T23:59:59Z")),
            ]
            try await town.require(gateway, period, are: "r-002", "r-004")
        }
    }

    @Test("P-25") func p25() async throws {
        try await row("P-25", "the same moment written with another offset") { gateway, town in
            // One hour later on the clock of UTC+1.
            let shown = try CitySDKTown.moment("2026-03-11T08:00:00Z").replacing("Z", with: "+01:00")
            try await town.require(gateway, [("updated_after", shown)], are: "r-003", "r-004", "r-005")
        }
    }

    @Test("P-26") func p26() async throws {
        try await row("P-26", "`updated_after=yesterday`: 400") { gateway, town in
            try (try await town.get([("updated_after", "yesterday")], gateway)).requireRefusal(400, naming: "updated_after")
        }
    }

    @Test("P-27") func p27() async throws {
        try await row("P-27", "`start_date` and `end_date`, both included") { gateway, town in
            let period = [
                ("start_date", try CitySDKTown.moment("2026-03-07T12:00:00Z")),
                ("end_date", try CitySDKTown.moment("2026-03-10T07:15:00Z")),
            ]
            try await town.require(gateway, period, are: "r-003", "r-004")
        }
    }

    @Test("P-28") func p28() async throws {
        try await row("P-28", "more than 90 days: 400") { gateway, town in
            let period = [
                ("start_date", try CitySDKTown.moment("2025-01-01T00:00:00Z")),
                ("end_date", try CitySDKTown.moment("2026-03-01T00:00:00Z")),
            ]
            try (try await town.get(period, gateway)).requireRefusal(400)
        }
    }

    @Test("P-29") func p29() async throws {
        try await row("P-29", "`status=open,closed`: all") { try #require(try await $1.names([("status", "open,closed")], $0) == Self.all) }
    }

    @Test("P-30") func p30() async throws {
        try await row("P-30", "`status=open`") { try await $1.require($0, [("status", "open")], are: "r-001", "r-002", "r-005") }
    }

    @Test("P-31") func p31() async throws {
        try await row("P-31", "`status=pending`: 400") {
            try (try await $1.get([("status", "pending")], $0)).requireRefusal(400, naming: "status")
        }
    }

    @Test("P-32") func p32() async throws {
        try await row("P-32", "`detailed_status=IN_PROCESS`") {
            try await $1.require($0, [("detailed_status", "IN_PROCESS")], are: "r-002")
        }
    }

    @Test("P-33") func p33() async throws {
        try await row("P-33", "several detailed statuses, in any case") {
            try await $1.require($0, [("detailed_status", "received,REJECTED")], are: "r-001", "r-004", "r-005")
        }
    }

    @Test("P-34") func p34() async throws {
        try await row("P-34", "a finer status") {
            try await $1.require($0, [("detailed_status", "PUBLIC_WORKS_IN_PROGRESS")], are: "r-002")
        }
    }

    @Test("P-35") func p35() async throws {
        try await row("P-35", "by service object") {
            let object = [("service_object_type", $1.namespace), ("service_object_id", "p-17")]
            try await $1.require($0, object, are: "r-003", "r-005")
            // A part of the namespace in any case will do, for clients that know no more of it.
            try await $1.require($0, [("service_object_type", "TOURISM/POIS"), ("service_object_id", "p-17")], are: "r-003", "r-005")
            try await $1.require($0, [("service_object_type", "elsewhere"), ("service_object_id", "p-17")])
        }
    }

    @Test("P-36") func p36() async throws {
        try await row("P-36", "an object's id without its type: 400") {
            try (try await $1.get([("service_object_id", "p-17")], $0)).requireRefusal(400, naming: "service_object_type")
        }
    }

    @Test("P-37") func p37() async throws {
        try await row("P-37", "by the type alone") {
            try await $1.require($0, [("service_object_type", $1.namespace)], are: "r-003", "r-004", "r-005")
        }
    }

    @Test("P-38") func p38() async throws {
        try await row("P-38", "ids override the status") {
            try await $1.require(
                $0,
                [("service_request_id", "\(try $1.id("r-001")),\(try $1.id("r-004"))"), ("status", "open")],
                are: "r-001",
                "r-004"
            )
        }
    }

    @Test("P-39") func p39() async throws {
        try await row("P-39", "an unknown id: 200, `[]`") {
            let answer = try await $1.get([("service_request_id", "zzz")], $0)
            try #require(answer.status == 200 && answer.text == "[]")
        }
    }

    @Test("P-40") func p40() async throws {
        try await row("P-40", "`search=lampadaire`, in any case") {
            try await $1.require($0, [("search", "lampadaire")], are: "r-003")
            try await $1.require($0, [("search", "LAMPADAIRE")], are: "r-003")
        }
    }

    @Test("P-41") func p41() async throws {
        try await row("P-41", "`order_by=updated_datetime`") {
            try #require(try await $1.names([("order_by", "updated_datetime")], $0) == ["r-001", "r-002", "r-004", "r-005", "r-003"])
        }
    }

    @Test("P-42") func p42() async throws {
        try await row("P-42", "`order_by=password`: 400") {
            try (try await $1.get([("order_by", "password")], $0)).requireRefusal(400, naming: "order_by")
        }
    }

    @Test("P-43") func p43() async throws {
        try await row("P-43", "`page_size=2&page=2`: the second two; `X-Result-Count: 5`, `X-Page-Count: 3`") { gateway, town in
            let page = [("page_size", "2"), ("page", "2")]
            try #require(try await town.names(page, gateway) == ["r-003", "r-002"])
            let answer = try await town.get(page, gateway)
            try #require(answer.header("X-Result-Count") == "5" && answer.header("X-Page-Count") == "3")
        }
    }

    @Test("P-65") func p65() async throws {
        try await row("P-65", "the city's own jurisdiction on its own base") {
            try #require(try await $1.names([("jurisdiction_id", $1.city.jurisdiction)], $0) == Self.all)
        }
    }

    @Test("P-66") func p66() async throws {
        let why = "members without value are `null`, as GeoReport's own schema says and its apps read them; one validator wants `\"\"`"
        try await row("P-66", "every item by the 6aika validator’s schema, which has no null in texts", refusedBecause: why) {
            gateway,
            town in
            let known: Set<String> = [
                "service_request_id", "status", "status_notes", "service_name", "service_code", "description", "agency_responsible",
                "service_notice", "requested_datetime", "updated_datetime", "expected_datetime", "address", "address_id", "zipcode", "lat",
                "long", "media_url",
            ]
            for item in try await town.get([], gateway).items() {
                try #require(Set(try #require(item.object).keys) == known)
                for name in ["status_notes", "agency_responsible", "address", "zipcode", "address_id"] {
                    try #require(item[name]?.isTextOrNull == true)
                }
                for name in ["service_name", "description"] { try #require(item[name]?.string?.isEmpty == false) }
            }
        }
    }
}
