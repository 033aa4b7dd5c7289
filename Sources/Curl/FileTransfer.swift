import CCurl

#if canImport(Glibc)
    import Glibc
#endif

/// A file that is sent.
public struct FileUpload: Sendable, Hashable {
    public var path: String

    public init(path: String) { self.path = path }
}

/// Where an answer goes. The file must not be there before, is for this account only, and is removed when the answer did not come whole.
public struct FileDownload: Sendable, Hashable {
    public var path: String

    public init(path: String) { self.path = path }
}

/// The file of one transfer that libcurl reads from. Used on the connection thread only.
final class UploadSource {
    private let descriptor: Int32
    let length: Int

    init(_ upload: FileUpload, server: ServerName) throws(CurlError) {
        descriptor = open(upload.path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw CurlError(kind: .file, server: server.text, detail: "the file to send cannot be read: \(reason)")
        }
        length = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Points the handle at this source, which must outlive the transfer.
    func install(on handle: UnsafeMutableRawPointer) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_pointer(handle, CURLOPT_READDATA, context)
        _ = ccurl_set_data_callback(handle, CURLOPT_READFUNCTION) { buffer, size, count, context in
            guard let buffer, let context else { return Int(CURL_READFUNC_ABORT) }
            return Unmanaged<UploadSource>.fromOpaque(context).takeUnretainedValue().read(buffer, size * count)
        }
        // libcurl begins anew when a kept connection turns out to be dead.
        _ = ccurl_set_pointer(handle, CURLOPT_SEEKDATA, context)
        _ = ccurl_set_seek_callback(handle) { context, offset, origin in
            guard let context else { return CURL_SEEKFUNC_FAIL }
            let source = Unmanaged<UploadSource>.fromOpaque(context).takeUnretainedValue()
            return lseek(source.descriptor, off_t(offset), origin) >= 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
        }
        _ = ccurl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(length))
    }

    private func read(_ buffer: UnsafeMutablePointer<CChar>, _ count: Int) -> Int {
        while true {
            let got = Glibc.read(descriptor, buffer, count)
            if got < 0, errno == EINTR { continue }
            return got < 0 ? Int(CURL_READFUNC_ABORT) : got
        }
    }
}

/// The new file of one transfer that takes the answer. Used on the connection thread only.
final class DownloadTarget {
    private let path: String
    private let descriptor: Int32
    private var isWhole = false

    init(_ download: FileDownload, server: ServerName) throws(CurlError) {
        path = download.path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CurlError(
                kind: .file, server: server.text, detail: "the file for the answer cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
        if !isWhole { unlink(path) }
    }

    /// - Returns: nil, or why the bytes could not be written.
    func write(_ bytes: UnsafeRawBufferPointer) -> String? {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return "the answer cannot be written to its file: \(String(cString: strerror(errno)))" }
            written += count
        }
        return nil
    }

    /// The file stays.
    func keep() { isWhole = true }
}
