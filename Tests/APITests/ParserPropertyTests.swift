import Foundation
import Open311
import Testing

@testable import API

/// What strangers send: read or refused with a reason, whatever it is.
@Suite("Parsers of what strangers send")
struct ParserPropertyTests {
    private static func some(of pieces: [String], atMost count: Int) -> String {
        (0..<Int.random(in: 0...count)).map { _ in pieces.randomElement() ?? "" }.joined()
    }

    @Test("a multipart form reads back as it was written, its files passed over")
    func multipartRoundTrip() throws {
        let values = ["", "a", "é😀", "\r\n", "--", "-", "\r\n--", "Content-Disposition: form-data", "\u{0}", "=&%"]
        for _ in 0..<500 {
            let boundary = "b" + String(UInt64.random(in: 0 ... .max), radix: 36)
            let fields = (0..<Int.random(in: 1...6)).map { ("name\($0)", Self.some(of: values, atMost: 5)) }
            var body = ""
            for (name, value) in fields {
                body += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n"
                if Bool.random() {
                    body += "--\(boundary)\r\ncontent-disposition: form-data; name=f; filename=\"x.jpg\"\r\n\r\n\(value)\r\n"
                }
            }
            body += "--\(boundary)--\r\n"
            let read = try MultipartReader.fields(Array(body.utf8), contentType: "multipart/form-data; boundary=\"\(boundary)\"")
            #expect(read == FormFields(fields.map { (name: $0.0, value: $0.1) }))
        }
    }

    @Test("a broken multipart form is refused, never worse")
    func multipartNoise() {
        let pieces = [
            "--b", "--", "\r\n", "\r\n\r\n", "\n", "Content-Disposition: form-data; name=\"a\"", "name=", "; filename=", "\"", "x", "b",
            "\r",
        ]
        for _ in 0..<5_000 {
            _ = try? MultipartReader.fields(Array(Self.some(of: pieces, atMost: 14).utf8), contentType: "multipart/form-data; boundary=b")
            _ = try? MultipartReader.fields([], contentType: Self.some(of: ["boundary", "=", ";", "\"", " ", "b"], atMost: 8))
        }
    }

    @Test("a search of any arguments gives a bounded filter or names each argument at fault")
    func search() {
        let names = [
            "start_date", "end_date", "updated_after", "updated_before", "status", "detailed_status", "service_request_id", "service_code",
            "lat",
            "long", "radius", "bbox", "page", "page_size", "per_page", "max_requests", "cursor", "sort", "order_by", "q", "search",
            "has_photo",
            "service_object_type", "service_object_id", "agency_responsible",
        ]
        let values = [
            "", "2026-03-01", "2026-03-01T10:00:00Z", "0000-01-01", "9999-12-31T23:59:59-14:00", "open", "closed", "nonsense", "1", "-1",
            "0",
            "999999999999999999999", "1e400", "nan", "inf", "90.5", "48.8,2.3,49,2.4", ",", ",,,", "-requested_datetime", "é", "\u{0}",
            "true",
            "2611000004217", "9223372036854775808", "IN_PROCESS",
        ]
        let now = Timestamp(seconds: 1_790_000_000)
        for _ in 0..<5_000 {
            var query = FormFields()
            for _ in 0..<Int.random(in: 0...6) {
                let value = (0..<Int.random(in: 1...3)).map { _ in values.randomElement() ?? "" }.joined(
                    separator: Bool.random() ? "," : "")
                query.append(name: names.randomElement() ?? "", value: value)
            }
            do {
                _ = try SearchQuery.filter(query, now: now, timeZone: Bool.random() ? "Europe/Paris" : "Nowhere/Else")
            } catch {
                #expect(error.all.allSatisfy { fault in query.all.contains { $0.name == fault.field } }, "\(query.all): \(error)")
            }
        }
    }

    @Test("a status body of any JSON is an update or a problem that says what to correct")
    func statusBodies() {
        let names = [
            "status", "status_notes", "updated_datetime", "expected_datetime", "agency_responsible", "service_notice", "external_reference",
            "other",
        ]
        let values = [
            "null", "true", "1", "-1e999", "99999999999999999999999999", "\"\"", "\"closed\"", "\"IN_PROCESS,X\"",
            "\"2026-03-01T10:00:00Z\"",
            "\"9999-12-31T23:59:59Z\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[[[]]]", "\"é😀\"", "tru",
            "\"" + String(repeating: "x", count: 5_000) + "\"",
        ]
        for _ in 0..<3_000 {
            let members = (0..<Int.random(in: 0...5)).map { _ in "\"\(names.randomElement() ?? "")\":\(values.randomElement() ?? "")" }
            let body =
                Bool.random()
                ? "{" + members.joined(separator: ",") + "}" : Self.some(of: ["{", "}", "[", "]", "\"", ":", ",", "1"] + values, atMost: 8)
            do {
                let update = try StatusUpdateForm(parsing: Array(body.utf8)).update(id: "1", receivedAt: Timestamp(seconds: 1_790_000_000))
                #expect((update.statusNotes?.unicodeScalars.count ?? 0) <= 4_000)
                #expect(update.occurredAt <= Timestamp(seconds: 1_790_000_300))
            } catch {
                #expect(!error.code.isEmpty && !error.detail.isEmpty)
            }
        }
        for deep in ["[", "{\"a\":"] {
            #expect(throws: StatusUpdateFault.self) {
                _ = try StatusUpdateForm(parsing: Array(String(repeating: deep, count: 60_000).utf8))
            }
        }
    }
}
