import Testing

@testable import Operations

@Suite("The photo sandbox")
struct PhotoSandboxTests {
    @Test("reads the size and the loader that the tool tells, whatever the file is called")
    func header() throws {
        let found = try #require(PhotoSandbox.header("/a/b: 9x9 uchar, x: 4000x3000 uchar, 3 bands, srgb, jpegload\n"))
        #expect(found.0 == PhotoSandbox.Size(width: 4_000, height: 3_000) && found.loader == "jpegload")
    }

    @Test("takes nothing else", arguments: ["", "x", "x: 4000 uchar, jpegload", "x: 0x5 uchar, jpegload", "x: 999999x9 uchar, pngload"])
    func nothing(line: String) { #expect(PhotoSandbox.header(line) == nil) }
}
