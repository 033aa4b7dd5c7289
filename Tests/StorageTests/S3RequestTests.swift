import Curl
import Foundation
import Open311
import Testing

@testable import Storage

@Suite("What is asked of S3 services")
struct S3RequestTests {
    private static func configuration(
        endpoint: String = "https://s3.example.org", region: String = "eu-west-3", bucket: String = "photos", prefix: String = "",
        accessKey: String = "AKEY", secretKey: String = "canary", allowsCleartext: Bool = false
    ) throws -> S3Configuration {
        try S3Configuration(
            endpoint: endpoint, region: region, bucket: bucket, prefix: prefix, accessKey: accessKey, secretKey: secretKey,
            allowsCleartext: allowsCleartext)
    }

    private static func fault(_ work: () throws -> S3Configuration) -> String? {
        do {
            _ = try work()
            return nil
        } catch {
            return (error as? S3Configuration.Fault)?.setting
        }
    }

    @Test("a key stands under the prefix, the tenant and its kind; the bucket in the path")
    func keys() throws {
        let tenant = try TenantKey(validating: "valmont-7f3a9c")
        for (prefix, written) in [("", ""), ("photos", "photos/"), ("/a//b-1/", "a/b-1/")] {
            let requests = S3Requests(try Self.configuration(endpoint: "https://s3.example.org/", prefix: prefix))
            let key = MediaKey.cleaned([UInt8](repeating: 10, count: 32), of: tenant)
            #expect(
                requests.head(key).url
                    == "https://s3.example.org/photos/\(written)valmont-7f3a9c/cleaned/\(String(repeating: "0a", count: 32))")
        }
    }

    @Test("a file is signed with the hash of its bytes, a part asked for by its range")
    func requests() throws {
        let requests = S3Requests(try Self.configuration())
        let key = MediaKey.original(PhotoToken(), of: try TenantKey(validating: "valmont-7f3a9c"))
        let put = requests.put(key, path: "/x", sha256: [UInt8](repeating: 171, count: 32))
        #expect(put.method == "PUT" && put.upload == FileUpload(path: "/x"))
        #expect(put.headers.contains(HTTPHeader(name: "x-amz-content-sha256", value: String(repeating: "ab", count: 32))))
        #expect(requests.get(key, 5..<10).headers.contains(HTTPHeader(name: "Range", value: "bytes=5-9")))
        #expect(put.signature?.secretKey == "canary" && !String(reflecting: put).contains("canary"))
    }

    @Test("a list's parameters are in the order of their names and encoded as they are signed")
    func list() throws {
        let requests = S3Requests(try Self.configuration())
        #expect(
            requests.list("a/é", delimiter: "/", after: "x+/=", count: 9).url
                == "https://s3.example.org/photos?continuation-token=x%2B%2F%3D&delimiter=%2F&list-type=2&max-keys=9&prefix=a%2F%C3%A9")
        for _ in 0..<200 {
            let text = String((0...12).map { _ in Character(UnicodeScalar(UInt8.random(in: 0...255))) })
            let encoded = S3Requests.encoded(text)
            #expect(encoded.removingPercentEncoding == text)
            let url = requests.list(text, delimiter: nil, after: text, count: 1).url
            let names = url.drop { $0 != "?" }.dropFirst().split(separator: "&").map { String($0.prefix { $0 != "=" }) }
            #expect(names == names.sorted() && names.count == 4)
        }
    }

    @Test(
        "what cannot be is refused by the name of its setting",
        arguments: [
            ("endpoint", "s3.example.org"), ("endpoint", "ftp://x"), ("endpoint", "https://"), ("endpoint", "https://u:p@x"),
            ("endpoint", "https://x?y"), ("endpoint", "http://10.0.0.1"), ("endpoint", "http://127.evil.org"),
            ("endpoint", "http://localhost.evil.org:80"), ("region", "EU:1"), ("region", ""), ("bucket", "A"), ("bucket", "a..b"),
            ("bucket", "a/b"), ("prefix", "a/../b"), ("prefix", "a b"), ("accessKey", ""), ("secretKey", "a\nb"),
        ])
    func faults(setting: String, value: String) {
        let fault = Self.fault {
            switch setting {
            case "endpoint": try Self.configuration(endpoint: value)
            case "region": try Self.configuration(region: value)
            case "bucket": try Self.configuration(bucket: value)
            case "prefix": try Self.configuration(prefix: value)
            case "accessKey": try Self.configuration(accessKey: value)
            default: try Self.configuration(secretKey: value)
            }
        }
        #expect(fault == setting)
    }

    @Test("in the clear to this machine only, unless it is allowed")
    func cleartext() throws {
        for endpoint in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000/"] {
            #expect(Self.fault { try Self.configuration(endpoint: endpoint) } == nil, "\(endpoint)")
        }
        #expect(Self.fault { try Self.configuration(endpoint: "http://10.0.0.1", allowsCleartext: true) } == nil)
    }

    @Test("a printed configuration shows no secret")
    func secrets() throws {
        var dumped = String(reflecting: try Self.configuration())
        dump(try Self.configuration(), to: &dumped)
        #expect(!dumped.contains("canary") && !dumped.contains("AKEY") && dumped.contains("photos"))
    }
}
