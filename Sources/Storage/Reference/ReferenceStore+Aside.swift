import Dispatch
import Open311

extension ReferenceStore {
    /// Reads and checks whole documents away from the threads on which every other call is answered: that may take seconds.
    public static func aside<Value: Sendable>(
        _ work: @escaping @Sendable () throws(ReferenceFaults) -> Value
    ) async throws(ReferenceFaults) -> Value {
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Result<Value, ReferenceFaults>, Never>) in
            DispatchQueue.global(qos: .utility).async {
                continuation.resume(returning: Result { () throws(ReferenceFaults) in try work() })
            }
        }
        return try result.get()
    }
}
