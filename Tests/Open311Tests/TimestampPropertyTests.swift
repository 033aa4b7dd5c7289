import Foundation
import Open311
import Testing

@Suite("Any date and time")
struct TimestampPropertyTests {
    /// 0001-01-01 to 9999-12-31, in seconds.
    private static let years: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    @Test("written and read back is the same second, and Foundation reads it so too")
    func roundTrip() throws {
        let formatter = ISO8601DateFormatter()
        for _ in 0..<2_000 {
            let moment = Timestamp(seconds: .random(in: Self.years))
            let text = moment.iso8601
            #expect(Timestamp(parsing: text) == moment, "\(text)")
            // Foundation's calendar is Julian before 1582.
            if moment.seconds > -12_000_000_000 {
                #expect(Int64(try #require(formatter.date(from: text)).timeIntervalSince1970) == moment.seconds, "\(text)")
            }
        }
    }

    @Test("with an offset is that much earlier, in every way of writing it")
    func offsets() {
        for _ in 0..<500 {
            let moment = Timestamp(seconds: .random(in: 0...4_000_000_000))
            let (hours, minutes) = (Int64.random(in: 0...14), Int64.random(in: 0...59))
            let digits = { (value: Int64) in (value < 10 ? "0" : "") + String(value) }
            let local = moment.iso8601.dropLast()
            for (sign, factor) in [("+", Int64(-1)), (" ", -1), ("-", 1)] {
                for separator in [":", ""] {
                    let text = "\(local)\(sign)\(digits(hours))\(separator)\(digits(minutes))"
                    #expect(Timestamp(parsing: text) == moment.adding(seconds: factor * (hours * 3_600 + minutes * 60)), "\(text)")
                }
            }
        }
    }

    @Test("of any characters is read or refused, never worse")
    func noise() {
        let pieces = ["2026", "-", "02", "29", "31", "T", ":", "60", "24", ".", ",", "5", "Z", "+", " ", "é", "0000", "99"]
        for _ in 0..<5_000 {
            var text = Bool.random() ? "2026-02-" : ""
            for _ in 0..<Int.random(in: 0...12) { text += pieces.randomElement() ?? "" }
            guard let moment = Timestamp(parsing: text) else { continue }
            // A day beyond the four digits of the writer comes only from an offset.
            #expect(Self.years.lowerBound - 400 * 86_400...Self.years.upperBound + 86_400 ~= moment.seconds, "\(text)")
        }
    }

    @Test(
        "that does not exist is refused",
        arguments: ["2026-02-29", "2026-13-01", "2026-00-01", "2026-01-32", "2026-01-01T24:01:00Z", "2026-1-1", "26-01-01"])
    func impossible(text: String) { #expect(Timestamp(parsing: text) == nil) }
}
