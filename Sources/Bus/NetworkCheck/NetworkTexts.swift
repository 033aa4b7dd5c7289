import Open311

/// What is said of each finding, in French and in English: first what was found, then, of a failure, what to do and who does it.
/// Placeholders stand in braces.
enum NetworkTexts {
    struct Text: Sendable {
        let found: String
        var remedy: String?

        init(_ found: String, _ remedy: String? = nil) { (self.found, self.remedy) = (found, remedy) }
    }

    static func text(of finding: NetworkFinding, in language: Language) -> Text {
        let text = language.primary == .english ? english(finding.outcome) : french(finding.outcome)
        return Text(fill(text.found, finding.values), text.remedy.map { fill($0, finding.values) })
    }

    static func fill(_ text: String, _ values: [String: String]) -> String {
        values.reduce(text) { $0.replacing("{\($1.key)}", with: $1.value) }
    }

    static func french(_ outcome: NetworkFinding.Outcome) -> Text {
        switch outcome {
        case .resolved: Text("le nom {host} a pour adresse {addresses}")
        case .unknownHost:
            Text("le nom {host} est inconnu", "Service réseau : le DNS doit résoudre {host} depuis ce poste. Vérifier aussi l’orthographe.")
        case .connected: Text("connexion TCP ouverte")
        case .connectTimeout:
            Text(
                "aucune réponse en {limit} s : un pare-feu jette les paquets",
                "Service réseau : autoriser la sortie TCP vers {host}, port {port}. Aucune règle d’entrée n’est nécessaire.")
        case .refused:
            Text(
                "connexion refusée",
                "Service réseau : un équipement refuse peut-être la sortie vers {host}, port {port}. Sinon, rien n’écoute là : "
                    + "demander à l’exploitant du bus.")
        case .unreachable:
            Text("pas de route, ou sortie interdite", "Service réseau : route et autorisation de sortie TCP vers {host}, port {port}.")
        case .connectFailed: Text("connexion impossible sur ce poste", "Vérifier les limites et le réseau de ce poste.")
        case .encrypted: Text("chiffrement {version}")
        case .inClear: Text("sans chiffrement : pour des essais seulement")
        case .handshakeTimeout:
            Text(
                "la connexion s’ouvre, mais rien ne répond au chiffrement en {limit} s",
                "Service réseau : un pare-feu applicatif retient peut-être ce qu’il ne connaît pas ; laisser passer le TLS vers {host}, "
                    + "port {port}, sans inspection. Sinon, demander à l’exploitant du bus.")
        case .handshakeClosed:
            Text(
                "la connexion est coupée au début du chiffrement",
                "Service réseau : un équipement coupe ce qu’il n’inspecte pas ; exempter {host}, port {port}, de l’inspection TLS.")
        case .handshakeRefused:
            Text(
                "pas de TLS 1.2 ou 1.3 : {words}",
                "Service réseau : si un équipement chiffre à la place du serveur, exempter {host}, port {port}. Sinon, vérifier le port : "
                    + "il ne parle pas TLS.")
        case .ownFiles: Text("le fichier des autorités est illisible", "Vérifier le fichier nommé par --ca-file.")
        case .trusted: Text("certificat valable pour {names}, signé par {issuer}, jusqu’au {until} ({days} jours)")
        case .expiresSoon:
            Text("certificat valable encore {days} jours, jusqu’au {until}", "Prévenir l’exploitant du bus : il doit le renouveler.")
        case .expired:
            Text("certificat expiré le {until}", "Vérifier l’heure de ce poste. Si elle est juste, prévenir l’exploitant du bus.")
        case .notYetValid: Text("certificat valable à partir du {from} seulement", "Mettre ce poste à l’heure.")
        case .unknownAuthority:
            Text(
                "certificat signé par une autorité inconnue : {issuer}",
                "Si ce nom est celui de votre réseau, il intercepte le TLS. Service réseau : exempter {host}, port {port}, de "
                    + "l’inspection. Si c’est l’autorité du bus, donner son fichier avec --ca-file.")
        case .wrongHost:
            Text(
                "le certificat est pour {names}, non pour {host}",
                "Se connecter sous un nom du certificat. Si le nom est juste, un équipement répond à la place du bus : Service réseau.")
        case .badCertificate: Text("certificat refusé, signé par {issuer}", "Prévenir l’exploitant du bus.")
        case .speaksAMQP: Text("le bus répond (AMQP 0-9-1)")
        case .speaksHTTP: Text("le service répond (HTTP {status})")
        case .notAMQP:
            Text("ce qui répond n’est pas AMQP", "Vérifier le port. Service réseau : un mandataire répond peut-être à la place du bus.")
        case .httpInsteadOfAMQP:
            Text(
                "c’est un serveur HTTP qui répond ({status})",
                "Service réseau : un mandataire HTTP se place entre ce poste et le bus ; laisser passer {host}, port {port}, tel quel. "
                    + "Sur le port 443, vérifier que le nom est celui du bus, non celui du site.")
        case .notHTTP: Text("ce qui répond n’est pas HTTP", "Vérifier l’adresse de l’API.")
        case .silent:
            Text(
                "aucune réponse en {limit} s après le chiffrement",
                "Service réseau : un équipement retient ce qui n’est pas HTTP ; laisser passer {host}, port {port}, tel quel. "
                    + "Sinon, demander à l’exploitant du bus.")
        case .hangsUp:
            Text(
                "la connexion est coupée avant toute réponse", "Service réseau : exempter {host}, port {port}, de tout filtrage applicatif."
            )
        case .loggedIn: Text("identification réussie")
        case .loginRefused: Text("identification refusée", "Vérifier l’URI : utilisateur, mot de passe, hôte virtuel. {detail}")
        case .loginFailed: Text("identification impossible", "{detail}")
        case .keptOpen: Text("connexion au repos gardée {seconds} s, un signe de vie toutes les {heartbeat} s")
        case .cut:
            Text(
                "connexion au repos coupée après {seconds} s",
                "Service réseau : porter le délai d’inactivité vers {host}, port {port}, à plus de {idle} s. {detail}")
        }
    }

    static func english(_ outcome: NetworkFinding.Outcome) -> Text {
        switch outcome {
        case .resolved: Text("the name {host} has the address {addresses}")
        case .unknownHost:
            Text("the name {host} is unknown", "Network team: DNS must resolve {host} from this machine. Check the spelling too.")
        case .connected: Text("TCP connection open")
        case .connectTimeout:
            Text(
                "no answer in {limit} s: a firewall drops the packets",
                "Network team: allow outgoing TCP to {host}, port {port}. No inbound rule is needed.")
        case .refused:
            Text(
                "connection refused",
                "Network team: a device may refuse the way out to {host}, port {port}. Otherwise nothing listens there: "
                    + "ask the bus's operator.")
        case .unreachable: Text("no route, or the way out is forbidden", "Network team: route and outgoing TCP to {host}, port {port}.")
        case .connectFailed: Text("this machine cannot connect", "Check this machine's limits and network.")
        case .encrypted: Text("encrypted, {version}")
        case .inClear: Text("not encrypted: for tests only")
        case .handshakeTimeout:
            Text(
                "the connection opens, but nothing answers the encryption in {limit} s",
                "Network team: an application firewall may hold back what it does not know; let TLS through to {host}, port {port}, "
                    + "without inspection. Otherwise ask the bus's operator.")
        case .handshakeClosed:
            Text(
                "the connection is cut when encryption begins",
                "Network team: a device cuts what it cannot inspect; exempt {host}, port {port}, from TLS inspection.")
        case .handshakeRefused:
            Text(
                "no TLS 1.2 or 1.3: {words}",
                "Network team: if a device encrypts in the server's place, exempt {host}, port {port}. Otherwise check the port: "
                    + "it speaks no TLS.")
        case .ownFiles: Text("the file of authorities cannot be read", "Check the file that --ca-file names.")
        case .trusted: Text("certificate valid for {names}, signed by {issuer}, until {until} ({days} days)")
        case .expiresSoon: Text("certificate valid for {days} more days, until {until}", "Tell the bus's operator to renew it.")
        case .expired: Text("certificate expired on {until}", "Check this machine's clock. If it is right, tell the bus's operator.")
        case .notYetValid: Text("certificate valid from {from} only", "Correct this machine's clock.")
        case .unknownAuthority:
            Text(
                "certificate signed by an unknown authority: {issuer}",
                "If that name is your network's, it intercepts TLS. Network team: exempt {host}, port {port}, from inspection. "
                    + "If it is the bus's authority, give its file with --ca-file.")
        case .wrongHost:
            Text(
                "the certificate is for {names}, not for {host}",
                "Connect under a name of the certificate. If the name is right, a device answers in the bus's place: network team.")
        case .badCertificate: Text("certificate refused, signed by {issuer}", "Tell the bus's operator.")
        case .speaksAMQP: Text("the bus answers (AMQP 0-9-1)")
        case .speaksHTTP: Text("the service answers (HTTP {status})")
        case .notAMQP: Text("what answers is not AMQP", "Check the port. Network team: a proxy may answer in the bus's place.")
        case .httpInsteadOfAMQP:
            Text(
                "an HTTP server answers ({status})",
                "Network team: an HTTP proxy stands between this machine and the bus; let {host}, port {port}, through as it is. "
                    + "On port 443, check that the name is the bus's, not the site's.")
        case .notHTTP: Text("what answers is not HTTP", "Check the API's address.")
        case .silent:
            Text(
                "no answer in {limit} s after the encryption",
                "Network team: a device holds back what is not HTTP; let {host}, port {port}, through as it is. "
                    + "Otherwise ask the bus's operator.")
        case .hangsUp:
            Text("the connection is cut before any answer", "Network team: exempt {host}, port {port}, from all application filtering.")
        case .loggedIn: Text("logged in")
        case .loginRefused: Text("login refused", "Check the URI: user, password, virtual host. {detail}")
        case .loginFailed: Text("login not possible", "{detail}")
        case .keptOpen: Text("quiet connection kept for {seconds} s, a sign of life every {heartbeat} s")
        case .cut:
            Text(
                "quiet connection cut after {seconds} s",
                "Network team: raise the idle timeout to {host}, port {port}, above {idle} s. {detail}")
        }
    }
}
