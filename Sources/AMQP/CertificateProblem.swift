/// What is wrong with a server's certificate, of OpenSSL's many verdicts those that call for different remedies.
public enum CertificateProblem: String, Sendable, Hashable {
    case none
    case expired
    case notYetValid
    case unknownAuthority
    case wrongHost
    /// A file of this side cannot be used: nothing was sent.
    case ownFiles
    case other

    /// - Parameter code: OpenSSL's `X509_V_ERR_…`; 0 for none, -1 for files of our own.
    public init(code: Int32) {
        self =
            switch code {
            case 0: .none
            case -1: .ownFiles
            case 9: .notYetValid
            case 10: .expired
            // No issuer at hand (2, 20, 21), self-signed (18, 19), not a CA (24, 79), not to be trusted (27, 28).
            case 2, 18, 19, 20, 21, 24, 27, 28, 79: .unknownAuthority
            // Host name, e-mail address or IP address.
            case 62, 63, 64: .wrongHost
            default: .other
            }
    }

    /// What to do.
    var remedy: String {
        switch self {
        case .none: "the broker must speak TLS 1.2 or 1.3 on this port, and take our certificate if it asks for one"
        case .expired: "look at this machine's clock; if it is right, the broker's operator must renew the certificate"
        case .notYetValid: "this machine's clock is behind, or the broker's certificate begins later: correct the one that is wrong"
        case .unknownAuthority:
            "name the authority's file with cacertfile; if the signer is your own network's, it intercepts TLS and must leave this "
                + "address alone"
        case .wrongHost: "connect under a name that the certificate has, or have it issued for this name too"
        case .ownFiles: "check the files that cacertfile, certfile and keyfile name, and the rights to read them"
        case .other: "have the broker's operator look at the certificate: openssl s_client -connect host:port shows it"
        }
    }
}
