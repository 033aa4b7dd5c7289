import Open311
import Testing

@testable import Storage

@Suite("What S3 services answer")
struct S3AnswerTests {
    private static let list = """
        <?xml version="1.0" encoding="UTF-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>photos</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount>
        <IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcx+/=&amp;</NextContinuationToken>
        <Contents><Key>a/b&#38;c&lt;&#x64;</Key><LastModified>2026-11-25T21:00:00.250Z</LastModified><ETag>"x"</ETag><Size>3</Size>
        <Owner><ID>1</ID></Owner></Contents><!-- <Contents> -->
        <Contents><Key>a/2</Key><LastModified>2026-11-25T21:00:01.000Z</LastModified></Contents>
        <CommonPrefixes><Prefix>a/x/</Prefix></CommonPrefixes><Empty/></ListBucketResult>
        """

    @Test("a list has its objects, prefixes and the way to the next page")
    func listing() throws {
        let found = try S3Listing(Array(Self.list.utf8))
        #expect(found.objects.map(\.key) == ["a/b&c<d", "a/2"])
        #expect(found.objects.first?.modified == Timestamp(microseconds: 1_795_640_400_250_000))
        #expect(found.prefixes == ["a/x/"] && found.next == "1ueGcx+/=&")
    }

    @Test("the last page has no next, whatever token stands in it; one that is cut without a token is no page")
    func lastPage() throws {
        let last = Self.list.replacing("<IsTruncated>true", with: "<IsTruncated>false")
        #expect(try S3Listing(Array(last.utf8)).next == nil)
        let lost = Self.list.replacing("NextContinuationToken", with: "Other")
        #expect(throws: XMLReader.Failure.self) { try S3Listing(Array(lost.utf8)) }
    }

    @Test("a list cut anywhere is no list, and never a shorter one: a sweep must not believe it")
    func cuts() {
        let whole = Array(Self.list.utf8)
        for end in whole.indices { #expect(throws: XMLReader.Failure.self) { try S3Listing(Array(whole[..<end])) } }
    }

    @Test(
        "what S3 has no reason to say is refused",
        arguments: [
            "", "   ", "text", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a/>text", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a>&x;</a>",
            "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#+65;</a>", "<a>&amp</a>", "<a b='></a>", "<a><![CDATA[x]]></a>", "<>", "<a:></a:>",
            "<a><b><c><d><e><f><g><h><i></i></h></g></f></e></d></c></b></a>", "<a>\(String(repeating: "x", count: 4_097))</a>",
            "<\(String(repeating: "x", count: 65))/>",
        ])
    func refused(text: String) {
        #expect(throws: XMLReader.Failure.self) {
            var reader = XMLReader(Array(text.utf8))
            while try reader.next() != nil {}
        }
    }

    @Test("documents that are written read back as they were, whatever their texts hold")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var expected: [XMLReader.Event] = []
            var document = "<?xml version='1.0'?>"
            func element(_ depth: Int) {
                let name = String((1...Int.random(in: 1...5)).map { _ in Character(UnicodeScalar(UInt8.random(in: 97...122))) })
                document += "<p:\(name) a='>' b=\"<'\" >"
                expected.append(.begin(name))
                if depth < 4, Bool.random(using: &random) {
                    for _ in 0..<Int.random(in: 0...3) { element(depth + 1) }
                } else {
                    let text = String(
                        (0...Int.random(in: 1...20)).map { _ in ["<", "&", "é", "\"", "'", ">", "x", "\u{1F600}"].randomElement() ?? "x" })
                    document += text.replacing("&", with: "&amp;").replacing("<", with: "&#x3C;")
                    expected.append(.text(text))
                }
                document += "</p:\(name) >"
                expected.append(.end(name))
            }
            element(0)
            var reader = XMLReader(Array(document.utf8))
            for event in expected { #expect(try reader.next() == event, "\(document)") }
            #expect(try reader.next() == nil)
        }
    }

    @Test("bytes turned at random end in an answer or a failure, never in more than was there")
    func mutations() {
        let whole = Array(Self.list.utf8)
        for _ in 0..<3_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...6) { bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255) }
            if let found = try? S3Listing(bytes) { #expect(found.objects.count + found.prefixes.count <= 3) }
            _ = S3Refusal.code(bytes)
        }
    }

    @Test("the code of a refusal is a word, or nothing")
    func refusals() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>secret <b/></Message></Error>"
        #expect(S3Refusal.code(Array(body.utf8)) == "SignatureDoesNotMatch")
        for other in ["", "<html><Code>a b</Code></html>", "<Error><Code>\(String(repeating: "x", count: 65))</Code></Error>", "{}"] {
            #expect(S3Refusal.code(Array(other.utf8)).isEmpty)
        }
    }
}
