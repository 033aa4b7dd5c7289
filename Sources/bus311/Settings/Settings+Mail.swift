import ArgumentParser
import Configuration
import Curl
import Open311
import Operations

/// The server that takes mails over, for notices to citizens and for alerts.
extension Settings {
    /// Nil where no mail is sent.
    var mailServer: SMTPServer? {
        get throws {
            guard let url = reader.string(forKey: "mail.url") else { return nil }
            do throws(MailValueError) {
                return try SMTPServer(
                    url: url, user: reader.string(forKey: "mail.user"), password: reader.string(forKey: "mail.password", isSecret: true),
                    authorities: reader.string(forKey: "mail.authorities"),
                    allowsCleartext: reader.bool(forKey: "mail.allowCleartext", default: false))
            } catch {
                let setting = "mail.\(error.name)"
                throw ValidationError("\(setting) \(error.problem). \(Self.place(of: setting))")
            }
        }
    }

    /// Whose mails they are.
    var mailSender: MailAddress {
        get throws {
            let text = try required("mail.from", hint: "the e-mail address that our mails come from")
            do throws(MailValueError) { return try MailAddress(validating: text) } catch {
                throw ValidationError("mail.from: the \(error). \(Self.place(of: "mail.from"))")
            }
        }
    }

    func isSet(_ key: String) -> Bool { reader.string(forKey: ConfigKey(key), isSecret: true) != nil }

    // MARK: Links and notices

    /// Nil where no links are signed.
    var linkSecret: LinkSecret? {
        get throws {
            guard let text = reader.string(forKey: "links.secret", isSecret: true) else { return nil }
            do throws(InvalidValue) {
                return try LinkSecret(text, previous: reader.string(forKey: "links.previousSecret", isSecret: true))
            } catch {
                throw ValidationError("links.\(error). \(Self.place(of: "links.secret"))")
            }
        }
    }

    var requiredLinkSecret: LinkSecret {
        get throws {
            guard let secret = try linkSecret else {
                _ = try required("links.secret", hint: "what links are signed with, as from: openssl rand -hex 32")
                throw ExitCode.validationFailure
            }
            return secret
        }
    }

    var noticePlan: NoticePlan {
        NoticePlan(minute: .milliseconds(reader.int(forKey: "notices.minuteMilliseconds", default: 60_000)))
    }

    var noticeFailPoint: NoticeFailPoint? { reader.string(forKey: "failpoint").flatMap { NoticeFailPoint(rawValue: $0) } }

    var noticeComposer: NoticeComposer {
        get throws {
            NoticeComposer(sender: try mailSender, secret: try requiredLinkSecret, rootURL: origin.rootURL)
        }
    }
}
