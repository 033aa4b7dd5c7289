import Open311
import Testing

@Suite("A city's photo policy")
struct PhotoPolicyTests {
    @Test("an address ends so many days after it began, or never")
    func expiry() {
        #expect(PhotoPolicy(shownDays: 2).expiry(from: Timestamp(seconds: 100)) == Timestamp(seconds: 172_900))
        #expect(PhotoPolicy().expiry(from: Timestamp(seconds: 100)) == nil)
    }

    @Test("kinds are written and read by their short names")
    func names() {
        for type in PhotoType.allCases { #expect(PhotoType(shortName: type.shortName.lowercased()) == type) }
        #expect(PhotoType(shortName: "gif") == nil)
        #expect(PhotoType.list([.png, .jpeg]) == "JPEG, PNG")
    }
}
