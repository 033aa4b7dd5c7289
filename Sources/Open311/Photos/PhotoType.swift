/// The kinds of photograph that are taken, told by their first bytes and never by a name or a declared type.
public enum PhotoType: String, Sendable, CaseIterable {
    case jpeg = "image/jpeg"
    case png = "image/png"
    case webp = "image/webp"
    case heic = "image/heic"

    /// How many bytes decide.
    public static let decisiveBytes = 32

    /// - Parameter head: the first bytes of the file, 32 if it has so many.
    /// - Returns: nil for everything else: SVG, GIF, TIFF, PDF, HTML, programs.
    public init?(head: some Collection<UInt8>) {
        let bytes = Array(head.prefix(Self.decisiveBytes))
        func text(_ range: Range<Int>) -> String? {
            range.upperBound <= bytes.count ? String(decoding: bytes[range], as: UTF8.self) : nil
        }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if text(0..<4) == "RIFF", text(8..<12) == "WEBP" {
            self = .webp
        } else if text(4..<8) == "ftyp", let brand = text(8..<12), ["heic", "heix", "mif1"].contains(brand) {
            self = .heic
        } else {
            return nil
        }
    }
}
