import NIOConcurrencyHelpers
import NIOCore
import Storage

/// The files that were asked for last, in memory of a fixed size. A file's name is the hash of its bytes, so what stands here is never
/// out of date; who may see it is asked of the database each time.
final class PhotoShelf: Sendable {
    /// The largest file that is kept, in bytes; a larger one is read piece by piece.
    static let maximumFile = 1_048_576
    /// Of all files together, in bytes.
    static let room = 16_777_216

    private struct State {
        var files: [MediaKey: (bytes: ByteBuffer, usedAt: UInt64)] = [:]
        var size = 0
        var clock: UInt64 = 0
    }

    private let state = NIOLockedValueBox(State())

    func file(_ key: MediaKey) -> ByteBuffer? {
        state.withLockedValue { state in
            guard let found = state.files[key] else { return nil }
            state.clock += 1
            state.files[key]?.usedAt = state.clock
            return found.bytes
        }
    }

    /// Takes a file in, in place of those that were asked for longest ago.
    func keep(_ bytes: ByteBuffer, as key: MediaKey) {
        guard bytes.readableBytes <= Self.maximumFile else { return }
        state.withLockedValue { state in
            guard state.files[key] == nil else { return }
            while state.size + bytes.readableBytes > Self.room, let oldest = state.files.min(by: { $0.value.usedAt < $1.value.usedAt }) {
                state.size -= oldest.value.bytes.readableBytes
                state.files[oldest.key] = nil
            }
            state.clock += 1
            state.files[key] = (bytes, state.clock)
            state.size += bytes.readableBytes
        }
    }

    /// Of all files kept, in bytes.
    var size: Int { state.withLockedValue(\.size) }
}
