/// A WGS84 position in decimal degrees.
public struct Coordinate: Sendable, Equatable {
    public let latitude: Double
    public let longitude: Double

    /// - Returns: nil unless both are finite, latitude −90 to 90, longitude −180 to 180.
    public init?(latitude: Double, longitude: Double) {
        guard latitude.isFinite, longitude.isFinite, (-90...90).contains(latitude), (-180...180).contains(longitude) else { return nil }
        self.latitude = latitude
        self.longitude = longitude
    }
}

/// Where it is: at least one of the three is there (GeoReport v2, POST requests: "location").
public struct Location: Sendable, Equatable {
    public var coordinate: Coordinate?
    /// Free text, most specific first.
    public var address: String?
    /// An id in the city's address register.
    public var addressID: String?
    public var zipcode: String?

    public init(coordinate: Coordinate?, address: String?, addressID: String?, zipcode: String? = nil) {
        self.coordinate = coordinate
        self.address = address
        self.addressID = addressID
        self.zipcode = zipcode
    }
}
