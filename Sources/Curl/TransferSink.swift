import CCurl
import NIOConcurrencyHelpers

/// Where libcurl's callbacks of one transfer put what arrives, within limits. Used on the connection thread only.
final class TransferSink {
    /// Why the transfer was ended from this side.
    enum Stop {
        case tooLarge(String)
        case file(String)
        case cancelled
        case closed
    }

    private(set) var headers: [HTTPHeader] = []
    private(set) var body: [UInt8] = []
    private(set) var stop: Stop?
    private var headerBytes = 0
    private var bodyBytes = 0
    /// Of the answer whose headers came last.
    private var isSuccess = false
    private let target: DownloadTarget?
    private let maximumBody: Int
    private let isCancelled: NIOLockedValueBox<Bool>
    private let isClosing: NIOLockedValueBox<Bool>

    static let maximumHeaderBytes = 65_536
    /// Of an answer that does not go to the file it was meant for.
    static let maximumRefusalBytes = 65_536

    init(maximumBody: Int, target: DownloadTarget?, isCancelled: NIOLockedValueBox<Bool>, isClosing: NIOLockedValueBox<Bool>) {
        self.maximumBody = maximumBody
        self.target = target
        self.isCancelled = isCancelled
        self.isClosing = isClosing
    }

    /// - Returns: whether to go on.
    private func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
        bodyBytes += bytes.count
        let toFile = isSuccess ? target : nil
        let limit = target != nil && toFile == nil ? min(maximumBody, Self.maximumRefusalBytes) : maximumBody
        guard bodyBytes <= limit else {
            stop = .tooLarge("the answer is longer than the \(limit) bytes allowed")
            return false
        }
        if let toFile {
            guard let reason = toFile.write(bytes) else { return true }
            stop = .file(reason)
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    private func receive(header bytes: UnsafeRawBufferPointer) -> Bool {
        headerBytes += bytes.count
        guard headerBytes <= Self.maximumHeaderBytes else {
            stop = .tooLarge("the answer's headers are longer than the \(Self.maximumHeaderBytes) bytes allowed")
            return false
        }
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // Another answer begins: an interim one or a redirect came before.
            headers.removeAll()
            bodyBytes = 0
            let status = line.split(separator: " ", maxSplits: 2).dropFirst().first
            isSuccess = status.map { $0.count == 3 && $0.hasPrefix("2") } ?? false
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
            let end = value.lastIndex { !$0.isWhitespace }.map { value.index(after: $0) } ?? value.startIndex
            headers.append(HTTPHeader(name: String(line[..<colon]), value: String(value[..<end])))
        }
        return true
    }

    private func shouldGoOn() -> Bool {
        if isClosing.withLockedValue({ $0 }) {
            stop = .closed
        } else if isCancelled.withLockedValue({ $0 }) {
            stop = .cancelled
        }
        return stop == nil
    }

    // MARK: The C side

    /// Points the handle's callbacks at this sink, which must outlive the transfer.
    func install(on handle: UnsafeMutableRawPointer) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        _ = ccurl_set_data_callback(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let sink = Unmanaged<TransferSink>.fromOpaque(context).takeUnretainedValue()
            let length = size * count
            return sink.receive(body: UnsafeRawBufferPointer(start: bytes, count: length)) ? length : Int.max
        }
        _ = ccurl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        _ = ccurl_set_data_callback(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let sink = Unmanaged<TransferSink>.fromOpaque(context).takeUnretainedValue()
            let length = size * count
            return sink.receive(header: UnsafeRawBufferPointer(start: bytes, count: length)) ? length : Int.max
        }
        _ = ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        _ = ccurl_set_progress_callback(handle) { context, _, _, _, _ in
            guard let context else { return 1 }
            return Unmanaged<TransferSink>.fromOpaque(context).takeUnretainedValue().shouldGoOn() ? 0 : 1
        }
        _ = ccurl_set_long(handle, CURLOPT_NOPROGRESS, 0)
    }
}
