import Testing

@testable import TenantFiles

@Suite("YAML")
struct YAMLReaderTests {
    private func refusal(_ text: String) -> YAMLFault? {
        do throws(YAMLFault) {
            _ = try YAMLReader.document(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test("is read with the line of each value")
    func lines() throws {
        let node = try YAMLReader.document(Array("# a comment\na: 1\nb:\n  - x\n  - 'y'\n".utf8))
        #expect(
            node
                == YAMLNode(
                    .mapping([
                        YAMLEntry(key: "a", line: 2, value: YAMLNode(.scalar("1", isPlain: true), line: 2)),
                        YAMLEntry(
                            key: "b", line: 3,
                            value: YAMLNode(
                                .sequence([
                                    YAMLNode(.scalar("x", isPlain: true), line: 4), YAMLNode(.scalar("y", isPlain: false), line: 5),
                                ]), line: 4)),
                    ]), line: 2))
    }

    @Test(
        "that says a thing twice, in another place or as something else is refused, with the line",
        arguments: [
            ("a: 1\nb: 2\na: 3\n", 3, "a second time; first on line 1"),
            ("a: &x 1\n", 1, "anchors"),
            ("a: 1\nb: *x\n", 2, "anchors"),
            ("a: 1\nb: !!binary aGk=\n", 2, "tags"),
            ("a: !ruby/object x\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("", 1, "empty"), ("# only a comment\n", 2, "empty"),
            ("? [a, b]\n: 1\n", 1, "a key must be a name"),
            ("a: [1, 2\nb: 3\n", 2, "no YAML"),
            ("a: 1\n\tb: 2\n", 2, "no YAML"),
            ("a: 1\nb: \u{1}\n", 2, "no YAML"),
        ])
    func refuses(text: String, line: Int, problem: String) throws {
        let fault = try #require(refusal(text), "\(text) was taken")
        #expect(fault.line == line && fault.problem.contains(problem), "\(fault)")
    }

    @Test("that is no UTF-8 is refused")
    func badBytes() {
        #expect(throws: YAMLFault.self) { _ = try YAMLReader.document([0x61, 0x3A, 0x20, 0xFF, 0xFE, 0x0A]) }
    }

    @Test("too large, too deep or of too many values ends at once, however it is written")
    func bounds() throws {
        #expect(try #require(refusal(String(repeating: "#", count: YAMLReader.maximumBytes + 1))).problem.contains("bytes"))
        for nest in ["[", "{a: ", "- ", "? "] {
            let started = ContinuousClock.now
            #expect(try #require(refusal(String(repeating: nest, count: 30_000))).problem.isEmpty == false)
            #expect(started.duration(to: .now) < .seconds(2), "\(nest)")
        }
        #expect(try #require(refusal("[" + String(repeating: "1,", count: 30_000) + "1]")).problem.contains("more than 20000 values"))
        // A billion laughs: refused at the first anchor.
        let laughs = (0..<30).map { "l\($0): &l\($0) [\(String(repeating: "*l\($0 == 0 ? 0 : $0 - 1),", count: 9)) x]" }
        #expect(try #require(refusal(laughs.joined(separator: "\n"))).problem.contains("anchors"))
    }
}
