import Open311
import Testing

@testable import Bus

@Suite("The cursor of a shard's reads")
struct ReadCursorTests {
    private let start = ContinuousClock.now
    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start.advanced(by: .milliseconds(milliseconds)) }

    @Test("a read that was cut by its limit goes on where it ended")
    func goesOn() {
        var cursor = ReadCursor()
        #expect(cursor.position(excluding: [], at: at(0)) == 0)
        cursor.advance(past: 400, hasMore: true, at: at(1))
        #expect(cursor.position(excluding: [], at: at(2)) == 400)
    }

    @Test("what was read a moment ago is read over, what was read longer ago is not")
    func leavesOutWhatIsOld() {
        var cursor = ReadCursor()
        _ = cursor.position(excluding: [], at: at(0))
        cursor.advance(past: 100, hasMore: false, at: at(0))
        #expect(cursor.position(excluding: [], at: at(10)) == 0, "an event below 100 may still be committing")
        cursor.advance(past: 200, hasMore: false, at: at(600))
        #expect(cursor.position(excluding: [], at: at(610)) == 100)
        cursor.advance(past: nil, hasMore: false, at: at(1_200))
        #expect(cursor.position(excluding: [], at: at(1_210)) == 200)
    }

    @Test("every two seconds a read begins at the start, also while there is always more")
    func readsFromTheStart() {
        var cursor = ReadCursor()
        var starts: [Int] = []
        for millisecond in stride(from: 0, through: 7_000, by: 10) {
            if cursor.position(excluding: [], at: at(millisecond)) == 0 { starts.append(millisecond) }
            cursor.advance(past: Int64(millisecond + 1) * 100, hasMore: true, at: at(millisecond))
        }
        #expect(starts == [0, 2_000, 4_000, 6_000])
    }

    @Test("the end of a tenant's pause is a reason to read from the start, its beginning is not")
    func readsFromTheStartAfterPauses() throws {
        let tenant = TenantID(7)
        var cursor = ReadCursor()
        _ = cursor.position(excluding: [], at: at(0))
        cursor.advance(past: 100, hasMore: true, at: at(0))
        #expect(cursor.position(excluding: [tenant], at: at(10)) == 100)
        cursor.advance(past: 200, hasMore: true, at: at(10))
        #expect(cursor.position(excluding: [], at: at(20)) == 0)
    }

    @Test("a lost connection is a reason to read from the start")
    func rewinds() {
        var cursor = ReadCursor()
        _ = cursor.position(excluding: [], at: at(0))
        cursor.advance(past: 100, hasMore: true, at: at(0))
        cursor.rewind()
        #expect(cursor.position(excluding: [], at: at(1)) == 0)
    }
}
