import Curl
import Foundation
import NIOConcurrencyHelpers
import Testing

@Suite("The mail client", .timeLimit(.minutes(1)))
struct SMTPClientTests {
    private func message(_ text: String = "Bonjour,\n\n.Voilà.\n", subject: String = "Déjà réparé") throws -> MailMessage {
        MailMessage(
            from: try MailAddress(validating: "bus@valmont.example"), fromName: try HeaderText(validating: "Ville de Valmont, été"),
            to: try MailAddress(validating: "ada@mail.example"), subject: try HeaderText(validating: subject), text: text,
            id: try MailMessageID(name: "n.1", domain: "valmont.example"), date: 1_772_359_200)
    }

    private func withClient(
        user: String? = nil, _ answer: @escaping @Sendable (String) -> ScriptedMailServer.Answer? = { _ in nil },
        _ body: (SMTPClient, ScriptedMailServer) async throws -> Void
    ) async throws {
        let server = try ScriptedMailServer(answer: answer)
        defer { server.stop() }
        let client = try SMTPClient(
            name: "test-mail",
            server: try SMTPServer(url: server.url, user: user, password: user.map { _ in "pässword" }, allowsCleartext: true))
        do { try await body(client, server) } catch {
            await client.close()
            throw error
        }
        await client.close()
    }

    private func failure(_ client: SMTPClient, _ message: MailMessage, timeout: Duration = .seconds(5)) async -> MailError? {
        do {
            try await client.send(message, timeout: timeout)
            return nil
        } catch { return error }
    }

    @Test("hands a mail over: login, sender, recipient, content; a second one follows on the same connection")
    func handsOver() async throws {
        try await withClient(user: "bus") { client, server in
            try await client.send(try message())
            try await client.send(try message("second"))
            let mails = server.mails
            try #require(mails.count == 2)
            #expect(mails[0].commands.first == "EHLO valmont.example")
            let login = try #require(mails[0].commands.firstIndex(of: "AUTH PLAIN"))
            let secret = Array("\0bus\0pässword".utf8)
            #expect(Data(base64Encoded: mails[0].commands[login + 1]).map(Array.init) == secret)
            #expect(mails[0].commands.contains { $0.hasPrefix("MAIL FROM:<bus@valmont.example>") && $0.contains("SIZE=") })
            #expect(mails[0].commands.contains("RCPT TO:<ada@mail.example>"))
            #expect(mails[0].content.contains("\r\n..Voil=C3=A0.\r\n"), "a line that begins with a dot does not end the mail")
            #expect(mails[0].content.contains("To: <ada@mail.example>\r\n"))
            #expect(mails[1].connection == 1)
        }
    }

    @Test(
        "a refusal is of the mail, of the login or of the server, for now or for good, without the server's words",
        arguments: [
            ("greeting", "554 no", MailError.Kind.serverRefuses), ("AUTH", "535 5.7.8 ada wrong", .loginRefused),
            ("MAIL", "550 5.7.1 not you", .serverRefuses), ("MAIL", "421 4.3.2 later", .serverRefuses),
            ("RCPT", "450 4.2.0 ada@mail.example greylisted", .refusedForNow), ("RCPT", "550 5.1.1 ada@mail.example unknown", .refused),
            ("RCPT", "421 4.7.0 too many", .serverRefuses), ("DATA", "451 4.3.0 later", .refusedForNow),
            ("content", "554 5.7.1 spam", .refused), ("content", "452 4.3.1 full", .refusedForNow),
        ])
    func refusals(word: String, answer: String, kind: MailError.Kind) async throws {
        try await withClient(user: "bus", { $0 == word ? .says(answer) : nil }) { client, _ in
            let error = try #require(await failure(client, try message()))
            #expect(error.kind == kind && error.reply?.code == Int(answer.prefix(3)) && !error.mayHaveArrived, "\(error)")
            #expect(error.reply?.enhanced == (answer.contains(".") ? String(answer.split(separator: " ")[1]) : nil))
            #expect(!"\(error)".contains("ada") && !"\(error)".contains("spam"))
        }
    }

    @Test("after a mail that was refused the next one goes through")
    func nextOneGoes() async throws {
        try await withClient({ $0 == "RCPT" ? .says("550 5.1.1 no") : nil }) { client, server in
            let mail = try message()
            #expect(await failure(client, mail)?.kind == .refused)
            #expect(await failure(client, mail)?.kind == .refused)
            #expect(server.mails.isEmpty)
        }
    }

    @Test(
        "only a mail that was wholly handed over may have arrived",
        arguments: [
            ("greeting", ScriptedMailServer.Answer.cut, MailError.Kind.connectionLost, false), ("RCPT", .cut, .connectionLost, false),
            ("DATA", .cut, .connectionLost, false), ("content", .cut, .connectionLost, true), ("content", .silence, .timedOut, true),
            ("RCPT", .silence, .timedOut, false), ("greeting", .silence, .cannotConnect, false),
        ])
    func doubt(word: String, answer: ScriptedMailServer.Answer, kind: MailError.Kind, mayHaveArrived: Bool) async throws {
        try await withClient({ $0 == word ? answer : nil }) { client, _ in
            let error = try #require(await failure(client, try message(), timeout: .seconds(1)))
            #expect(error.kind == kind && error.mayHaveArrived == mayHaveArrived, "\(error)")
            #expect(error.hadRecipient == (word != "greeting"))
        }
    }

    @Test("a connection that was kept and says nothing any more costs the mail's time and no more; the next mail takes a new one")
    func silentConnection() async throws {
        let isSilent = NIOLockedValueBox(false)
        try await withClient({ word in isSilent.withLockedValue { $0 } && word != "greeting" ? .silence : nil }) { client, server in
            try await client.send(try message())
            isSilent.withLockedValue { $0 = true }
            let mail = try message("again")
            let start = ContinuousClock.now
            #expect(await failure(client, mail, timeout: .seconds(1))?.kind == .timedOut)
            #expect(start.duration(to: .now) < .seconds(3))
            isSilent.withLockedValue { $0 = false }
            try await client.send(mail)
            #expect(server.mails.last?.connection == 2)
        }
    }

    @Test("without TLS where it must be, nothing is said")
    func noCleartext() async throws {
        let server = try ScriptedMailServer()
        defer { server.stop() }
        let client = try SMTPClient(name: "test-mail", server: try SMTPServer(url: server.url, user: "bus", password: "secret"))
        let error = try #require(await failure(client, try message()))
        #expect(error.kind == .untrusted && server.mails.isEmpty, "\(error)")
        await client.close()
    }

    @Test("nobody listening, a closed client, a mail that is too long")
    func others() async throws {
        let client = try SMTPClient(
            name: "test-mail", server: try SMTPServer(url: "smtp://127.0.0.1:\(try ScriptedServer.unusedPort())"))
        let mail = try message()
        let long = try message(String(repeating: "x", count: MailMessage.maximumBytes + 1))
        #expect(await failure(client, mail)?.kind == .cannotConnect)
        #expect(await failure(client, long)?.kind == .invalidMessage)
        await client.close()
        #expect(await failure(client, mail)?.kind == .closed)
    }

    @Test("a cancelled task ends soon")
    func cancelled() async throws {
        let (asked, continuation) = AsyncStream.makeStream(of: Void.self)
        let answer: @Sendable (String) -> ScriptedMailServer.Answer? = { command in
            guard command == "RCPT" else { return nil }
            continuation.yield()
            return .silence
        }
        try await withClient(answer) { client, _ in
            let mail = try message()
            let task = Task { await failure(client, mail, timeout: .seconds(30)) }
            for await _ in asked { break }
            let start = ContinuousClock.now
            task.cancel()
            #expect(await task.value?.kind == .cancelled)
            #expect(start.duration(to: .now) < .seconds(5))
        }
    }

    @Test(
        "the server's address",
        arguments: [
            ("smtp://mail.valmont.example", "smtp://mail.valmont.example:587"),
            ("smtps://mail.valmont.example/", "smtps://mail.valmont.example:465"),
            ("SMTP://[::1]:25", "smtp://[::1]:25"), ("smtp://10.0.0.1:2525", "smtp://10.0.0.1:2525"),
        ])
    func address(url: String, text: String) throws {
        let server = try SMTPServer(url: url)
        #expect("\(server)" == text)
    }

    @Test(
        "an address that is none",
        arguments: [
            "", "mail.example", "http://mail.example", "smtp://", "smtp://user@host", "smtp://host:0", "smtp://host:70000", "smtp://ho st",
            "smtp://host/path", "smtp://host\r\nX", "smtp://[::1", "smtp://[]", "smtp://host:25:25",
        ])
    func wrongAddress(url: String) { #expect(throws: MailValueError.self) { try SMTPServer(url: url) } }

    @Test("a login has both parts, and printing shows neither")
    func login() throws {
        #expect(throws: MailValueError.self) { try SMTPServer(url: "smtp://h", user: "a") }
        #expect(throws: MailValueError.self) { try SMTPServer(url: "smtp://h", user: "a", password: "b\r\nQUIT") }
        var text = ""
        dump(try SMTPServer(url: "smtp://h", user: "login", password: "hidden"), to: &text)
        #expect(!text.contains("login") && !text.contains("hidden"))
    }
}
