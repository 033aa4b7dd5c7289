import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTPTypes

/// How the gateway reads from its connections.
public enum GatewayConnections {
    /// A connection that says nothing for so long is closed, in the middle of an upload too.
    private static let patience = TimeAmount.seconds(60)

    /// HTTP/1.1 whose memory does not grow with the number of uploads: see ``ReadSizing``.
    public static func server() -> HTTPServerBuilder {
        let crowd = UploadCrowd()
        return .http1(
            configuration: HTTP1Channel.Configuration(additionalChannelHandlers: [ReadSizing(crowd: crowd)], idleTimeout: patience))
    }
}

/// How many large bodies are arriving at this moment.
final class UploadCrowd: Sendable {
    private let count = NIOLockedValueBox(0)

    /// - Returns: how many there are now, the new one among them.
    func enter() -> Int {
        count.withLockedValue { count in
            count += 1
            return count
        }
    }

    func leave() { count.withLockedValue { $0 -= 1 } }
}

/// Reads a large body in large pieces while few arrive, and in small ones in a crowd: a connection keeps about twelve pieces that
/// nobody has taken yet, so a thousand uploads in pieces of 64 KiB would hold a gigabyte. Each piece costs a hop to the disk's thread
/// and back, so one or two uploads are read in pieces of 256 KiB.
final class ReadSizing: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private static let large = 65_536
    private static let loneUploads = 2
    private static let fewUploads = 16
    private static let largePiece = 262_144
    private static let smallPiece = 4_096

    private let crowd: UploadCrowd
    private var isCounted = false

    init(crowd: UploadCrowd) { self.crowd = crowd }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        // Said in front or not: pieces that were read before it is noticed cannot be made smaller.
        case .head(let head): if Self.isLarge(head) { enter(context.channel) }
        case .body: break
        case .end: leave(context.channel)
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave(nil)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave(nil) }

    /// A body without a length may be of any.
    private static func isLarge(_ head: HTTPRequest) -> Bool {
        guard let length = head.headerFields[.contentLength] else { return head.headerFields[.transferEncoding] != nil }
        return Int(length).map { $0 > large } ?? true
    }

    private func enter(_ channel: any Channel) {
        guard !isCounted else { return }
        isCounted = true
        switch crowd.enter() {
        case ...Self.loneUploads: setPieces(FixedSizeRecvByteBufferAllocator(capacity: Self.largePiece), atOnce: 4, of: channel)
        case ...Self.fewUploads: break
        default: setPieces(FixedSizeRecvByteBufferAllocator(capacity: Self.smallPiece), atOnce: 2, of: channel)
        }
    }

    private func leave(_ channel: (any Channel)?) {
        guard isCounted else { return }
        isCounted = false
        crowd.leave()
        // Its buffers go with the old allocator; the new one begins small.
        if let channel { setPieces(AdaptiveRecvByteBufferAllocator(), atOnce: 4, of: channel) }
    }

    /// - Parameter count: reads between two looks at what others want.
    private func setPieces(_ allocator: any RecvByteBufferAllocator, atOnce count: UInt, of channel: any Channel) {
        // On the channel's own loop this takes effect at once; a channel that is closing has no use for it.
        _ = channel.setOption(.recvAllocator, value: allocator)
        _ = channel.setOption(.maxMessagesPerRead, value: count)
    }
}
