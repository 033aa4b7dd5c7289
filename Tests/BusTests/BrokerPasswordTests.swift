import Testing

@testable import Bus

@Suite("A broker password")
struct BrokerPasswordTests {
    @Test("is 43 letters and digits, and another every time")
    func isRandom() {
        let passwords = Set((0..<1_000).map { _ in BrokerPassword.random().clearText })
        #expect(passwords.count == 1_000)
        #expect(passwords.allSatisfy { $0.utf8.count == 43 && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } })
        #expect(Set(passwords.joined()).count == 62, "every character is used")
    }

    @Test("is hashed as the broker does it")
    func hash() {
        // The example of RabbitMQ's guide to passwords: salt 908DC60A, password test12.
        let password = BrokerPassword(clearText: "test12")
        #expect(password.saltedHash(salt: [0x90, 0x8D, 0xC6, 0x0A]) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
        #expect(password.saltedHash() != password.saltedHash(), "the salt is random")
    }

    @Test("is never printed")
    func isNeverPrinted() {
        let credential = IssuedCredential(slot: .a, user: "t.x.a", password: BrokerPassword(clearText: "canary"), virtualHost: "v")
        var dumped = ""
        dump(credential, to: &dumped)
        #expect(!"\(credential) \(String(reflecting: credential)) \(dumped)".contains("canary"))
    }
}
