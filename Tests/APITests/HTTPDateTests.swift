import Open311
import Testing

@testable import API

@Suite("Dates in HTTP headers")
struct HTTPDateTests {
    @Test(
        "a date is written as RFC 9110 wants it, and read back",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        ]
    )
    func written(seconds: Int64, text: String) {
        #expect(HTTPDate.text(Timestamp(seconds: seconds)) == text)
        #expect(HTTPDate.moment(text) == Timestamp(seconds: seconds))
    }

    @Test(
        "what is no such date is none",
        arguments: ["", "yesterday", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 31 Feb 2024 00:00:00 GMT", "a b c d e GMT"]
    )
    func unreadable(text: String) { #expect(HTTPDate.moment(text) == nil) }
}
