import Storage

/// Whether the media store can be said to work: after a failure not before it has answered again, though nothing is to be done.
struct StoreProbe {
    private let media: any MediaStore
    private var hasFailed = false
    private var nextQuestion = ContinuousClock.now
    private static let interval = Duration.seconds(5)

    init(_ media: any MediaStore) { self.media = media }

    /// - Parameter worked: whether a photo was just stored.
    /// - Returns: false while a failure is the last that was heard of it.
    /// - Throws: ``MediaError`` when it was asked and fails still.
    mutating func passes(worked: Bool) async throws(MediaError) -> Bool {
        if worked { hasFailed = false }
        guard hasFailed else { return true }
        guard nextQuestion <= .now else { return false }
        _ = try await media.tenants()
        hasFailed = false
        return true
    }

    mutating func failed() {
        hasFailed = true
        nextQuestion = .now.advanced(by: Self.interval)
    }
}
