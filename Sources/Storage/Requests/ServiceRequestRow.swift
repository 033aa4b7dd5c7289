import Foundation
import Open311
import Postgres

/// Reads a service request from a row of ``RequestSQL``.
enum ServiceRequestRow {
    private struct StoredAnswer: Decodable {
        let code: String
        let values: [String]
    }

    static func request(_ row: Row) throws(PostgresError) -> ServiceRequest {
        guard let status = try? DetailedStatus(validating: try row.text(1)), let code = try? ServiceCode(validating: try row.text(3)) else {
            throw PostgresError(.decoding, detail: "a stored status or service code breaks its rule")
        }
        let latitude = row.optionalDouble(11)
        let longitude = row.optionalDouble(12)
        let coordinate = latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } }
        return ServiceRequest(
            id: ServiceRequestID(stored: try row.int64(0)),
            status: status,
            statusNotes: row.optionalText(2),
            serviceCode: code,
            serviceName: try row.text(4),
            description: try row.text(5),
            agencyResponsible: row.optionalText(6),
            serviceNotice: row.optionalText(7),
            requestedAt: Timestamp(microseconds: try row.timestamp(8)),
            updatedAt: Timestamp(microseconds: try row.timestamp(9)),
            expectedAt: row.optionalTimestamp(10).map { Timestamp(microseconds: $0) },
            location: Location(
                coordinate: coordinate, address: row.optionalText(13), addressID: row.optionalText(14), zipcode: row.optionalText(15)),
            mediaURLs: StoredMedia.shown(try row.texts(16), at: .now),
            answers: try answers(row.json(17)),
            title: row.optionalText(18),
            object: row.optionalText(19).flatMap { type in row.optionalText(20).map { ServiceObject(type: type, id: $0) } },
            givenID: row.optionalText(21).map { GivenID(stored: $0) },
            mergedInto: row.optionalInt64(22).map { ServiceRequestID(stored: $0) }
        )
    }

    /// From a row of ``RequestSQL/columns`` with key label, language, sequence and catalogue version after them.
    static func snapshot(_ row: Row, reporter: Row?) throws(PostgresError) -> RequestSnapshot {
        RequestSnapshot(
            request: try request(row), reporter: reporter.map { Self.reporter($0, from: 1) }, receivedVia: try row.text(23),
            language: Language(parsing: try row.text(24)) ?? .english, sequence: try row.int32(25),
            catalogueVersion: row.isNull(26) ? nil : try row.int32(26))
    }

    /// - Parameter column: the first of eight.
    static func reporter(_ row: Row, from column: Int) -> Reporter {
        Reporter(
            firstName: row.optionalText(column), lastName: row.optionalText(column + 1), email: row.optionalText(column + 2),
            phone: row.optionalText(column + 3), accountID: row.optionalText(column + 4), deviceID: row.optionalText(column + 5),
            organisation: row.optionalText(column + 6), siret: row.optionalText(column + 7))
    }

    private static func answers(_ json: [UInt8]) throws(PostgresError) -> [Answer] {
        // Almost always empty: no decoder for that.
        guard json.count > 2 else { return [] }
        guard let stored = try? JSONDecoder().decode([StoredAnswer].self, from: Data(json)) else {
            throw PostgresError(.decoding, detail: "stored answers are no list of codes and values")
        }
        return stored.map { Answer(code: $0.code, values: $0.values) }
    }
}
