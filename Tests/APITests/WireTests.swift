import Foundation
import FoundationXML
import Open311
import Testing

@testable import API

private final class TextCollector: NSObject, XMLParserDelegate {
    var text = ""
    var inside = false

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String]
    ) {
        inside = name == "description"
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { if inside { text += string } }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) { inside = false }
}

private func randomText() -> String {
    var scalars = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<40) {
        let range: ClosedRange<UInt32> = Bool.random() ? 0...0x7F : 0...0x10FFFF
        if let scalar = Unicode.Scalar(UInt32.random(in: range)) { scalars.append(scalar) }
    }
    return String(scalars)
}

@Suite("Wire formats")
struct WireTests {
    @Test("any text survives XML, read by a parser that is not ours, and JSON")
    func anyTextSurvives() throws {
        for _ in 0..<300 {
            let text = CleanText.withoutControls(randomText())
            let xml = GeoReportDocuments.errors(code: 400, [text], .xml)
            let collector = TextCollector()
            let parser = XMLParser(data: Data(xml))
            parser.delegate = collector
            #expect(parser.parse(), "\(text.debugDescription)")
            #expect(collector.text == text, "\(text.debugDescription)")
            let json = GeoReportDocuments.errors(code: 400, [text], .json)
            let list = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [[String: Any]])
            #expect(list.first?["description"] as? String == text)
        }
    }

    @Test("a form reads back as it was encoded, and random bytes never crash the reader")
    func forms() throws {
        for _ in 0..<500 {
            let text = randomText()
            let encoded = "a=" + text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let fields = try FormReader.fields(Array(encoded.utf8))
            #expect(fields.all.first?.value == text)
            let noise = (0..<Int.random(in: 0..<200)).map { _ in UInt8.random(in: 0...255) }
            _ = try? FormReader.fields(noise)
            _ = try? MultipartReader.fields(noise + Array("--b".utf8) + noise, contentType: "multipart/form-data; boundary=b")
        }
    }

    @Test("text parts of a multipart form are fields, files are passed over")
    func multipart() throws {
        let body =
            "--b\r\nContent-Disposition: form-data; name=\"lat\"\r\n\r\n48.85\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.png\"\r\n\r\nxx\r\n--b--\r\n"
        let fields = try MultipartReader.fields(Array(body.utf8), contentType: "multipart/form-data; boundary=\"b\"")
        #expect(fields.count == 1 && fields["lat"] == "48.85")
        #expect(throws: FormError.self) {
            try MultipartReader.fields(Array(body.utf8.dropLast(10)), contentType: "multipart/form-data; boundary=b")
        }
    }

    @Test("a JSON body is the form it stands for")
    func jsonForm() throws {
        let body = """
            {"lat": 48.85, "long": 2, "description": "a\\nb", "email": null, "attribute": {"tags": ["a", "b"], "depth": 12, "ok": true},
             "attribute[x]": "1", "media_url": ["https://a.example/1", "https://a.example/2"]}
            """
        let fields = try JSONFormReader.fields(Array(body.utf8))
        #expect(fields["lat"] == "48.85" && fields["long"] == "2" && fields["description"] == "a\nb" && fields["email"] == nil)
        #expect(fields.values("media_url").count == 2)
        #expect(
            Set(fields.answers.map { "\($0.code)=\($0.values.joined(separator: ","))" }) == ["tags=a,b", "depth=12", "ok=true", "x=1"])
        #expect(try JSONFormReader.fields(Array("{\"lat\": 1e300, \"long\": -1e-300}".utf8))["lat"] == "1e+300")
        let deep = String(repeating: "[", count: 5_000)
        for bad in ["[]", "{", "{\"a\": {\"b\": 1}}", "{\"a\": [[1]]}", deep, "\u{0}"] {
            #expect(throws: FormError.self) { try JSONFormReader.fields(Array(bad.utf8)) }
        }
        for _ in 0..<300 { _ = try? JSONFormReader.fields((0..<Int.random(in: 0..<60)).map { _ in UInt8.random(in: 0...255) }) }
    }

    @Test("paths name resources, whatever slashes, prefixes and dots they have")
    func targets() {
        #expect(GeoReportTarget(path: "/open311/v2//services.json")?.resource == .services)
        #expect(GeoReportTarget(path: "/valmont-7f3a9c/open311/v2/requests/12.xml")?.tenant == "valmont-7f3a9c")
        #expect(GeoReportTarget(path: "/open311/v2/services/A.12.json")?.resource == .service(code: "A.12"))
        #expect(GeoReportTarget(path: "/open311/v2/services/Voirie%20%26%20Eau.xml")?.resource == .service(code: "Voirie & Eau"))
        #expect(GeoReportTarget(path: "/discovery.xml")?.format == .xml)
        #expect(GeoReportTarget(path: "/open311/v2/services.csv") == nil)
        #expect(GeoReportTarget(path: "/open311/v2/foo.json") == nil)
        #expect(GeoReportTarget(path: "/") == nil)
    }
}

@Suite("The window of a search")
struct SearchQueryTests {
    private let now = Timestamp(seconds: 1_767_225_600)

    @Test("is the last ninety days, or ninety days from the start, or before the end")
    func windows() throws {
        #expect(try SearchQuery.filter(FormFields(), now: now).requestedFrom == now.adding(days: -90))
        let start = FormFields([(name: "start_date", value: now.adding(days: -130).iso8601)])
        #expect(try SearchQuery.filter(start, now: now).requestedTo == now.adding(days: -40))
    }

    @Test("longer than ninety days, reversed, or no date at all is refused")
    func refused() {
        for (start, end) in [("2026-01-01", "2026-06-01"), ("2026-02-01", "2026-01-01"), ("yesterday", "2026-01-01")] {
            #expect(throws: Faults.self) {
                try SearchQuery.filter(FormFields([(name: "start_date", value: start), (name: "end_date", value: end)]), now: now)
            }
        }
    }
}
