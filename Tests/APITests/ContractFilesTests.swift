import Foundation
import Testing

@testable import API

@Suite("The contract as the gateway serves it")
struct ContractFilesTests {
    @Test("is every file of docs/contract that vendors are given, byte for byte")
    func isWhole() throws {
        let folder = URL(filePath: #filePath).appending(path: "../../../docs/contract").standardizedFileURL
        var expected: [String: [UInt8]] = ["/asyncapi.yaml": Array(try Data(contentsOf: folder.appending(path: "asyncapi.yaml")))]
        for type in try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "schemas").path) {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "schemas/\(type)").path)
            where !name.hasSuffix(".producer.json") {
                expected["/schemas/\(type)/\(name)"] = Array(try Data(contentsOf: folder.appending(path: "schemas/\(type)/\(name)")))
            }
        }
        #expect(Set(ContractFiles.files.keys) == Set(expected.keys), "name a new file in Package.swift and in ContractFiles.swift")
        for (path, bytes) in expected { #expect(ContractFiles.files[path] == bytes, "\(path) is not the file of docs/contract") }
    }
}
