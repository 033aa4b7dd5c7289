/// Finds the name that was meant.
enum NearestName {
    /// - Returns: nil when none is near.
    static func of(_ text: String, in known: [String]) -> String? {
        let limit = max(2, text.count / 3)
        let ranked = known.map { (name: $0, distance: distance(Array(text.lowercased().utf8.prefix(64)), Array($0.utf8))) }
        return ranked.filter { $0.distance <= limit }.min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
    }

    /// How many letters have to be changed, added or taken away.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a == b ? 0 : 1))
                diagonal = above
            }
        }
        return row[right.count]
    }
}
