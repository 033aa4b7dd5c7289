import Testing

@testable import Bus

@Suite("An operation of the management interface")
struct ManagementOperationTests {
    @Test(
        "encodes each segment of its path by itself",
        arguments: [
            (["queues", "/", "a"], "/api/queues/%2F/a"),
            (["bindings", "v", "e", "x", "q", "y", "a.%23"], "/api/bindings/v/e/x/q/y/a.%2523"),
            (["connections", "127.0.0.1:1 -> 127.0.0.1:2"], "/api/connections/127.0.0.1%3A1%20-%3E%20127.0.0.1%3A2"),
            (["users", "café?#"], "/api/users/caf%C3%A9%3F%23"),
        ]
    )
    func encodes(path: [String], expected: String) {
        #expect(ManagementOperation(method: "GET", path: path).pathAndQuery == expected)
    }

    @Test("encodes its query, and leaves it out of its description")
    func query() {
        let operation = ManagementOperation(method: "GET", path: ["queues", "v"], query: [("name", #"^a\."#), ("page", "1")])
        #expect(operation.pathAndQuery == "/api/queues/v?name=%5Ea%5C.&page=1")
        #expect(operation.description == "GET /api/queues/v")
    }
}
