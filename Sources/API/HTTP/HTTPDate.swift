import Open311

/// The date of HTTP headers, as in `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func text(_ moment: Timestamp) -> String {
        let civil = moment.civil
        // 1970-01-01 was a Thursday.
        let day = Int(((moment.seconds / 86_400) % 7 + 7) % 7)
        let two = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[day]), \(two(civil.day)) \(months[civil.month - 1]) \(civil.year) "
            + "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) GMT"
    }

    /// Reads the form that senders must use; nil for the two obsolete ones, which a server may ignore by not answering 304.
    static func moment(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let day = Int(words[1]), let month = months.firstIndex(of: String(words[2])),
            let year = Int(words[3])
        else { return nil }
        let time = words[4].split(separator: ":").compactMap { Int($0) }
        guard time.count == 3,
            let civil = CivilDate(year: year, month: month + 1, day: day, hour: time[0], minute: time[1], second: time[2])
        else { return nil }
        return Timestamp(seconds: civil.secondsSince1970)
    }
}
