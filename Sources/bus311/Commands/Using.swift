import Bus
import Operations
import Storage

/// What holds a connection until it is told that its work is over.
protocol Closable {
    func close() async
}

extension AdministrationStore: Closable {}
extension AuditStore: Closable {}
extension BackupStore: Closable {}
extension DeadLetterBox: Closable {}
extension PersonStore: Closable {}
extension PhotoQueue: Closable {}
extension ReferencePuller: Closable {}
extension ReferenceStore: Closable {}
extension ReplayStore: Closable {}
extension RetentionStore: Closable {}
extension S3Store: Closable {}
extension StatusInbox: Closable {}
extension StatusUpdateStore: Closable {}
extension UsageStore: Closable {}

/// Works with something and closes it, whether the work succeeds or not: `defer` cannot wait.
///
/// - Returns: what the work gives.
/// - Throws: what the work throws, after the closing.
func using<Opened: Closable, Value>(_ opened: Opened, _ work: (Opened) async throws -> Value) async throws -> Value {
    do {
        let value = try await work(opened)
        await opened.close()
        return value
    } catch {
        await opened.close()
        throw error
    }
}
