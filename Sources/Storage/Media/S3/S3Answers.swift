import Open311

/// One page of ListObjectsV2's answer.
struct S3Listing: Equatable {
    struct Object: Equatable {
        let key: String
        let modified: Timestamp
    }

    var objects: [Object] = []
    /// What stands below the prefix, up to the next delimiter.
    var prefixes: [String] = []
    /// The token of the next page; nil after the last.
    var next: String?

    static let maximumEntries = 1_000

    /// - Throws: ``XMLReader/Failure`` when this is no such answer.
    init(_ body: [UInt8]) throws(XMLReader.Failure) {
        var reader = XMLReader(body)
        var path: [String] = []
        var key: String?
        var modified: Timestamp?
        var isTruncated = false
        while let event = try reader.next() {
            switch event {
            case .begin(let name):
                path.append(name)
                guard path[0] == "ListBucketResult" else { throw XMLReader.Failure(at: 0, problem: "no list of objects") }
                if path.dropFirst() == ["Contents"] { (key, modified) = (nil, nil) }
            case .text(let text):
                switch Array(path.dropFirst()) {
                case ["Contents", "Key"]: key = text
                case ["Contents", "LastModified"]: modified = Timestamp(parsing: text)
                case ["CommonPrefixes", "Prefix"]: prefixes.append(text)
                case ["IsTruncated"]: isTruncated = text == "true"
                case ["NextContinuationToken"]: next = text
                default: break
                }
            case .end:
                if path.dropFirst() == ["Contents"] {
                    guard let key, let modified else { throw XMLReader.Failure(at: 0, problem: "an object without name or moment") }
                    objects.append(Object(key: key, modified: modified))
                }
                path.removeLast()
            }
            guard objects.count + prefixes.count <= Self.maximumEntries else {
                throw XMLReader.Failure(at: 0, problem: "more than \(Self.maximumEntries) entries")
            }
        }
        if !isTruncated { next = nil }
        guard !isTruncated || next != nil else { throw XMLReader.Failure(at: 0, problem: "a page without the way to the next") }
    }
}

enum S3Refusal {
    /// The code in an error's body, as in `SignatureDoesNotMatch`; empty where there is none.
    static func code(_ body: [UInt8]) -> String {
        var reader = XMLReader(body)
        var isCode = false
        while let event = try? reader.next() {
            switch event {
            case .begin(let name): isCode = name == "Code"
            case .text(let text) where isCode:
                return text.utf8.count <= 64 && text.utf8.allSatisfy { (65...90).contains($0) || (97...122).contains($0) } ? text : ""
            default: isCode = false
            }
        }
        return ""
    }
}
