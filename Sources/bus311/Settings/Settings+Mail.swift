import ArgumentParser
import Configuration
import Curl
import Open311

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
}
