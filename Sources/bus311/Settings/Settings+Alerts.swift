import AMQP
import ArgumentParser
import Bus
import Configuration
import Curl
import Foundation
import Open311
import Operations

/// Who hears of what is wrong, and when.
extension Settings {
    /// How alerts are told.
    var alerts: AlertSettings {
        get throws {
            var alerts = AlertSettings()
            let language = reader.string(forKey: "alerts.language", default: "fr")
            guard ["fr", "en"].contains(language) else {
                throw ValidationError("alerts.language is \(language): it must be fr or en. \(Self.place(of: "alerts.language"))")
            }
            alerts.language = language == "fr" ? .french : .english
            alerts.timeZone = reader.string(forKey: "alerts.timeZone", default: "Europe/Paris")
            guard TimeZone(identifier: alerts.timeZone) != nil else {
                throw ValidationError(
                    "alerts.timeZone is \(alerts.timeZone): it must be an IANA name, as in Europe/Paris. \(Self.place(of: "alerts.timeZone"))"
                )
            }
            alerts.sendsMail = try mailServer != nil
            alerts.hasOperatorAddress = try alertAdministrator != nil
            alerts.hasWebhook = reader.string(forKey: "alerts.webhook.url") != nil
            alerts.runbooks = reader.string(forKey: "alerts.runbooks", default: alerts.runbooks)
            if !alerts.runbooks.hasSuffix("/") { alerts.runbooks += "/" }
            alerts.publicRoot = ServiceRequestEvent.Origin.root(of: gatewayURL)
            return alerts
        }
    }

    /// The installation's own technical administrator.
    var alertAdministrator: MailAddress? {
        get throws {
            guard let text = reader.string(forKey: "alerts.administrator") else { return nil }
            do throws(MailValueError) { return try MailAddress(validating: text) } catch {
                throw ValidationError("alerts.administrator: the \(error). \(Self.place(of: "alerts.administrator"))")
            }
        }
    }

    /// Seconds from one look to the next.
    var alertInterval: Int { reader.int(forKey: "alerts.interval", default: 15) }

    var alertRules: AlertRules {
        get throws {
            do throws(InvalidValue) { return try AlertRules(parsing: reader.string(forKey: "alerts.rules", default: "")) } catch {
                throw ValidationError("\(error). \(Self.place(of: "alerts.rules"))")
            }
        }
    }

    /// Folders whose disks are looked at: where this process works, where photos stand, and what the installation names.
    var alertDisks: [String] {
        get throws {
            let named = try reader.string(forKey: "alerts.disks", default: "").split(separator: ",").map { entry in
                let path = entry.trimmingCharacters(in: .whitespaces)
                guard path.hasPrefix("/") else {
                    throw ValidationError(
                        "alerts.disks has \(path): write folders from the root, as in /var/lib/postgresql, /var/lib/rabbitmq. "
                            + Self.place(of: "alerts.disks"))
                }
                guard !DiskProbe.signs(of: [path]).isEmpty else {
                    throw ValidationError(
                        "alerts.disks has \(path): there is no such folder, or this user may not look at it. "
                            + Self.place(of: "alerts.disks"))
                }
                return path
            }
            let own = [FileManager.default.currentDirectoryPath] + [reader.string(forKey: "media.directory")].compactMap { $0 }
            return own + named.filter { !own.contains($0) }
        }
    }

    /// Nil where the watch does not look at the broker.
    var alertBroker: BrokerSignsReader? {
        get throws {
            guard let password = monitorPassword else { return nil }
            return BrokerSignsReader(
                broker: BrokerAdministration(
                    client: try HTTPClient(name: "bus311-alerts"), baseURL: try managementURL,
                    credentials: BasicAuthentication(user: monitorUser, password: password), timeout: .seconds(5)))
        }
    }

    /// Nil where this process does not know the user for dead letters.
    var deadLetterLook: DeadLetterLook? {
        get throws {
            guard isSet("broker.redrive") else { return nil }
            let broker = try redriveBroker
            return DeadLetterLook { try DeadLetterBox(broker: broker, queue: $0, virtualHost: $1) }
        }
    }

    /// Nil where nobody watches the watcher.
    var alertHeartbeat: AlertHeartbeat? {
        get throws {
            guard let url = reader.string(forKey: "alerts.heartbeat", isSecret: true) else { return nil }
            guard LinkAddress(url) != nil else {
                throw ValidationError("alerts.heartbeat is no http or https address. \(Self.place(of: "alerts.heartbeat"))")
            }
            return try AlertHeartbeat(
                url: url, period: Int64(4 * alertInterval), authorities: reader.string(forKey: "alerts.webhook.authorities"))
        }
    }

    var alertWebhook: AlertWebhook? {
        get throws {
            guard let url = reader.string(forKey: "alerts.webhook.url", isSecret: true) else { return nil }
            let secret = try required("alerts.webhook.secret", hint: "what bodies are signed with, 16 characters at least")
            guard secret.utf8.count >= 16 else {
                throw ValidationError(
                    "alerts.webhook.secret is too short: 16 characters at least. \(Self.place(of: "alerts.webhook.secret"))")
            }
            guard let address = LinkAddress(url) else {
                throw ValidationError("alerts.webhook.url is no http or https address. \(Self.place(of: "alerts.webhook.url"))")
            }
            let allowed = try endpoints("alerts.webhook.allow")
            guard
                address.isSecure
                    || LinkGuard.Endpoint("\(address.host.contains(":") ? "[\(address.host)]" : address.host):\(address.port)").map(
                        allowed.contains) == true
            else {
                throw ValidationError(
                    "alerts.webhook.url is http: it must be https, unless it is an address inside the house, as in http://10.1.2.3:8080/, and alerts.webhook.allow names it (10.1.2.3:8080). "
                        + Self.place(of: "alerts.webhook.url"))
            }
            return try AlertWebhook(
                url: url, secret: secret, allowed: allowed, authorities: reader.string(forKey: "alerts.webhook.authorities"))
        }
    }

    /// Nil where no mail is sent.
    var alertMail: AlertMail? {
        get throws {
            guard let server = try mailServer else { return nil }
            return AlertMail(
                client: try SMTPClient(name: "bus311-amail", server: server), from: try mailSender, operators: try alertAdministrator)
        }
    }
}
