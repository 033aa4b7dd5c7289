import Hummingbird
import Logging
import NIOCore

/// What Hummingbird hands on with a request: here, the peer's address.
public struct GatewayContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// Nil for a socket that is not of the Internet.
    let peer: ClientAddress?

    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = source.channel.remoteAddress.flatMap { ClientAddress($0) }
    }
}
