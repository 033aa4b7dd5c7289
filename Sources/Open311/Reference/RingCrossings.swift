/// Finds where the rings of a polygon cross: themselves, or each other (OGC Simple Features, 6.1.11). A ring may not even touch itself;
/// two rings may touch in a point.
struct RingCrossings {
    struct Crossing: Equatable {
        let ring: Int
        let text: String
    }

    private struct Segment {
        let from: Coordinate
        let to: Coordinate
        let ring: Int
        /// In its ring.
        let index: Int
        let west: Double
        let east: Double
        let south: Double
        let north: Double

        init(_ from: Coordinate, _ to: Coordinate, ring: Int, index: Int) {
            self.from = from
            self.to = to
            self.ring = ring
            self.index = index
            west = min(from.longitude, to.longitude)
            east = max(from.longitude, to.longitude)
            south = min(from.latitude, to.latitude)
            north = max(from.latitude, to.latitude)
        }
    }

    /// More of them help nobody.
    private static let maximum = 20

    /// - Parameter rings: each closed by its first position.
    static func found(in rings: [[Coordinate]]) -> [Crossing] {
        var segments: [Segment] = []
        var lengths: [Int] = []
        for (number, ring) in rings.enumerated() {
            var index = 0
            // A position that is repeated at once adds nothing.
            for (from, to) in zip(ring, ring.dropFirst()) where from != to {
                segments.append(Segment(from, to, ring: number, index: index))
                index += 1
            }
            lengths.append(index)
        }
        segments.sort { $0.west < $1.west }
        var crossings: [Crossing] = []
        for first in segments.indices {
            let one = segments[first]
            var second = first + 1
            // Those further on begin east of this one's end.
            while second < segments.count, segments[second].west <= one.east {
                let other = segments[second]
                second += 1
                guard other.south <= one.north, one.south <= other.north else { continue }
                guard let place = contact(one, other, lengths) else { continue }
                crossings.append(crossing(one, other, place))
                if crossings.count == maximum { return crossings }
            }
        }
        return crossings
    }

    private static func crossing(_ one: Segment, _ other: Segment, _ place: Coordinate) -> Crossing {
        let point = "longitude \(DecimalForm.text(place.longitude)), latitude \(DecimalForm.text(place.latitude))"
        return one.ring == other.ring
            ? Crossing(
                ring: one.ring,
                text: "boundary: this ring crosses or touches itself near \(point), between its positions "
                    + "\(min(one.index, other.index) + 1) and \(max(one.index, other.index) + 2).")
            : Crossing(ring: max(one.ring, other.ring), text: "boundary: this ring crosses another ring of its polygon near \(point).")
    }

    /// Twice the area of the triangle: positive when the third position is left of the way from the first to the second.
    private static func side(_ a: Coordinate, _ b: Coordinate, _ c: Coordinate) -> Double {
        (b.longitude - a.longitude) * (c.latitude - a.latitude) - (b.latitude - a.latitude) * (c.longitude - a.longitude)
    }

    /// Where two segments meet in a way that is not allowed; nil when they do not.
    private static func contact(_ one: Segment, _ other: Segment, _ lengths: [Int]) -> Coordinate? {
        let isSameRing = one.ring == other.ring
        if isSameRing {
            let count = lengths[one.ring]
            let distance = abs(one.index - other.index)
            if distance == 1 || distance == count - 1 { return spike(one, other) }
        }
        let (a, b) = (side(one.from, one.to, other.from), side(one.from, one.to, other.to))
        let (c, d) = (side(other.from, other.to, one.from), side(other.from, other.to, one.to))
        if (a > 0 && b < 0 || a < 0 && b > 0) && (c > 0 && d < 0 || c < 0 && d > 0) {
            let share = a / (a - b)
            return Coordinate(
                latitude: other.from.latitude + share * (other.to.latitude - other.from.latitude),
                longitude: other.from.longitude + share * (other.to.longitude - other.from.longitude))
        }
        if a == 0, b == 0 { return overlap(one, other, counting: isSameRing) }
        guard isSameRing else { return nil }
        if a == 0, holds(one, other.from) { return other.from }
        if b == 0, holds(one, other.to) { return other.to }
        if c == 0, holds(other, one.from) { return one.from }
        if d == 0, holds(other, one.to) { return one.to }
        return nil
    }

    private static func holds(_ segment: Segment, _ point: Coordinate) -> Bool {
        point.longitude >= segment.west && point.longitude <= segment.east && point.latitude >= segment.south
            && point.latitude <= segment.north
    }

    /// Of two on one line: a position that both have.
    ///
    /// - Parameter touches: whether one common position is enough.
    private static func overlap(_ one: Segment, _ other: Segment, counting touches: Bool) -> Coordinate? {
        let common = [one.from, one.to].filter { holds(other, $0) } + [other.from, other.to].filter { holds(one, $0) }
        guard let first = common.first else { return nil }
        return touches || common.contains { $0 != first } ? first : nil
    }

    /// Neighbours share a position; they may not lead back over one another.
    private static func spike(_ one: Segment, _ other: Segment) -> Coordinate? {
        guard side(one.from, one.to, other.from) == 0, side(one.from, one.to, other.to) == 0 else { return nil }
        return overlap(one, other, counting: false)
    }
}
