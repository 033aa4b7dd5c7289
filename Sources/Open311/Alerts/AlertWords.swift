/// What each alert is called and what it means, in French and English, for each audience. Constant texts: no data goes into them.
struct AlertWords {
    /// One line: what is wrong.
    let title: String
    /// What it means.
    let meaning: String
    /// What to do.
    let remedy: String

    init(_ title: String, _ meaning: String, _ remedy: String) {
        self.title = title
        self.meaning = meaning
        self.remedy = remedy
    }

    /// - Parameter episode: some alerts tell apart what looks alike.
    static func words(for episode: AlertEpisode, _ audience: AlertAudience, in language: Language) -> AlertWords {
        let isFrench = language.primary == .french
        let managers = isFrench ? managerFrench(episode.key.code) : managerEnglish(episode.key.code)
        if audience == .manager, let managers { return managers }
        return isFrench ? french(episode) : english(episode)
    }

    // MARK: Managers

    private static func managerFrench(_ code: AlertCode) -> AlertWords? {
        let calm = "Aucune demande n'est perdue : elles sont conservées et seront transmises."
        switch code {
        case .noConsumer:
            return AlertWords(
                "Votre logiciel de GRC n'est plus connecté au bus", "Les demandes des habitants ne lui parviennent plus. \(calm)",
                "Demandez à l'éditeur ou au service informatique de vérifier que la connexion de la GRC fonctionne.")
        case .consumerStuck:
            return AlertWords(
                "Votre logiciel de GRC est connecté mais ne traite plus les demandes",
                "Il reçoit des demandes et n'en confirme aucune. \(calm)",
                "Demandez à l'éditeur ou au service informatique de le redémarrer.")
        case .backlogAge:
            return AlertWords(
                "Des demandes attendent depuis trop longtemps",
                "Votre logiciel de GRC prend les demandes moins vite qu'elles n'arrivent. \(calm)",
                "Demandez à l'éditeur ou au service informatique s'il est ralenti.")
        case .deadLetters:
            return AlertWords(
                "Votre logiciel de GRC a refusé des demandes", "Elles sont mises de côté et peuvent lui être renvoyées.",
                "L'exploitant du bus prendra contact avec l'éditeur ; les demandes seront renvoyées une fois la cause corrigée.")
        case .repeatedFailures:
            return AlertWords(
                "Des mises à jour de statut sont refusées",
                "Votre logiciel de GRC envoie des statuts que le bus ne peut pas accepter : "
                    + "les habitants ne voient pas l'avancement.", "Demandez à l'éditeur de lire les motifs de refus qu'il reçoit.")
        case .responseDelayAck:
            return AlertWords(
                "Des demandes n'ont pas été prises en compte dans le délai convenu",
                "Elles ont été remises à votre logiciel de GRC, qui n'en a pas accusé réception.",
                "Faites vérifier que la GRC enregistre bien les demandes qu'elle reçoit.")
        case .responseDelayProgress:
            return AlertWords(
                "Des demandes prises en compte n'avancent pas", "Les habitants n'ont vu aucun progrès dans le délai convenu.",
                "Faites le point avec les services sur les demandes les plus anciennes.")
        case .statusSilent:
            return AlertWords(
                "Votre logiciel de GRC n'envoie plus de statuts",
                "Il reçoit les demandes, mais les habitants ne voient plus leur avancement.",
                "Demandez à l'éditeur si l'envoi des statuts est en service.")
        case .feedEmpty:
            return AlertWords(
                "Aucune demande d'habitant n'arrive plus", "Votre logiciel de GRC n'y est pour rien : rien n'est entré dans le bus.",
                "Vérifiez que l'application ou le site par lequel les habitants écrivent est en service.")
        default: return nil
        }
    }

    private static func managerEnglish(_ code: AlertCode) -> AlertWords? {
        let calm = "No request is lost: they are kept and will be handed over."
        switch code {
        case .noConsumer:
            return AlertWords(
                "Your CRM is not connected to the bus any more", "Citizens' requests do not reach it. \(calm)",
                "Ask its vendor or your IT department to check the CRM's connection.")
        case .consumerStuck:
            return AlertWords(
                "Your CRM is connected and does not process requests", "It receives requests and confirms none. \(calm)",
                "Ask its vendor or your IT department to restart it.")
        case .backlogAge:
            return AlertWords(
                "Requests have been waiting for too long", "Your CRM takes requests more slowly than they come. \(calm)",
                "Ask its vendor or your IT department whether it is slowed down.")
        case .deadLetters:
            return AlertWords(
                "Your CRM has refused requests", "They are put aside and can be sent to it again.",
                "The bus's operator will contact the vendor; the requests are sent again once the cause is repaired.")
        case .repeatedFailures:
            return AlertWords(
                "Status updates are refused", "Your CRM sends statuses that the bus cannot accept: citizens do not see progress.",
                "Ask the vendor to read the reasons that the CRM is given.")
        case .responseDelayAck:
            return AlertWords(
                "Requests were not acknowledged in the time agreed", "They were handed to your CRM, which has not said that it has them.",
                "Have it checked that the CRM records the requests that it receives.")
        case .responseDelayProgress:
            return AlertWords(
                "Requests that were acknowledged do not move", "Citizens have seen no progress in the time agreed.",
                "Look at the oldest requests with your departments.")
        case .statusSilent:
            return AlertWords(
                "Your CRM does not send statuses any more", "It takes requests, but citizens do not see what becomes of them.",
                "Ask the vendor whether the sending of statuses is in service.")
        case .feedEmpty:
            return AlertWords(
                "No citizen's request comes in any more", "Your CRM is not the cause: nothing has entered the bus.",
                "Check that the app or the site through which citizens write is in service.")
        default: return nil
        }
    }

    // MARK: Administrators

    private static func french(_ episode: AlertEpisode) -> AlertWords {
        let isConnected = (episode.peaks[.connections] ?? 0) > 0
        switch episode.key.code {
        case .noConsumer:
            return isConnected
                ? AlertWords(
                    "aucun consommateur : connecté, mais ne consomme pas", "La GRC est connectée et n'a pas repris sa consommation.",
                    "La faire se reconnecter : bus311 doctor, puis rabbitmqctl close_all_user_connections.")
                : AlertWords(
                    "aucun consommateur : personne n'est connecté", "Aucune connexion avec les identifiants de la collectivité.",
                    "Joindre l'exploitant de la GRC ; bus311 credential list montre la dernière connexion vue.")
        case .consumerStuck:
            return AlertWords(
                "consommateur bloqué : connecté, n'acquitte rien", "Des messages sont en main et aucun acquittement ne vient.",
                "Redémarrer la GRC ; à défaut fermer sa connexion, les messages reviennent dans la file.")
        case .backlogAge:
            return AlertWords(
                "file en retard", "Le plus ancien message de la file attend depuis trop longtemps.",
                "Voir si la GRC consomme et à quelle vitesse : bus311 doctor.")
        case .queueFill:
            return AlertWords(
                "file presque pleine", "Une file pleine refuse les messages ; la boîte d'envoi les garde.",
                "Faire consommer la GRC ; au besoin agrandir limits.request_queue.")
        case .deadLetters:
            return AlertWords(
                "messages refusés par la GRC", "La file des messages morts n'est pas vide.",
                "bus311 dead-letters list donne le motif et le type de chacun ; bus311 dead-letters return les renvoie.")
        case .repeatedFailures:
            return episode.key.tenant == nil
                ? AlertWords(
                    "échecs de connexion répétés au courtier", "Quelqu'un présente un mauvais mot de passe.",
                    "Chercher l'adresse dans le journal de RabbitMQ ; changer l'identifiant s'il a pu fuir.")
                : AlertWords(
                    "échecs répétés", "Des publications échouent, ou des statuts sont refusés.",
                    "bus311 doctor pour les publications ; les motifs des refus sont dans les accusés de réception.")
        case .responseDelayAck:
            return AlertWords(
                "demandes sans accusé de la GRC dans le délai", "Confirmées par le courtier, sans premier mot de la GRC.",
                "bus311 timeline NUMÉRO montre où une demande attend.")
        case .responseDelayProgress:
            return AlertWords("demandes sans progrès dans le délai", "Prises en compte par la GRC, sans statut suivant.", "Rien côté bus.")
        case .statusSilent:
            return AlertWords(
                "la GRC acquitte et n'envoie pas de statut", "Les messages sont pris, aucun statut ne revient.",
                "Vérifier la voie de retour : jeton REST, droit d'écriture sur l'échange des statuts, refus.")
        case .feedEmpty:
            return AlertWords(
                "aucune demande n'entre", "Notre propre flux est vide : la GRC n'y est pour rien.",
                "Vérifier la passerelle, ses clés et l'application : métriques o311_http_requests_total.")
        case .purgeSuspected:
            return AlertWords(
                "file purgée ou supprimée", "Des messages ont quitté la file et personne ne les a pris.",
                "bus311 incident list nomme le rejeu qui les rend.")
        case .configDrift:
            return AlertWords(
                "objets du courtier modifiés", "Des règles, échanges ou liaisons ne sont plus ceux qui ont été posés.",
                "bus311 tenant plan montre l'écart, bus311 tenant apply le corrige.")
        case .outboxAge:
            return AlertWords(
                "la boîte d'envoi attend", "Des événements attendent le courtier ; rien n'est perdu.",
                "bus311 doctor ; voir si un relais tourne et si le courtier prend les messages.")
        case .relayDown:
            return AlertWords(
                "des partitions sont sans relais", "Personne ne publie pour elles ; rien n'est perdu.", "Démarrer bus311 relay.")
        case .brokerDown:
            return AlertWords(
                "le courtier ne répond pas, ou la plupart de ses nœuds sont arrêtés",
                "Ce qui en découle n'est pas annoncé à part ; rien n'est perdu.", "Démarrer RabbitMQ.")
        case .brokerAlarm:
            return AlertWords(
                "alarme de mémoire ou de disque du courtier", "Il ne prend plus de message ; rien n'est perdu.",
                "rabbitmq-diagnostics check_alarms dit où ; faire de la place.")
        case .nodeDown:
            return AlertWords("un nœud du courtier est arrêté", "Les files restent servies tant que la majorité vit.", "Démarrer le nœud.")
        case .quorumCritical:
            return AlertWords(
                "une file perdrait sa majorité", "Un nœud de moins et elle s'arrête.", "Ne rien arrêter ; remettre le nœud manquant.")
        case .certExpiry:
            return AlertWords(
                "un certificat du courtier arrive à sa fin", "Ensuite aucune GRC ne se connecte en TLS.",
                "Le renouveler : docs/operators/tls.md.")
        case .disk:
            return AlertWords("un disque se remplit", "Plein, il arrête ce qui y écrit.", "Faire de la place ou agrandir.")
        case .deadman:
            return AlertWords(
                "le battement n'arrive plus au contrôleur externe", "Il va alerter de son côté.",
                "Vérifier alerts.heartbeat et le réseau sortant.")
        }
    }

    private static func english(_ episode: AlertEpisode) -> AlertWords {
        let isConnected = (episode.peaks[.connections] ?? 0) > 0
        switch episode.key.code {
        case .noConsumer:
            return isConnected
                ? AlertWords(
                    "no consumer: connected, and not consuming", "The CRM is connected and has not begun to consume again.",
                    "Make it connect again: bus311 doctor, then rabbitmqctl close_all_user_connections.")
                : AlertWords(
                    "no consumer: nobody is connected", "There is no connection with the tenant's credentials.",
                    "Call the CRM's operator; bus311 credential list shows when it was last seen.")
        case .consumerStuck:
            return AlertWords(
                "consumer stuck: connected, acknowledges nothing", "Messages are in its hands and no acknowledgement comes.",
                "Restart the CRM; or close its connection, and the messages go back into the queue.")
        case .backlogAge:
            return AlertWords(
                "the queue is late", "Its oldest message has been waiting for too long.",
                "See whether the CRM consumes, and how fast: bus311 doctor.")
        case .queueFill:
            return AlertWords(
                "the queue is nearly full", "A full queue refuses messages; the outbox keeps them.",
                "Have the CRM consume; if need be enlarge limits.request_queue.")
        case .deadLetters:
            return AlertWords(
                "messages refused by the CRM", "The dead queue is not empty.",
                "bus311 dead-letters list gives reason and type of each; bus311 dead-letters return sends them again.")
        case .repeatedFailures:
            return episode.key.tenant == nil
                ? AlertWords(
                    "repeated failed logins to the broker", "Somebody presents a wrong password.",
                    "Look for the address in RabbitMQ's log; rotate the credential if it may have leaked.")
                : AlertWords(
                    "repeated failures", "Publishing fails, or statuses are refused.",
                    "bus311 doctor for publishing; the reasons of refusals stand in the receipts.")
        case .responseDelayAck:
            return AlertWords(
                "requests without the CRM's word in time", "Confirmed by the broker, without a first word of the CRM.",
                "bus311 timeline NUMBER shows where a request waits.")
        case .responseDelayProgress:
            return AlertWords(
                "requests without progress in time", "The CRM knows them; no further status came.", "Nothing on the bus's side.")
        case .statusSilent:
            return AlertWords(
                "the CRM acknowledges and sends no status", "Messages are taken, no status comes back.",
                "Check the way back: REST token, right to write to the status exchange, refusals.")
        case .feedEmpty:
            return AlertWords(
                "no request comes in", "Our own feed is empty: the CRM is not the cause.",
                "Check the gateway, its keys and the app: metrics o311_http_requests_total.")
        case .purgeSuspected:
            return AlertWords(
                "a queue was purged or deleted", "Messages left the queue and nobody took them.",
                "bus311 incident list names the replay that brings them back.")
        case .configDrift:
            return AlertWords(
                "objects of the broker were changed", "Policies, exchanges or bindings are not those that were made.",
                "bus311 tenant plan shows the difference, bus311 tenant apply repairs it.")
        case .outboxAge:
            return AlertWords(
                "the outbox waits", "Events wait for the broker; nothing is lost.",
                "bus311 doctor; see whether a relay runs and whether the broker takes messages.")
        case .relayDown:
            return AlertWords("shards without a relay", "Nobody publishes for them; nothing is lost.", "Start bus311 relay.")
        case .brokerDown:
            return AlertWords(
                "the broker does not answer, or most of its nodes are down", "What follows from it is not told apart; nothing is lost.",
                "Start RabbitMQ.")
        case .brokerAlarm:
            return AlertWords(
                "memory or disk alarm of the broker", "It takes no message; nothing is lost.",
                "rabbitmq-diagnostics check_alarms tells where; make room.")
        case .nodeDown:
            return AlertWords("a node of the broker is down", "Queues are served while a majority lives.", "Start the node.")
        case .quorumCritical:
            return AlertWords(
                "a queue would lose its majority", "With one more node down it stops.", "Stop nothing; bring back the missing node.")
        case .certExpiry:
            return AlertWords(
                "a certificate of the broker ends soon", "After that no CRM connects by TLS.", "Renew it: docs/operators/tls.md.")
        case .disk: return AlertWords("a disk fills up", "Full, it stops what writes to it.", "Make room or enlarge it.")
        case .deadman:
            return AlertWords(
                "the heartbeat does not reach the external checker", "It will raise an alarm of its own.",
                "Check alerts.heartbeat and the way out of the network.")
        }
    }
}
