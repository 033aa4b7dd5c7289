import Foundation
import Open311
import Postgres
import Storage
import TestSupport

/// The places of the CitySDK rows (reference 2.11): three things to see, two parkings, and a kiosk that is gone.
enum TownPlaces {
    static let categories = """
        [{"id":"c-park","label":{"fr":"Parc de stationnement","en":"Parking"}},
         {"id":"c-park-cov","label":{"fr":"Parking couvert"},"parent":"c-park"},
         {"id":"c-mus","label":{"fr":"Musée","en":"Museum"}},
         {"id":"c-zone","label":{"fr":"Quartier"}}]
        """

    private static let sights = """
        {"id":"p-17","name":{"fr":"Musée du Moulin","en":"Mill Museum"},"category":"c-mus","tags":["culture"],
         "lat":43.6,"long":3.21,"codes":["QR-0017"],"parent":"z-1","address":"Place du Moulin, 34000 Valmont",
         "description":{"fr":"Un moulin."},"hours":{"fr":"Tous les jours"},"url":"https://valmont.example/moulin",
         "icon":"https://valmont.example/i/m.png"},
        {"id":"z-1","name":{"fr":"Centre historique"},"category":"c-zone",
         "outline":{"type":"Polygon","coordinates":[[[3.195,43.595],[3.215,43.595],[3.215,43.606],[3.195,43.606],[3.195,43.595]]]}}
        """

    static let parkings = """
        [{"id":"k-1","name":{"fr":"Parking des Halles","en":"Market Hall car park"},"category":"c-park-cov","tags":["centre"],
          "lat":43.601,"long":3.201,"capacity":212,"price":{"fr":"1,20 EUR l'heure"}},
         {"id":"k-2","name":{"fr":"Parking de la Gare"},"category":"c-park","tags":["centre","gare"],"lat":43.65,"long":3.2,"capacity":300}]
        """

    static func publish(_ gateway: GatewayUnderTest, _ city: GatewayUnderTest.City) async throws {
        let gone = #"{"id":"d-9","name":{"fr":"Ancien kiosque"},"lat":43.6,"long":3.2}"#
        let own = city.tenant.id
        try await project("place_categories", try canonicalCategories(), 1, own, gateway)
        for (version, list) in [(Int32(1), "[\(sights),\(gone)]"), (2, "[\(sights)]")] {
            try await project("points_of_interest", try canonical(list, .pointOfInterest), version, own, gateway)
        }
        try await project("parkings", try canonical(parkings, .parking), 1, own, gateway)
        let counts = try LiveCountStore(configuration: gateway.addresses.role("bus311_status"))
        _ = try await counts.record([GivenCount(id: try id("k-1"), free: 80, countedAt: .now)], of: own)
        await counts.close()
    }

    static func id(_ text: String) throws -> PlaceID {
        guard let id = PlaceID(text) else { throw UnexpectedAnswer(what: "\(text) is no id") }
        return id
    }

    static func canonical(_ list: String, _ kind: PlaceKind) throws -> [UInt8] {
        let places = try PlaceListReader(kind: kind, language: .french).places(try JSONReader.value(Array(list.utf8)))
        return JSONValue.array(places.map(PlaceDocument.value)).canonicalBytes
    }

    private static func canonicalCategories() throws -> [UInt8] {
        let read = try PlaceCategoryReader(language: .french).categories(try JSONReader.value(Array(categories.utf8)))
        return JSONValue.array(read.map(PlaceDocument.value)).canonicalBytes
    }

    /// As where reference data are published.
    static func project(_ kind: String, _ body: [UInt8], _ version: Int32, _ tenant: TenantID, _ gateway: GatewayUnderTest) async throws {
        let statement = Statement("project_\(kind)", "select bus311_project_\(kind)($1::integer, $2::integer, $3::jsonb)")
        try await gateway.owner.run { (session) throws(PostgresError) in
            _ = try session.execute(statement, [.int32(tenant.rawValue), .int32(version), .json(body)])
        }
    }
}
