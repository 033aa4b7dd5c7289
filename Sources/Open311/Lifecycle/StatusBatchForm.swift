/// Many lifecycle updates in one body: `{"updates": [{"service_request_id": …, "update_id": …, …}]}`. Each stands for itself.
public struct StatusBatchForm {
    public static let maximumCount = 1_000
    /// Of a body, in bytes.
    public static let maximumSize = 8_388_608

    /// One update of a batch, or why it is none.
    public struct Item: Sendable {
        /// As far as they can be told, for the answer.
        public let updateID: String?
        public let requestText: String?
        /// A fault's pointers lead into the update, as if it stood alone: so it is kept and read back.
        public let content: Result<(update: StatusUpdate, address: RequestAddress), StatusUpdateFault>

        /// False where nothing but the mapping stands in its way.
        public var isMapped: Bool { if case .success(let content) = content { content.update.unmapped == nil } else { true } }
    }

    private let list: [JSONValue]

    /// - Throws: ``StatusUpdateFault`` when it is no batch, or too large a one: nothing of it is looked at then.
    public init(parsing bytes: [UInt8]) throws(StatusUpdateFault) {
        let members = try StatusUpdateFault.object(in: bytes)
        guard let list = members.first(where: { $0.name == "updates" })?.value.array else {
            throw .invalid([StatusUpdateFault.Member(pointer: "/updates", text: "updates must be a list of updates.")])
        }
        guard !list.isEmpty else { throw .invalid([StatusUpdateFault.Member(pointer: "/updates", text: "updates is empty.")]) }
        guard list.count <= Self.maximumCount else { throw .tooManyUpdates(list.count) }
        self.list = list
    }

    /// Where the update of this index stands in the body.
    public static func place(of index: Int) -> String { "/updates/\(index)" }

    /// - Parameters: as of ``StatusUpdateForm/update(id:receivedAt:mapping:)``.
    public func items(receivedAt: Timestamp, mapping: StatusMapping) -> [Item] {
        list.map { value in
            guard let members = value.object else {
                let fault = StatusUpdateFault.invalid([
                    StatusUpdateFault.Member(pointer: "", text: "Each update must be an object; this is \(value.kindName).")
                ])
                return Item(updateID: nil, requestText: nil, content: .failure(fault))
            }
            let form = StatusUpdateForm(members)
            return Item(
                updateID: value["update_id"]?.string.map { String($0.prefix(128)) },
                requestText: value["service_request_id"]?.string.map { String($0.prefix(64)) },
                content: Self.content(form, receivedAt, mapping))
        }
    }

    private static func content(
        _ form: StatusUpdateForm, _ receivedAt: Timestamp, _ mapping: StatusMapping
    ) -> Result<(update: StatusUpdate, address: RequestAddress), StatusUpdateFault> {
        do {
            let id = try form.updateID()
            let address = try form.address()
            return .success((try form.update(id: id, receivedAt: receivedAt, mapping: mapping), address))
        } catch {
            return .failure(error)
        }
    }
}
