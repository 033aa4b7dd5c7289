import NIOCore
import Open311
import Storage
import Testing

@testable import API

@Suite("Photos kept in memory")
struct PhotoShelfTests {
    private let tenant = try? TenantKey(validating: "valmont-7f3a9c")

    private func key(_ name: String) throws -> MediaKey { MediaKey(tenant: try #require(tenant), kind: .cleaned, name: name) }

    @Test("what was asked for longest ago makes room, and the room is never overrun")
    func bounded() throws {
        let shelf = PhotoShelf()
        let file = ByteBuffer(repeating: 7, count: PhotoShelf.maximumFile)
        let places = PhotoShelf.room / PhotoShelf.maximumFile
        for number in 0..<places { shelf.keep(file, as: try key("\(number)")) }
        #expect(shelf.file(try key("0")) == file)
        for number in places..<(2 * places - 1) {
            shelf.keep(file, as: try key("\(number)"))
            #expect(shelf.size <= PhotoShelf.room)
        }
        #expect(shelf.file(try key("0")) == file, "asked for in between")
        #expect(shelf.file(try key("1")) == nil)
    }

    @Test("a file that is too large, or there already, takes no room")
    func refused() throws {
        let shelf = PhotoShelf()
        shelf.keep(ByteBuffer(repeating: 7, count: PhotoShelf.maximumFile + 1), as: try key("large"))
        #expect(shelf.file(try key("large")) == nil && shelf.size == 0)
        for _ in 0..<3 { shelf.keep(ByteBuffer(repeating: 7, count: 10), as: try key("twice")) }
        #expect(shelf.size == 10)
    }

    @Test("the same name of another tenant is another file")
    func sealedOff() throws {
        let shelf = PhotoShelf()
        shelf.keep(ByteBuffer(string: "one"), as: try key("a"))
        let other = MediaKey(tenant: try TenantKey(validating: "autre-7f3a9d"), kind: .cleaned, name: "a")
        #expect(shelf.file(other) == nil)
    }
}
