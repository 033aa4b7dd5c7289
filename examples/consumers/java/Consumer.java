import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.PossibleAuthenticationFailureException;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A CRM's consumer with com.rabbitmq:amqp-client 5 (Maven, or Debian's librabbitmq-client-java): copy it, and put your own
 * database in place of SQLite.
 *
 * <p>Settings, all from the environment: AMQP_URI (amqps://user:password@host:5671/open311, as the city's operator gave it),
 * QUEUE (o311.&lt;tenant&gt;.requests), STATUS_EXCHANGE (o311.&lt;tenant&gt;.status), STATE (folder of crm.sqlite3), AMQP_CA_FILE (the authority of
 * the bus's certificate, PEM, where those of the JVM do not know it; may be left out).
 */
public final class Consumer {
    private static final Set<String> SNAPSHOTS =
        Set.of("service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1");
    private static final String ERASURE = "service_request.erased.v1";
    private static final Pattern EPOCH = Pattern.compile("-e([1-9][0-9]{0,8})$");

    /** The CRM's database. One transaction holds all that one message changes. */
    private static final class Store {
        private final java.sql.Connection database;

        Store(Path path) throws SQLException {
            database = DriverManager.getConnection("jdbc:sqlite:" + path + "?busy_timeout=2000&secure_delete=true");
            run("create table if not exists events (id text primary key, received_at text not null default current_timestamp)");
            run("create table if not exists requests ("
                + "id text primary key, epoch integer not null, sequence integer not null, changes integer not null, snapshot text)");
            run("create table if not exists outbox (update_id text primary key, request_id text not null)");
        }

        /** Stores an event once, whatever comes twice or late; a null snapshot erases. When this returns, it is on disk. */
        void apply(Event event) throws SQLException {
            run("begin immediate");
            try {
                if (run("insert or ignore into events (id) values (?)", event.id()) == 1) {
                    List<String[]> known = query("select epoch, sequence from requests where id = ?", 2, event.number());
                    if (known.isEmpty()) {
                        // Your CRM opens a file here. The answer to the citizen is part of the same transaction.
                        run("insert into requests values (?, ?, ?, 1, ?)", event.number(), event.epoch(), event.sequence(), event.snapshot());
                        if (event.snapshot() != null) run("insert into outbox values (?, ?)", event.id(), event.number());
                    } else if (isNewer(event, Long.parseLong(known.get(0)[0]), Long.parseLong(known.get(0)[1]))) {
                        run("update requests set epoch = ?, sequence = ?, changes = changes + 1, snapshot = ? where id = ?",
                            event.epoch(), event.sequence(), event.snapshot(), event.number());
                    } // else it is older than what is stored: acknowledged and forgotten
                } // else a duplicate
                run("commit");
            } catch (SQLException | RuntimeException failure) {
                try {
                    run("rollback");
                } catch (SQLException ignored) {
                    // SQLite has rolled back by itself
                }
                throw failure;
            }
        }

        private static boolean isNewer(Event event, long epoch, long sequence) {
            return event.epoch() > epoch || event.epoch() == epoch && event.sequence() > sequence;
        }

        List<String[]> pending() throws SQLException {
            return query("select update_id, request_id from outbox order by rowid", 2);
        }

        void sent(String updateId) throws SQLException {
            run("delete from outbox where update_id = ?", updateId);
        }

        private int run(String sql, Object... values) throws SQLException {
            try (PreparedStatement statement = prepare(sql, values)) {
                return statement.executeUpdate();
            }
        }

        private List<String[]> query(String sql, int columns, Object... values) throws SQLException {
            List<String[]> rows = new ArrayList<>();
            try (PreparedStatement statement = prepare(sql, values); var results = statement.executeQuery()) {
                while (results.next()) {
                    String[] row = new String[columns];
                    for (int column = 0; column < columns; column++) row[column] = results.getString(column + 1);
                    rows.add(row);
                }
            }
            return rows;
        }

        private PreparedStatement prepare(String sql, Object... values) throws SQLException {
            PreparedStatement statement = database.prepareStatement(sql);
            for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
            return statement;
        }
    }

    /** A message on its way from the client's thread to ours; null properties mean that no more will come. */
    private record Delivery(long tag, AMQP.BasicProperties properties, byte[] body) {}

    /** What this CRM takes from a message; a null snapshot erases. */
    private record Event(String id, String number, long epoch, long sequence, String snapshot) {}

    /**
     * Null of a type that is not known: that is how the contract can grow. Every type is checked here, before the store sees it.
     *
     * @throws RuntimeException of any kind, for what can never work
     */
    private static Event read(Delivery delivery) {
        String type = delivery.properties().getType();
        if (delivery.properties().getContentEncoding() != null) throw new IllegalStateException("unknown content encoding");
        if (!SNAPSHOTS.contains(String.valueOf(type)) && !ERASURE.equals(type)) return null;
        JsonObject event = JsonParser.parseString(new String(delivery.body(), StandardCharsets.UTF_8)).getAsJsonObject();
        JsonObject data = event.getAsJsonObject("data");
        long sequence = data.getAsJsonPrimitive("sequence").getAsBigDecimal().longValueExact();
        if (!data.getAsJsonPrimitive("sequence").isNumber() || sequence < 1) throw new IllegalStateException("sequence is no number from 1 on");
        // After a restore of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
        Matcher epoch = EPOCH.matcher(text(event, "source"));
        return new Event(
            text(event, "id"), text(data, "service_request_id"), epoch.find() ? Long.parseLong(epoch.group(1)) : 1, sequence,
            ERASURE.equals(type) ? null : data.toString());
    }

    private static String text(JsonObject object, String name) {
        JsonPrimitive value = object.getAsJsonPrimitive(name);
        if (!value.isString() || value.getAsString().isEmpty()) throw new IllegalStateException(name + " is no text");
        return value.getAsString();
    }

    /** One message: stored then acknowledged, ignored, or rejected for good. */
    private static void handle(Store store, Channel channel, Delivery delivery, CountDownLatch stopping)
            throws IOException, InterruptedException {
        try {
            Event event = read(delivery);
            while (event != null) {
                try {
                    store.apply(event);
                    break;
                } catch (SQLException failure) {
                    if (isFaultOfMessage(failure)) throw new IllegalStateException("SQLite: " + failure.getErrorCode(), failure);
                    // Locked, disk full: not the message's fault. Wait with it in hand; the client's threads send the heartbeats.
                    say("the database is away, waiting: " + failure.getMessage());
                    // When asked to stop: not stored, not acknowledged, so it goes back to the queue.
                    if (stopping.await(1, TimeUnit.SECONDS)) return;
                }
            }
        } catch (RuntimeException | StackOverflowError failure) { // whatever it is: a program that dies of a message takes those that it holds with it
            // It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
            say("rejected " + delivery.properties().getMessageId() + ": " + failure.getClass().getSimpleName());
            channel.basicReject(delivery.tag(), false);
            return;
        }
        channel.basicAck(delivery.tag(), false);
    }

    /** SQLite's answers that speak of the message: too big, against a constraint, of another type, out of range. */
    private static boolean isFaultOfMessage(SQLException failure) {
        return Set.of(18, 19, 20, 25).contains(failure.getErrorCode() & 0xff);
    }

    /** Empties the outbox. The update's id makes a repetition harmless: a status leaves the outbox after its confirm only. */
    private static void sendStatuses(Store store, Channel channel, BlockingQueue<String> returned, String exchange)
            throws IOException, InterruptedException, TimeoutException {
        String tenant = exchange.replaceAll("^o311\\.|\\.status$", "");
        try {
            for (String[] row : store.pending()) {
                JsonObject update = new JsonObject();
                update.addProperty("service_request_id", row[1]);
                update.addProperty("status", "IN_PROCESS");
                update.addProperty("status_notes", "Pris en charge");
                update.addProperty("external_reference", "CRM-" + row[1]);
                update.addProperty("ack", true);
                var properties = new AMQP.BasicProperties.Builder().messageId(row[0]).contentType("application/json").deliveryMode(2).build();
                channel.basicPublish(exchange, tenant + ".status_update.v1", true, properties, update.toString().getBytes(StandardCharsets.UTF_8));
                channel.waitForConfirmsOrDie(30_000);
                String reason = returned.poll(); // comes before the confirm
                if (reason != null) throw new IOException("the status could not be routed: " + reason);
                store.sent(row[0]);
            }
        } catch (SQLException failure) {
            say("the database is away, statuses later: " + failure.getMessage());
        }
    }

    /** Until the connection is lost (throws) or a stop is asked for (returns). */
    private static void consume(ConnectionFactory factory, Store store, CountDownLatch stopping, Runnable connected) throws Exception {
        String exchange = System.getenv("STATUS_EXCHANGE");
        try (Connection connection = factory.newConnection("example CRM, java")) {
            Channel incoming = connection.createChannel();
            Channel outgoing = connection.createChannel();
            BlockingQueue<String> returned = new LinkedBlockingQueue<>();
            outgoing.addReturnListener((code, text, to, key, properties, body) -> returned.add(text));
            outgoing.confirmSelect();
            incoming.basicQos(20);
            sendStatuses(store, outgoing, returned, exchange);
            // Bounded by the prefetch. The work is done on our thread: the client's own threads stay free for the heartbeats.
            BlockingQueue<Delivery> inbox = new LinkedBlockingQueue<>();
            Delivery end = new Delivery(0, null, null);
            // Nothing is declared: the queue is the operator's.
            String tag = incoming.basicConsume(System.getenv("QUEUE"), false, new DefaultConsumer(incoming) {
                @Override public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
                    inbox.add(new Delivery(envelope.getDeliveryTag(), properties, body));
                }
                @Override public void handleCancel(String tag) { inbox.add(end); }
                @Override public void handleShutdownSignal(String tag, ShutdownSignalException signal) { inbox.add(end); }
            });
            connected.run();
            while (stopping.getCount() > 0) {
                Delivery delivery = inbox.poll(200, TimeUnit.MILLISECONDS);
                if (delivery == end) throw new IOException("the broker ended the consumer");
                if (delivery == null) continue;
                handle(store, incoming, delivery, stopping);
                sendStatuses(store, outgoing, returned, exchange);
            }
            incoming.basicCancel(tag); // what was delivered and not handled goes back to the queue when the connection closes
        }
    }

    /** Who may sign the bus's certificate: the authorities in a PEM file, or those of the JVM. */
    private static SSLContext trust(String file) throws GeneralSecurityException, IOException {
        if (file == null || file.isEmpty()) return SSLContext.getDefault();
        KeyStore authorities = KeyStore.getInstance(KeyStore.getDefaultType());
        authorities.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(file))) {
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                authorities.setCertificateEntry("ca" + authorities.size(), each);
            }
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(authorities);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    /** The certificate must be for the host of AMQP_URI. Called for each socket before it connects. */
    private static void verifyHostName(Socket socket) throws IOException {
        socket.setTcpNoDelay(true);
        SSLParameters parameters = ((SSLSocket) socket).getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        ((SSLSocket) socket).setSSLParameters(parameters);
    }

    private static void say(String text) {
        System.err.println(java.time.Instant.now() + " " + text);
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        String uri = System.getenv("AMQP_URI");
        factory.setUri(uri);
        if (uri.startsWith("amqps:")) { // setUri alone would trust any certificate
            factory.useSslProtocol(trust(System.getenv("AMQP_CA_FILE")));
            factory.setSocketConfigurator(Consumer::verifyHostName); // and an SSLContext alone a certificate for any host
        }
        // The client's own recovery does not reopen a channel that the broker has closed: everything is built anew here instead.
        factory.setAutomaticRecoveryEnabled(false);
        factory.setRequestedHeartbeat(15);
        factory.setConnectionTimeout(10_000);
        factory.setHandshakeTimeout(10_000);
        Store store = new Store(Path.of(System.getenv("STATE"), "crm.sqlite3"));
        CountDownLatch stopping = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { // SIGTERM, Ctrl-C: the process ends when this hook does
            stopping.countDown();
            try {
                stopped.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
            Runtime.getRuntime().halt(stopped.getCount() == 0 ? 0 : 1); // the JVM would say 143
        }));
        long[] longest = {2_000};
        while (stopping.getCount() > 0) {
            try {
                consume(factory, store, stopping, () -> longest[0] = 2_000);
            } catch (IOException | TimeoutException | ShutdownSignalException failure) {
                // Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
                long pause = ThreadLocalRandom.current().nextLong(1_000, longest[0]);
                if (failure instanceof AuthenticationFailureException || failure instanceof PossibleAuthenticationFailureException) {
                    pause = 300_000; // somebody has to change something
                }
                say("connection lost (" + failure + "); again in " + pause + " ms");
                stopping.await(pause, TimeUnit.MILLISECONDS);
                longest[0] = Math.min(60_000, 2 * longest[0]);
            }
        }
        stopped.countDown();
    }
}
