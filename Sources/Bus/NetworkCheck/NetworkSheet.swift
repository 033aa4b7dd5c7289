import Open311

/// One page for a city's network team: what to open, to where, and why nothing has to come in. Markdown.
public struct NetworkSheet: Sendable, Hashable {
    public let plan: NetworkPlan

    public init(plan: NetworkPlan) { self.plan = plan }

    public func markdown(in language: Language) -> String { language.primary == .english ? english : french }

    private func rows(broker: String, api: String, out: String) -> String {
        plan.destinations.map { destination in
            "| \(destination.host) | TCP \(destination.port) | \(destination.purpose == .broker ? broker : api) | \(out) |"
        }.joined(separator: "\n")
    }

    private func commands() -> String {
        let brokers = plan.brokers.map { "openssl s_client -brief -connect \($0.name) -servername \($0.host) < /dev/null" }
        let apis = plan.apis.map { "curl --head https://\($0.port == 443 ? $0.host : $0.name)/" }
        return (brokers + apis).map { "- `\($0)`" }.joined(separator: "\n")
    }

    private var french: String {
        """
        # Ouverture de flux pour le bus de signalements Open311

        À remettre au service réseau. Le logiciel de gestion des signalements (CRM) de la ville reçoit les signalements des citoyens et
        renvoie leur suivi en se connectant **lui-même, vers l’extérieur**, au bus.

        ## À ouvrir, depuis le serveur du CRM

        | Vers | Port | Pour | Sens |
        | --- | --- | --- | --- |
        \(rows(broker: "messages (AMQP sur TLS, connexion permanente)", api: "suivi et données de référence (HTTPS)", out: "sortant"))

        \(plan.brokers.count > 1 ? "Pour les messages, une seule de ces voies suffit ; le port 443 est là pour les réseaux qui n’ouvrent que lui.\n" : "")
        ## Pourquoi seulement en sortie

        C’est le CRM qui appelle. Les signalements arrivent par la connexion qu’il a ouverte, comme la réponse d’un site web. Donc
        **aucune règle d’entrée**, aucune adresse publique, aucune redirection de port, aucun VPN : rien d’extérieur ne peut joindre le CRM.
        Une coupure ne perd rien : les messages attendent dans le bus et le CRM reprend à la reconnexion.

        ## Ce que les équipements intermédiaires ne doivent pas faire

        - **Ne pas intercepter le TLS** vers ces noms (inspection, déchiffrement) : le CRM refuse un certificat qui n’est pas celui du bus,
          et ce qui circule n’est pas du HTTP. Exempter ces noms.
        - **Ne pas exiger de mandataire HTTP** pour le port des messages : AMQP n’en utilise pas. Une sortie directe est nécessaire.
        - **Ne pas couper une connexion calme avant \(plan.idleLimit) s** : bus et CRM échangent un signe de vie au plus toutes les \(plan.heartbeat) s,
          même sans message ; tout délai d’inactivité supérieur à deux signes de vie convient.
        - Filtrer par **nom** plutôt que par adresse : les adresses peuvent changer. Le DNS doit résoudre ces noms depuis le serveur du CRM.

        Chiffrement : TLS 1.2 ou 1.3, certificats d’une autorité publique.

        ## Vérifier

        Avec le programme du bus, depuis le serveur du CRM (`bus311 netcheck`), ou avec des outils courants :

        \(commands())

        Le certificat montré doit être celui du nom appelé, signé par une autorité publique, non par votre réseau.
        """
    }

    private var english: String {
        """
        # Network openings for the Open311 service bus

        To hand to the network team. The city's case-management software (CRM) receives citizens' reports and returns their progress by
        connecting **itself, outwards**, to the bus.

        ## To open, from the CRM's server

        | To | Port | For | Direction |
        | --- | --- | --- | --- |
        \(rows(broker: "messages (AMQP over TLS, a lasting connection)", api: "progress and reference data (HTTPS)", out: "outgoing"))

        \(plan.brokers.count > 1 ? "For messages one of these ways is enough; port 443 is there for networks that open nothing else.\n" : "")
        ## Why outgoing only

        The CRM calls. Reports come in through the connection that it opened, like the answer of a web site. So **no inbound rule**, no
        public address, no port forwarding, no VPN: nothing outside can reach the CRM. A cut loses nothing: messages wait in the bus, and
        the CRM goes on when it has reconnected.

        ## What devices on the way must not do

        - **Do not intercept TLS** to these names (inspection, decryption): the CRM refuses a certificate that is not the bus's, and what
          travels is not HTTP. Exempt these names.
        - **Do not require an HTTP proxy** for the port of the messages: AMQP uses none. It needs a direct way out.
        - **Do not cut a quiet connection before \(plan.idleLimit) s**: bus and CRM exchange a sign of life every \(plan.heartbeat) s at most, even without
          messages; any idle timeout above two signs of life will do.
        - Filter by **name** rather than address: addresses may change. DNS must resolve these names from the CRM's server.

        Encryption: TLS 1.2 or 1.3, certificates of a public authority.

        ## Check

        With the bus's program, from the CRM's server (`bus311 netcheck`), or with common tools:

        \(commands())

        The certificate shown must be that of the name called, signed by a public authority, not by your own network.
        """
    }
}
