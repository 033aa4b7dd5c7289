import CCurl

extension EasyHandle {
    /// Has libcurl connect to what was checked, and to nothing else: its table of names says what the check found, and each socket
    /// is made only for an address that the guard permits.
    func install(_ gate: ConnectionGate) throws(CurlError) {
        if let resolution = gate.link.resolution {
            guard let list = curl_slist_append(nil, resolution) else {
                throw CurlError(kind: .outOfResources, server: "link", detail: "no memory for the host's addresses")
            }
            gate.names = list
            _ = ccurl_set_list(handle, CURLOPT_RESOLVE, list)
        }
        _ = ccurl_set_gate(handle, gate.pointer)
        // A connection that another link left open was not checked for this one.
        _ = ccurl_set_long(handle, CURLOPT_FRESH_CONNECT, 1)
        _ = ccurl_set_long(handle, CURLOPT_FORBID_REUSE, 1)
        _ = ccurl_set_string(handle, CURLOPT_PROTOCOLS_STR, gate.link.link.isSecure ? "https" : "http")
        _ = ccurl_set_string(handle, CURLOPT_PROXY, "")
    }
}

/// Who libcurl asks before it makes a socket. Used on the connection thread only.
final class ConnectionGate {
    let link: CheckedLink
    /// Whether a connection was refused.
    private(set) var hasRefused = false
    fileprivate var names: UnsafeMutablePointer<curl_slist>?
    fileprivate let pointer: UnsafeMutablePointer<ccurl_gate>

    init(_ link: CheckedLink) {
        self.link = link
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: ccurl_gate(permit: nil, context: nil))
        pointer.pointee.context = Unmanaged.passUnretained(self).toOpaque()
        pointer.pointee.permit = { context, address, length in
            guard let context, let address else { return 0 }
            return Unmanaged<ConnectionGate>.fromOpaque(context).takeUnretainedValue().permits(address, Int(length)) ? 1 : 0
        }
    }

    deinit {
        pointer.deinitialize(count: 1)
        pointer.deallocate()
        curl_slist_free_all(names)
    }

    private func permits(_ address: UnsafeRawPointer, _ length: Int) -> Bool {
        guard let endpoint = NetworkAddress.endpoint(address, length: length), link.permits(endpoint.address, port: endpoint.port) else {
            hasRefused = true
            return false
        }
        return true
    }
}
