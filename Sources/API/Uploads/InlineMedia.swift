import Open311

/// The text of a field `media`, as it arrives: base64, with or without a `data:` prefix, or a link. The first bytes say which.
struct InlineMedia {
    enum Fault: Error, Equatable {
        case base64(Base64Decoder.Fault)
        /// `data:` without `;base64,` soon after.
        case dataPrefix
        /// An address that is none, or too long.
        case link
    }

    enum Content: Equatable {
        case nothing
        case link(String)
        /// Its bytes were handed out.
        case photo
    }

    private enum State {
        case undecided([UInt8])
        case link([UInt8])
        case photo(Base64Decoder)
    }

    private var state = State.undecided([])
    /// Of what stands before the comma of `data:image/jpeg;base64,`.
    private static let maximumPrefix = 256
    private static let maximumLink = 2_000

    static func isNamed(_ name: String) -> Bool { name == "media" || name == "media[]" }

    /// - Returns: decoded bytes of a photo, if there are any yet.
    mutating func take(_ bytes: some Collection<UInt8>) throws(Fault) -> [UInt8] {
        switch state {
        case .undecided(let before):
            // Blanks around a value are nobody's intention.
            let all = before.isEmpty ? Array(bytes.drop { $0 == 32 || $0 == 9 || $0 == 10 || $0 == 13 }) : before + bytes
            state = .undecided(all)
            return try decide(all, isWhole: false)
        case .link(var text):
            text.append(contentsOf: bytes)
            guard text.count <= Self.maximumLink else { throw .link }
            state = .link(text)
            return []
        case .photo(var decoder):
            var output: [UInt8] = []
            do { try decoder.decode(bytes, into: &output) } catch { throw .base64(error) }
            state = .photo(decoder)
            return output
        }
    }

    /// Says that no more comes.
    ///
    /// - Parameter handOut: takes the last bytes of a photo.
    mutating func finish() throws(Fault) -> (bytes: [UInt8], content: Content) {
        var last: [UInt8] = []
        if case .undecided(let all) = state {
            if all.isEmpty { return ([], .nothing) }
            last = try decide(all, isWhole: true)
        }
        switch state {
        case .undecided: throw .dataPrefix
        case .link(let text):
            let address = CleanText.singleSpaced(String(decoding: text, as: UTF8.self))
            guard WebAddress.isAbsolute(address) else { throw .link }
            return ([], .link(address))
        case .photo(let decoder):
            do { try decoder.finish() } catch { throw .base64(error) }
            return (last, .photo)
        }
    }

    private mutating func decide(_ bytes: [UInt8], isWhole: Bool) throws(Fault) -> [UInt8] {
        let head = String(decoding: bytes.prefix(8), as: UTF8.self).lowercased()
        if head.hasPrefix("http://") || head.hasPrefix("https://") {
            guard bytes.count <= Self.maximumLink else { throw .link }
            state = .link(bytes)
            return []
        }
        guard bytes.count >= 8 || isWhole else { return [] }
        guard head.hasPrefix("data:") else { return try begin(bytes[...]) }
        guard let comma = bytes.prefix(Self.maximumPrefix).firstIndex(of: UInt8(ascii: ",")) else {
            guard !isWhole, bytes.count < Self.maximumPrefix else { throw .dataPrefix }
            return []
        }
        guard String(decoding: bytes[..<comma], as: UTF8.self).lowercased().hasSuffix(";base64") else { throw .dataPrefix }
        return try begin(bytes[(comma + 1)...])
    }

    private mutating func begin(_ bytes: ArraySlice<UInt8>) throws(Fault) -> [UInt8] {
        state = .photo(Base64Decoder())
        return try take(bytes)
    }
}
