import Open311

/// A tenant's boundary as GeoJSON text (RFC 7946): a polygon, a multipolygon, a feature of one, or a collection of such features.
public enum BoundaryJSON {
    /// As an operator's file has it.
    ///
    /// - Throws: ``InvalidValue`` that says what is wrong with it.
    public static func boundary(_ bytes: [UInt8]) throws(InvalidValue) -> Boundary {
        let checked: Boundary?
        do { checked = try BoundaryRules.checked(try value(bytes)) } catch let fault as ReferenceFaults { throw invalid(fault) } catch {
            throw InvalidValue(name: "boundary", problem: "\(error)")
        }
        guard let checked else {
            throw InvalidValue(name: "boundary", problem: "must be a GeoJSON Polygon or MultiPolygon, or features of them")
        }
        return checked
    }

    /// As it is stored, where it was checked before.
    static func stored(_ bytes: [UInt8]) throws(InvalidValue) -> Boundary {
        do { return try BoundaryRules.stored(try value(bytes)) } catch let fault as ReferenceFaults { throw invalid(fault) } catch {
            throw InvalidValue(name: "boundary", problem: "\(error)")
        }
    }

    /// What is stored: a bare multipolygon.
    public static func bytes(_ boundary: Boundary) -> [UInt8] { BoundaryRules.document(boundary).canonicalBytes }

    private static func value(_ bytes: [UInt8]) throws(ReferenceFaults) -> JSONValue {
        do { return try JSONReader.value(bytes) } catch {
            throw ReferenceFaults([
                ReferenceFault("", "boundary must be a GeoJSON Polygon or MultiPolygon, or features of them: \(error).")
            ])
        }
    }

    private static func invalid(_ faults: ReferenceFaults) -> InvalidValue {
        let first = faults.listed.first?.text ?? "boundary is wrong."
        let problem = first.hasPrefix("boundary ") ? String(first.dropFirst(9)) : first
        return InvalidValue(name: "boundary", problem: problem.hasSuffix(".") ? String(problem.dropLast()) : problem)
    }
}
