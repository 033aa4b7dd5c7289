import CRabbitMQ
import ConnectionThread

#if canImport(Glibc)
    import Glibc
#endif

/// Looks at what stands behind an address, step by step: name, TCP, TLS, answer. Nothing is logged in to; a certificate that is not
/// to be trusted is looked at all the same.
public actor NetworkProbe {
    /// What is said first, and by what the answer is known.
    public enum Greeting: Sendable, Hashable {
        case amqp
        /// A request for the head of `/`.
        case https(host: String)

        var bytes: [UInt8] {
            switch self {
            case .amqp: Array("AMQP".utf8) + [0, 0, 9, 1]
            case .https(let host):
                Array("HEAD / HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: bus311-netcheck\r\nConnection: close\r\n\r\n".utf8)
            }
        }
    }

    public enum Answer: Sendable, Hashable {
        /// `connection.start`.
        case amqp
        case http(status: Int)
        /// The broker speaks another version of AMQP.
        case otherAMQP
        case other
        case none
    }

    /// Why the step after the last good one failed.
    public enum Cause: String, Sendable, Hashable {
        case none, timeout, refused, unreachable, closed, tls, own
    }

    public enum Step: Int, Sendable, Hashable, Comparable {
        case none, tcp, tls, answer
        public static func < (left: Step, right: Step) -> Bool { left.rawValue < right.rawValue }
    }

    /// The certificate that was shown.
    public struct Certificate: Sendable, Hashable {
        public var subject: String
        public var issuer: String
        /// DNS names and addresses, with commas.
        public var names: String
        /// Seconds since 1970.
        public var notBefore: Int
        public var notAfter: Int
        /// ``CertificateProblem/none`` when a trusted authority signed it, it is in force and it has the host's name.
        public var problem: CertificateProblem

        public init(subject: String, issuer: String, names: String, notBefore: Int, notAfter: Int, problem: CertificateProblem) {
            (self.subject, self.issuer, self.names) = (subject, issuer, names)
            (self.notBefore, self.notAfter, self.problem) = (notBefore, notAfter, problem)
        }
    }

    public struct Outcome: Sendable, Hashable {
        /// The last step that succeeded.
        public var reached: Step
        public var cause: Cause
        /// Milliseconds of each step that succeeded.
        public var milliseconds: [Step: Double]
        public var tlsVersion: String
        /// OpenSSL's words on a handshake that failed.
        public var tlsWords: String
        public var certificate: Certificate?
        public var answer: Answer

        public init(
            reached: Step, cause: Cause, milliseconds: [Step: Double] = [:], tlsVersion: String = "", tlsWords: String = "",
            certificate: Certificate? = nil, answer: Answer = .none
        ) {
            (self.reached, self.cause, self.milliseconds) = (reached, cause, milliseconds)
            (self.tlsVersion, self.tlsWords, self.certificate, self.answer) = (tlsVersion, tlsWords, certificate, answer)
        }
    }

    private let thread: ConnectionThread

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// - Throws: an ``AMQPError`` of kind `outOfResources`.
    public init() throws(AMQPError) {
        do { thread = try ConnectionThread(name: "network-probe") } catch {
            throw AMQPError(.outOfResources, replyText: "cannot start a thread", server: "")
        }
    }

    deinit { thread.stop() }

    public func close() { thread.stop() }

    /// The addresses of a host, numeric, in the system's order of preference; empty when it is not known. Bounded by the resolver's own
    /// limits, some seconds a name server.
    public func addresses(of host: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &found) == 0 else { return [] }
        defer { freeaddrinfo(found) }
        var addresses: [String] = []
        var next = found
        while let one = next {
            var text = [CChar](repeating: 0, count: 64)
            if getnameinfo(one.pointee.ai_addr, one.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if !addresses.contains(address) { addresses.append(address) }
            }
            next = one.pointee.ai_next
        }
        return addresses
    }

    /// - Parameters:
    ///   - address: numeric.
    ///   - hostName: asked for, and expected in the certificate.
    ///   - caFile: nil for a connection in clear.
    ///   - limit: for each step.
    public func look(at address: String, port: UInt16, hostName: String, caFile: String?, greeting: Greeting, limit: Duration) -> Outcome {
        var result = probe_result()
        let bytes = greeting.bytes
        let offersHTTP = if case .https = greeting { true } else { false }
        address.withCString { address in
            hostName.withCString { hostName in
                (caFile ?? "").withCString { ca in
                    bytes.withUnsafeBufferPointer { greeting in
                        var options = probe_options()
                        options.address = address
                        options.port = port
                        options.use_tls = caFile != nil
                        options.host_name = hostName
                        options.offers_http = offersHTTP
                        options.ca_file = ca
                        options.step_milliseconds = max(1, Int64(limit / .milliseconds(1)))
                        options.greeting = greeting.baseAddress
                        options.greeting_length = greeting.count
                        probe_run(&options, &result)
                    }
                }
            }
        }
        return Outcome(result)
    }
}

extension NetworkProbe.Answer {
    /// - Parameter bytes: what came first.
    public init(_ bytes: [UInt8]) {
        // A method frame of channel 0 with class 10, method 10.
        let start: [UInt8] = [0, 10, 0, 10]
        if bytes.count >= 11, bytes[0] == 1, bytes[1] == 0, bytes[2] == 0, Array(bytes[7..<11]) == start {
            self = .amqp
        } else if bytes.starts(with: Array("AMQP".utf8)) {
            self = .otherAMQP
        } else if bytes.starts(with: Array("HTTP/".utf8)) {
            let line = bytes.prefix { $0 != 13 && $0 != 10 }.split(separator: 32)
            self = .http(status: line.count > 1 ? Int(String(decoding: line[1], as: UTF8.self)) ?? 0 : 0)
        } else {
            self = bytes.isEmpty ? .none : .other
        }
    }
}

extension NetworkProbe.Outcome {
    fileprivate init(_ result: probe_result) {
        let step: (probe_step) -> NetworkProbe.Step = { NetworkProbe.Step(rawValue: Int($0.rawValue)) ?? .none }
        let cause: NetworkProbe.Cause =
            switch result.cause {
            case PROBE_CAUSE_TIMEOUT: .timeout
            case PROBE_CAUSE_REFUSED: .refused
            case PROBE_CAUSE_UNREACHABLE: .unreachable
            case PROBE_CAUSE_CLOSED: .closed
            case PROBE_CAUSE_TLS: .tls
            case PROBE_CAUSE_OWN: .own
            default: .none
            }
        self = withUnsafePointer(to: result) { pointer in
            let times = [
                (NetworkProbe.Step.tcp, result.tcp_microseconds), (.tls, result.tls_microseconds), (.answer, result.answer_microseconds),
            ]
            var certificate: NetworkProbe.Certificate?
            if let subject = probe_subject(pointer), result.not_after != 0 {
                var problem = CertificateProblem(code: result.certificate_error)
                if problem == .none && !result.host_matches { problem = .wrongHost }
                certificate = NetworkProbe.Certificate(
                    subject: String(cString: subject), issuer: String(cString: probe_issuer(pointer)),
                    names: String(cString: probe_names(pointer)),
                    notBefore: Int(result.not_before), notAfter: Int(result.not_after), problem: problem)
            }
            let answer = UnsafeBufferPointer(start: probe_answer(pointer), count: result.answer_length)
            return NetworkProbe.Outcome(
                reached: step(result.reached), cause: cause,
                milliseconds: Dictionary(times.filter { $0.1 > 0 }.map { ($0.0, Double($0.1) / 1_000) }) { first, _ in first },
                tlsVersion: String(cString: probe_tls_version(pointer)), tlsWords: String(cString: probe_tls_words(pointer)),
                certificate: certificate, answer: NetworkProbe.Answer(Array(answer)))
        }
    }
}
