import Foundation
import Open311
import Testing

@Suite("Signed links")
struct SignedLinkTests {
    private let secret: LinkSecret
    private let now = Timestamp(seconds: 1_772_359_200)

    init() throws { secret = try LinkSecret(String(repeating: "s", count: 32)) }

    private func link(_ purpose: SignedLink.Purpose = .person, tenant: Int32 = 7, request: Int64 = 2_611_000_004_217) -> SignedLink {
        SignedLink(purpose, tenant: TenantID(tenant), request: ServiceRequestID(stored: request), expiresAt: now.adding(days: 1))
    }

    private func refusal(_ token: String, for purpose: SignedLink.Purpose = .person, _ secret: LinkSecret, at moment: Timestamp)
        -> SignedLink.Refusal?
    {
        do { _ = try SignedLink(token, for: purpose, secret, at: moment) } catch { return error }
        return nil
    }

    @Test("a link is read as it was made, of a test endpoint too", arguments: [Int32(7), -7, .max, .min])
    func reads(tenant: Int32) throws {
        let made = link(tenant: tenant)
        let token = made.token(secret)
        #expect(
            token.utf8.count == 72
                && token.utf8.allSatisfy { ($0 | 32) >= 97 && ($0 | 32) <= 122 || $0 >= 48 && $0 <= 57 || $0 == 45 || $0 == 95 })
        #expect(try SignedLink(token, for: .person, secret, at: now) == made)
    }

    @Test("it opens one thing, until its end, and for nobody without the secret")
    func bound() throws {
        let token = link().token(secret)
        #expect(refusal(token, for: .unsubscribe, secret, at: now) == .otherPurpose)
        #expect(refusal(token, secret, at: now.adding(days: 1)) == .expired)
        #expect(refusal(token, secret, at: now.adding(seconds: 86_399)) == nil)
        #expect(refusal(token, try LinkSecret(String(repeating: "t", count: 32)), at: now) == .unknown)
    }

    @Test("an unsubscribing link says whose it is, in a hash that is signed with the rest; those of before are read as they were")
    func addressed() throws {
        let hash = secret.hash(address: "ada@mail.example")
        let made = SignedLink(
            .unsubscribe, tenant: TenantID(7), request: ServiceRequestID(stored: 2_611_000_004_217), expiresAt: now.adding(days: 1),
            address: hash)
        let token = made.token(secret)
        #expect(token.utf8.count == 115)
        let read = try SignedLink(token, for: .unsubscribe, secret, at: now)
        #expect(read == made && read.address == hash)
        #expect(try SignedLink(link(.unsubscribe).token(secret), for: .unsubscribe, secret, at: now).address == nil)
        #expect(refusal(token, for: .unsubscribe, secret, at: now.adding(days: 1)) == .expired)
        #expect(refusal(token, secret, at: now) == .otherPurpose)
        for (index, character) in token.enumerated() {
            var changed = Array(token)
            changed[index] = character == "A" ? "B" : "A"
            #expect(refusal(String(changed), for: .unsubscribe, secret, at: now) == .unknown)
        }
        // Nothing else carries one.
        let person = SignedLink(
            .person, tenant: TenantID(7), request: ServiceRequestID(stored: 1), expiresAt: now.adding(days: 1), address: hash)
        #expect(person.address == nil && person.token(secret).utf8.count == 72)
    }

    @Test("no changed character opens anything, and a forged one tells nothing of purpose or time")
    func tampering() throws {
        let token = Array(link().token(secret))
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        for index in token.indices {
            for replacement in alphabet where replacement != token[index] {
                var changed = token
                changed[index] = replacement
                #expect(refusal(String(changed), for: .unsubscribe, secret, at: now.adding(days: 9)) == .unknown)
            }
        }
        for wrong in [
            "", "x", String(token.dropLast()), String(token) + "A", String(token.dropLast()) + "=", String(repeating: "é", count: 36),
        ] {
            #expect(refusal(wrong, secret, at: now) == .unknown)
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let noise = String((0..<72).compactMap { _ in alphabet.randomElement(using: &random) })
            #expect(refusal(noise, secret, at: now) == .unknown)
        }
    }

    @Test("links of a secret that is being given up still open; none is made with it")
    func rotation() throws {
        let new = String(repeating: "n", count: 40)
        let rotated = try LinkSecret(new, previous: String(repeating: "s", count: 32))
        #expect(refusal(link().token(secret), rotated, at: now) == nil)
        #expect(refusal(link().token(rotated), secret, at: now) == .unknown)
        #expect(refusal(link().token(rotated), try LinkSecret(new), at: now) == nil)
    }

    @Test("a secret is long enough, and printing it shows nothing")
    func secrets() throws {
        #expect(throws: InvalidValue.self) { try LinkSecret(String(repeating: "s", count: 31)) }
        #expect(throws: InvalidValue.self) { try LinkSecret(String(repeating: "s", count: 32), previous: "short") }
        var text = ""
        dump(try LinkSecret("hidden-hidden-hidden-hidden-hidden"), to: &text)
        #expect(!text.contains("hidden") && !"\(secret)".contains("s".description + "ss"))
    }

    @Test("an address has one hash, however it is written, and none without the secret")
    func addresses() throws {
        #expect(secret.hash(address: "Ada@Mail.example") == secret.hash(address: " ada@mail.example"))
        #expect(secret.hash(address: "ada@mail.example") != secret.hash(address: "ada@mail.exampl"))
        #expect(
            secret.hash(address: "ada@mail.example")
                != (try LinkSecret(String(repeating: "t", count: 32))).hash(address: "ada@mail.example"))
    }

    @Test("an address is known by its hash under the secret that is being given up too, today's first")
    func rotatedAddresses() throws {
        let rotated = try LinkSecret(String(repeating: "n", count: 40), previous: String(repeating: "s", count: 32))
        let hashes = rotated.hashes(address: "Ada@mail.example")
        #expect(hashes == [rotated.hash(address: "ada@mail.example"), secret.hash(address: "ada@mail.example")])
        #expect(secret.hashes(address: "ada@mail.example") == [secret.hash(address: "ada@mail.example")])
    }

    @Test("a CRM that keeps data says why, in a code")
    func answers() throws {
        #expect(try CRMErasureAnswer(outcome: .erased, reason: nil).reason == nil)
        #expect(try CRMErasureAnswer(outcome: .kept, reason: "legal_obligation").outcome == .kept)
        for wrong in ["", "Mrs Martin", "Legal", "a-b", String(repeating: "a", count: 65)] {
            #expect(throws: InvalidValue.self) { try CRMErasureAnswer(outcome: .kept, reason: wrong) }
        }
        #expect(throws: InvalidValue.self) { try CRMErasureAnswer(outcome: .kept, reason: nil) }
    }
}
