/// One `Range: bytes=…` (RFC 9110, 14.1.2). Several ranges, other units and malformed ones are answered with the whole, as the RFC allows.
enum ByteRange: Equatable {
    case whole
    case part(Range<Int>)
    case outside

    init(_ header: String?, of size: Int) {
        guard let header, header.hasPrefix("bytes=") else {
            self = .whole
            return
        }
        let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } && $0.utf8.count <= 18 }) else {
            self = .whole
            return
        }
        switch (Int(ends[0]), Int(ends[1])) {
        case (let first?, nil): self = first < size ? .part(first..<size) : .outside
        case (let first?, let last?):
            if last < first { self = .whole } else { self = first < size ? .part(first..<min(size, last + 1)) : .outside }
        case (nil, let count?): self = count > 0 && size > 0 ? .part(max(0, size - count)..<size) : .outside
        case (nil, nil): self = .whole
        }
    }
}
