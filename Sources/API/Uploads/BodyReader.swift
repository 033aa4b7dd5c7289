import Open311

/// Reads a form as it arrives, whatever carries it: text fields whole within a limit, photos piece by piece.
protocol BodyReader {
    /// What these bytes complete.
    mutating func read(_ bytes: some Collection<UInt8>) throws(FormError) -> [MultipartReader.Piece]
    /// Says that no more bytes come.
    mutating func finish() throws(FormError) -> [MultipartReader.Piece]
}

extension MultipartReader: BodyReader {}
