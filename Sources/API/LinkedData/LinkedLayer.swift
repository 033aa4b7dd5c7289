import Open311

/// A data set of a tenant's: its points of interest, or its parkings. The rows of the CitySDK reference, 3.8.
struct LinkedLayer: Equatable {
    struct Field: Equatable {
        let name: String
        let type: String
        var unit: String?
        let description: String
    }

    /// The last word of its name.
    let word: String
    let title: String
    let description: String
    let category: String
    let rdfType: String
    let kinds: Set<PlaceKind>
    let fields: [Field]

    func name(_ tenant: Tenant) -> String { "\(tenant.key).\(word)" }

    static let all = [pointsOfInterest, parkings]

    private static let identity = Field(name: "poi", type: "xsd:string", description: "Its id, as in Tourism and in requests.")

    static let pointsOfInterest = LinkedLayer(
        word: "poi", title: "Points of interest", description: "Points of interest and facilities of the city", category: "tourism",
        rdfType: "http://schema.org/Place", kinds: [.pointOfInterest, .facility],
        fields: [
            identity, Field(name: "category", type: "xsd:string", description: "The id of its category."),
            Field(name: "lang", type: "xsd:language", description: "Of its title."),
            Field(name: "address", type: "xsd:string", description: "Where it is, for people."),
            Field(name: "phone", type: "xsd:string", description: "Its telephone."),
            Field(name: "url", type: "xsd:anyURI", description: "Its own page."),
        ])

    static let parkings = LinkedLayer(
        word: "parking", title: "Parkings", description: "Parkings of the city with their free places", category: "mobility",
        rdfType: "http://dbpedia.org/resource/Parking_lot", kinds: [.parking],
        fields: [
            identity, Field(name: "capacity", type: "xsd:integer", description: "Places for cars."),
            Field(name: "free", type: "xsd:integer", description: "Free places at the last count."),
            Field(
                name: "occupation", type: "xsd:integer", unit: "percent", description: "Of the capacity; absent when the count is old."),
            Field(name: "occupation_at", type: "xsd:dateTime", description: "When it was last counted."),
            Field(name: "price", type: "xsd:string", description: "What it costs, for people."),
        ])

    static func of(_ kind: PlaceKind) -> LinkedLayer { kind == .parking ? parkings : pointsOfInterest }

    /// The layer of that name among the tenant's; nil when there is none.
    static func named(_ name: String, of tenant: Tenant) -> LinkedLayer? { all.first { $0.name(tenant) == name } }
}
