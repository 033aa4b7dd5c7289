#!/usr/bin/env php
<?php
/*
 * A CRM's consumer with php-amqplib 3 (Composer, or Debian's php-amqplib): copy it, and put your own database in place of SQLite.
 * A long-running command under systemd or a supervisor; never inside php-fpm.
 *
 * Settings, all from the environment:
 *   AMQP_URI         amqps://user:password@host:5671/open311, as the city's operator gave it
 *   QUEUE            o311.<tenant>.requests
 *   STATUS_EXCHANGE  o311.<tenant>.status
 *   STATE            folder of crm.sqlite3
 *   AMQP_CA_FILE     the authority of the bus's certificate (PEM), where those of this machine do not know it; may be left out
 */
declare(strict_types=1);

// With Composer: require 'vendor/autoload.php';
require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const SNAPSHOTS = ['service_request.created.v1', 'service_request.updated.v1', 'service_request.moderated.v1'];
const ERASURE = 'service_request.erased.v1';

/** The CRM's database. One transaction holds all that one message changes. */
final class Store
{
    private PDO $database;

    public function __construct(string $path)
    {
        $this->database = new PDO("sqlite:$path", options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 2]);
        $this->database->exec( // secure_delete: what is erased is overwritten
            'pragma secure_delete = on;
             create table if not exists events (id text primary key, received_at text not null default current_timestamp);
             create table if not exists requests (
                 id text primary key, epoch integer not null, sequence integer not null, changes integer not null, snapshot text);
             create table if not exists outbox (update_id text primary key, request_id text not null);');
    }

    /** Stores an event once, whatever comes twice or late; a null snapshot erases. When this returns, it is on disk. */
    public function apply(string $eventId, string $number, int $epoch, int $sequence, ?string $snapshot): void
    {
        $this->database->exec('begin immediate');
        try {
            if ($this->run('insert or ignore into events (id) values (?)', $eventId)->rowCount() === 1) {
                $known = $this->run('select epoch, sequence from requests where id = ?', $number)->fetch(PDO::FETCH_NUM);
                if ($known === false) {
                    // Your CRM opens a file here. The answer to the citizen is part of the same transaction.
                    $this->run('insert into requests values (?, ?, ?, 1, ?)', $number, $epoch, $sequence, $snapshot);
                    if ($snapshot !== null) {
                        $this->run('insert into outbox values (?, ?)', $eventId, $number);
                    }
                } elseif ([$epoch, $sequence] > [(int) $known[0], (int) $known[1]]) {
                    $this->run(
                        'update requests set epoch = ?, sequence = ?, changes = changes + 1, snapshot = ? where id = ?', $epoch, $sequence, $snapshot, $number);
                } // else it is older than what is stored: acknowledged and forgotten
            } // else a duplicate
            $this->database->exec('commit');
        } catch (Throwable $error) {
            try {
                $this->database->exec('rollback');
            } catch (PDOException) {
                // SQLite has rolled back by itself
            }
            throw $error;
        }
    }

    /** @return array<array{update_id: string, request_id: string}> */
    public function pending(): array
    {
        return $this->run('select update_id, request_id from outbox order by rowid')->fetchAll(PDO::FETCH_ASSOC);
    }

    public function sent(string $updateId): void
    {
        $this->run('delete from outbox where update_id = ?', $updateId);
    }

    private function run(string $sql, string|int|null ...$values): PDOStatement
    {
        $statement = $this->database->prepare($sql);
        $statement->execute($values);
        return $statement;
    }
}

/**
 * What this CRM takes from a message, null of a type that it does not know: that is how the contract can grow. Every type is checked
 * here, before the store sees it.
 *
 * @return array{string, string, int, int, ?string}|null id, number, epoch, sequence, snapshot
 */
function read(AMQPMessage $message): ?array
{
    if ($message->has('content_encoding')) {
        throw new UnexpectedValueException('content_encoding ' . $message->get('content_encoding'));
    }
    $type = $message->has('type') ? $message->get('type') : '';
    if (!in_array($type, SNAPSHOTS, true) && $type !== ERASURE) {
        return null;
    }
    $event = json_decode($message->getBody(), true, 64, JSON_THROW_ON_ERROR);
    $data = $event['data'] ?? null;
    [$id, $source, $number, $sequence] = [$event['id'] ?? null, $event['source'] ?? null, $data['service_request_id'] ?? null, $data['sequence'] ?? null];
    if (!is_string($id) || !is_string($source) || !is_string($number) || $id === '' || $number === '' || !is_int($sequence) || $sequence < 1) {
        throw new UnexpectedValueException('id, source, service_request_id or sequence is not what the contract says');
    }
    // After a restore of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
    $epoch = preg_match('/-e([1-9][0-9]{0,8})$/D', $source, $found) ? (int) $found[1] : 1;
    return [$id, $number, $epoch, $sequence, $type === ERASURE ? null : json_encode($data, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR)];
}

/** SQLite's answers that speak of the message: too big, against a constraint, of another type, out of range. All others: the database is away. */
function isFaultOfMessage(PDOException $error): bool
{
    return in_array($error->errorInfo[1] ?? 0, [18, 19, 20, 25], true);
}

/** One message: stored then acknowledged, ignored, or rejected for good. */
function handle(Store $store, AMQPMessage $message, bool &$stopping): void
{
    $reject = function (Throwable $error) use ($message): void {
        // It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
        say('rejected: ' . $error->getMessage());
        $message->reject(false);
    };
    try {
        $event = read($message);
    } catch (Throwable $error) { // whatever it is: a program that dies of a message takes those that it holds with it
        $reject($error);
        return;
    }
    while ($event !== null) {
        try {
            $store->apply(...$event);
            break;
        } catch (Throwable $error) {
            if (!$error instanceof PDOException || isFaultOfMessage($error)) {
                $reject($error);
                return;
            }
        }
        // Locked, disk full: not the message's fault. Wait with it in hand; heartbeats go on, what comes meanwhile goes to the inbox.
        say('the database is away, waiting: ' . $error->getMessage());
        try {
            $message->getChannel()->wait(null, false, 1);
        } catch (AMQPTimeoutException) {
        }
        if ($stopping) {
            return; // not stored, not acknowledged: it goes back to the queue
        }
    }
    $message->ack();
}

/** Empties the outbox. The update's id makes a repetition harmless, so a status leaves the outbox after its confirm only. */
function sendStatuses(Store $store, AMQPChannel $channel, string $exchange): void
{
    $tenant = preg_replace('/^o311\.|\.status$/', '', $exchange);
    try {
        foreach ($store->pending() as ['update_id' => $updateId, 'request_id' => $number]) {
            $update = ['service_request_id' => $number, 'status' => 'IN_PROCESS', 'status_notes' => 'Pris en charge', 'external_reference' => "CRM-$number",
                'ack' => true];
            $message = new AMQPMessage(json_encode($update, JSON_THROW_ON_ERROR), [
                'message_id' => $updateId, 'content_type' => 'application/json', 'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT]);
            $channel->basic_publish($message, $exchange, "$tenant.status_update.v1", mandatory: true);
            $channel->wait_for_pending_acks_returns(30);
            $store->sent($updateId);
        }
    } catch (PDOException $error) {
        say('the database is away, statuses later: ' . $error->getMessage());
    }
}

function connect(string $uri): AbstractConnection
{
    $parts = parse_url($uri);
    $config = new AMQPConnectionConfig();
    $config->setHost($parts['host']);
    $config->setUser(urldecode($parts['user']));
    $config->setPassword(urldecode($parts['pass']));
    $config->setVhost(urldecode(substr($parts['path'], 1)));
    if ($parts['scheme'] === 'amqps') {
        $config->setIsSecure(true);
        // Each of these is needed: php-amqplib 3.5 speaks in clear, whatever isSecure says, without an option of TLS, or with its default
        // protocol, which is tcp.
        $config->setNetworkProtocol('tls');
        $config->setSslVerify(true);
        $config->setSslVerifyName(true);
        $config->setSslCaCert(getenv('AMQP_CA_FILE') ?: null);
    }
    $config->setPort($parts['port'] ?? ($config->isSecure() ? 5671 : 5672));
    $config->setHeartbeat(15);
    $config->setReadTimeout(35); // at least twice the heartbeat
    $config->setWriteTimeout(35);
    $config->setConnectionTimeout(10);
    $config->setConnectionName('example CRM, php');
    return AMQPConnectionFactory::create($config);
}

/** Until the connection is lost (throws) or a stop is asked for (returns). */
function consume(Store $store, bool &$stopping, float &$longest): void
{
    $exchange = getenv('STATUS_EXCHANGE');
    $connection = connect(getenv('AMQP_URI'));
    try {
        [$incoming, $outgoing] = [$connection->channel(), $connection->channel()];
        $outgoing->confirm_select();
        $outgoing->set_nack_handler(fn () => throw new AMQPConnectionClosedException('the broker did not take the status'));
        $outgoing->set_return_listener(fn ($code, $text) => throw new AMQPConnectionClosedException("the status could not be routed: $text"));
        $incoming->basic_qos(0, 20, false);
        sendStatuses($store, $outgoing, $exchange);
        // Nothing is declared: the queue is the operator's.
        $inbox = [];
        $incoming->basic_consume(getenv('QUEUE'), 'crm', callback: function (AMQPMessage $message) use (&$inbox) { $inbox[] = $message; });
        $longest = 2.0;
        while (!$stopping) {
            if (!$incoming->is_consuming()) {
                throw new AMQPConnectionClosedException('the broker ended the consumer');
            }
            try {
                $incoming->wait(null, false, 1); // also sends the heartbeats: keep the work between two calls short
            } catch (AMQPTimeoutException) {
                // a quiet second: look whether to stop
            }
            while (!$stopping && ($message = array_shift($inbox))) {
                handle($store, $message, $stopping);
                sendStatuses($store, $outgoing, $exchange);
            }
        }
        $incoming->basic_cancel('crm'); // what was delivered and not handled goes back to the queue
    } finally {
        try {
            $connection->close();
        } catch (Throwable) {
            // it was lost already
        }
    }
}

function say(string $text): void
{
    fwrite(STDERR, date('c ') . $text . "\n");
}

$store = new Store(getenv('STATE') . '/crm.sqlite3');
$stopping = false;
$longest = 2.0;
pcntl_async_signals(true);
foreach ([SIGTERM, SIGINT] as $signal) {
    pcntl_signal($signal, function () use (&$stopping) { $stopping = true; });
}
while (!$stopping) {
    try {
        consume($store, $stopping, $longest);
    } catch (AMQPExceptionInterface | ErrorException $error) {
        // Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
        $pause = 1.0 + ($longest - 1.0) * mt_rand() / mt_getrandmax();
        if (str_contains($error->getMessage(), 'ACCESS_REFUSED')) {
            $pause = 300.0; // somebody has to change something
        }
        say(sprintf('connection lost (%s); again in %.1f s', $error->getMessage(), $pause));
        for ($until = microtime(true) + $pause; !$stopping && microtime(true) < $until;) {
            usleep(100_000);
        }
        $longest = min(60.0, 2 * $longest);
    }
}
