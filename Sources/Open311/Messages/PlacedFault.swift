/// One thing that is wrong with a document, and where.
public protocol PlacedFault {
    /// A JSON pointer (RFC 6901) into what was sent, or what stands for one where it is no JSON.
    var pointer: String { get }
    /// What is wrong and what to do, for people.
    var text: String { get }
}

extension StatusUpdateFault.Member: PlacedFault {}
extension ReferenceFault: PlacedFault {}

extension JSONWriter {
    /// `[{"pointer": …, "detail": …}]`: as problems, receipts and advice tell faults.
    public mutating func faults(_ faults: some Sequence<some PlacedFault>) {
        beginArray()
        for fault in faults {
            beginObject()
            name("pointer")
            value(fault.pointer)
            name("detail")
            value(fault.text)
            endObject()
        }
        endArray()
    }
}
