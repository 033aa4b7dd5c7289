// A CRM's consumer in C# with Mono's RabbitMQ.Client, the only one in Debian: it speaks AMQP 0-9, which RabbitMQ 3.x takes, and
// knows neither publisher confirms nor consumer cancellation. So statuses go by REST here, and a watchdog reconnects after silence.
// On .NET take RabbitMQ.Client 7: the same shape with an AsyncEventingBasicConsumer, confirms for statuses by AMQP, and the rest of
// this file as it stands.
//
// Settings, all from the environment:
//   AMQP_URI   amqps://user:password@host:5671/open311, as the city's operator gave it
//   QUEUE      o311.<tenant>.requests
//   CRM_TOKEN  the bearer token for statuses
//   STATE      folder of crm.sqlite3
//   AMQP_CA_FILE  the authority of the bus's certificate (PEM); by default those that Debian trusts
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Json;
using System.Net;
using System.Security.Authentication;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using Mono.Data.Sqlite;
using Mono.Security.X509;
using Mono.Unix;
using Mono.Unix.Native;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

/// <summary>What this CRM takes from a message; a null snapshot erases.</summary>
sealed class Event
{
    public string Id, Number, Snapshot, Link;
    public long Epoch, Sequence;
}

/// <summary>The CRM's database. One transaction holds all that one message changes.</summary>
sealed class Store
{
    readonly SqliteConnection database;

    public Store(string path)
    {
        database = new SqliteConnection("URI=file:" + path + ",busy_timeout=2000");
        database.Open();
        Run(@"pragma secure_delete = on;
              create table if not exists events (id text primary key, received_at text not null default current_timestamp);
              create table if not exists requests (
                id text primary key, epoch integer not null, sequence integer not null, changes integer not null, snapshot text);
              create table if not exists outbox (update_id text primary key, link text not null, request_id text not null);");
    }

    /// <summary>Stores an event once, whatever comes twice or late. When this returns, it is on disk.</summary>
    public void Apply(Event message)
    {
        using (var transaction = database.BeginTransaction())
        {
            if (Run("insert or ignore into events (id) values (?)", message.Id) == 1)
            {
                long? epoch = null, sequence = null;
                using (var known = Query("select epoch, sequence from requests where id = ?", message.Number).ExecuteReader())
                    if (known.Read()) { epoch = known.GetInt64(0); sequence = known.GetInt64(1); }
                if (epoch == null)
                {
                    // Your CRM opens a file here. The answer to the citizen is part of the same transaction.
                    Run("insert into requests values (?, ?, ?, 1, ?)", message.Number, message.Epoch, message.Sequence, message.Snapshot);
                    if (message.Link != null) Run("insert into outbox values (?, ?, ?)", message.Id, message.Link, message.Number);
                }
                else if (message.Epoch > epoch || message.Epoch == epoch && message.Sequence > sequence)
                {
                    Run("update requests set epoch = ?, sequence = ?, changes = changes + 1, snapshot = ? where id = ?",
                        message.Epoch, message.Sequence, message.Snapshot, message.Number);
                } // else it is older than what is stored: acknowledged and forgotten
            } // else a duplicate
            transaction.Commit();
        }
    }

    /// <summary>SQLite's answers that speak of the message. All others say that the database is away: locked, disk full.</summary>
    public static bool IsFaultOfMessage(SqliteException failure)
    {
        int code = (int)failure.ErrorCode & 0xff; // too big, against a constraint, of another type, out of range
        return code == 18 || code == 19 || code == 20 || code == 25;
    }

    public List<string[]> Pending()
    {
        var rows = new List<string[]>();
        using (var reader = Query("select update_id, link, request_id from outbox order by rowid").ExecuteReader())
            while (reader.Read()) rows.Add(new[] { reader.GetString(0), reader.GetString(1), reader.GetString(2) });
        return rows;
    }

    public void Sent(string updateId) { Run("delete from outbox where update_id = ?", updateId); }

    int Run(string sql, params object[] values) { return Query(sql, values).ExecuteNonQuery(); }

    SqliteCommand Query(string sql, params object[] values)
    {
        var command = new SqliteCommand(sql, database);
        foreach (var value in values) command.Parameters.Add(new SqliteParameter { Value = value ?? DBNull.Value });
        return command;
    }
}

/// <summary>The client's own CreateConnection() speaks in clear, whatever Ssl says: it makes its endpoint of host and port alone.</summary>
sealed class EndpointFactory : ConnectionFactory
{
    public AmqpTcpEndpoint To;

    public IConnection Open()
    {
        Hashtable attempts = new Hashtable(), errors = new Hashtable();
        var connection = CreateConnection(0, attempts, errors, new[] { To });
        if (connection == null) throw new BrokerUnreachableException(attempts, errors);
        return connection;
    }
}

static class Consumer
{
    static readonly HashSet<string> Snapshots = new HashSet<string> {
        "service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1" };
    const string Erasure = "service_request.erased.v1";
    static readonly TimeSpan Watchdog = TimeSpan.FromMinutes(10);

    static readonly Random Dice = new Random();
    static volatile bool stopping;

    /// <summary>What this CRM takes from a message, null of a type that it does not know: that is how the contract can grow. Every
    /// type is checked here, before the store sees it; throws an exception of any kind for what can never work.</summary>
    static Event Read(BasicDeliverEventArgs delivery)
    {
        var properties = delivery.BasicProperties;
        if (properties.IsContentEncodingPresent()) throw new FormatException("unknown content encoding");
        string type = properties.IsTypePresent() ? properties.Type : "";
        if (!Snapshots.Contains(type) && type != Erasure) return null;
        string text = new UTF8Encoding(false, true).GetString(delivery.Body);
        RefuseDepth(text);
        var message = (JsonObject)JsonValue.Parse(text);
        var data = (JsonObject)message["data"];
        if (data["sequence"].JsonType != JsonType.Number || (long)data["sequence"] < 1) throw new FormatException("sequence is no number from 1 on");
        // After a restore of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
        var epoch = Regex.Match(Text(message, "source"), "-e([1-9][0-9]{0,8})$");
        return new Event {
            Id = Text(message, "id"), Number = Text(data, "service_request_id"), Sequence = (long)data["sequence"],
            Epoch = epoch.Success ? long.Parse(epoch.Groups[1].Value) : 1, Snapshot = type == Erasure ? null : data.ToString(),
            Link = data.ContainsKey("links") ? Text((JsonObject)data["links"], "status") : null };
    }

    static string Text(JsonObject json, string name)
    {
        if (json[name].JsonType != JsonType.String || (string)json[name] == "") throw new FormatException(name + " is no text");
        return json[name];
    }

    /// <summary>System.Json calls itself for each level, and a stack that is full ends the process: no catch helps.</summary>
    static void RefuseDepth(string json)
    {
        int depth = 0;
        bool quoted = false;
        for (int index = 0; index < json.Length; index++)
        {
            char each = json[index];
            if (quoted && each == '\\') index++;
            else if (each == '"') quoted = !quoted;
            else if (!quoted && (each == '[' || each == '{') && ++depth > 64) throw new FormatException("more than 64 levels");
            else if (!quoted && (each == ']' || each == '}')) depth--;
        }
    }

    /// <summary>One message: stored then acknowledged, ignored, or rejected for good.</summary>
    static void Handle(Store store, IModel channel, BasicDeliverEventArgs delivery)
    {
        try
        {
            var message = Read(delivery);
            while (message != null)
            {
                try
                {
                    store.Apply(message);
                    break;
                }
                catch (SqliteException failure) when (!Store.IsFaultOfMessage(failure))
                {
                    // Locked, disk full: not the message's fault. Wait with it in hand; the client's own thread sends the heartbeats.
                    Say("the database is away, waiting: " + failure.Message);
                }
                Thread.Sleep(1000);
                if (stopping) return; // not stored, not acknowledged: it goes back to the queue
            }
        }
        catch (Exception failure) // whatever it is: a program that dies of a message takes those that it holds with it
        {
            // It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
            Say("rejected: " + failure.GetType().Name);
            channel.BasicReject(delivery.DeliveryTag, false);
            return;
        }
        channel.BasicAck(delivery.DeliveryTag, false);
    }

    /// <summary>Empties the outbox as far as it goes; what is left is tried again later. The update's id makes a repetition harmless.</summary>
    static void SendStatuses(Store store)
    {
        foreach (var row in store.Pending())
        {
            var request = (HttpWebRequest)WebRequest.Create(row[1] + "/" + row[0]);
            request.Method = "PUT";
            request.Timeout = 10000;
            request.ContentType = "application/json";
            request.Headers["Authorization"] = "Bearer " + Environment.GetEnvironmentVariable("CRM_TOKEN");
            var update = new JsonObject {
                { "status", "IN_PROCESS" }, { "status_notes", "Pris en charge" }, { "external_reference", "CRM-" + row[2] },
                { "ack", true } };
            try
            {
                byte[] body = Encoding.UTF8.GetBytes(update.ToString());
                using (var stream = request.GetRequestStream()) stream.Write(body, 0, body.Length);
                request.GetResponse().Close();
            }
            catch (WebException failure)
            {
                var answer = failure.Response as HttpWebResponse;
                if (answer == null || (int)answer.StatusCode >= 500 || (int)answer.StatusCode == 429)
                {
                    Say("status not sent, later again: " + failure.Message);
                    return;
                }
                // 4xx: it will never be accepted. The reason is in the answer's body.
                Say("status of " + row[2] + " refused: " + new StreamReader(answer.GetResponseStream()).ReadToEnd());
            }
            store.Sent(row[0]);
        }
    }

    /// <summary>This client waits for ever when the broker hangs up during the handshake: not longer than 15 s here.</summary>
    static IConnection Connect(EndpointFactory factory)
    {
        IConnection connection = null;
        Exception failure = null;
        var thread = new Thread(() => {
            try { connection = factory.Open(); }
            catch (ThreadAbortException) { }
            catch (Exception error) { failure = error; }
        }) { IsBackground = true };
        thread.Start();
        bool ended = thread.Join(15000);
        if (!ended) thread.Abort();
        if (connection == null) throw new IOException(failure == null ? "no answer" : Reason(failure), failure);
        return connection;
    }

    /// <summary>Until the connection is lost (throws) or a stop is asked for (returns).</summary>
    static void Consume(Store store, Action connected)
    {
        var uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URI"));
        var user = uri.UserInfo.Split(':');
        bool secure = uri.Scheme == "amqps";
        var factory = new EndpointFactory {
            VirtualHost = Uri.UnescapeDataString(uri.AbsolutePath.Substring(1)),
            UserName = Uri.UnescapeDataString(user[0]), Password = Uri.UnescapeDataString(user[1]),
            RequestedHeartbeat = 15, Protocol = Protocols.AMQP_0_9,
            // Certificate and name are verified. The version is said aloud: by default this client offers none that is in use today.
            To = new AmqpTcpEndpoint(
                Protocols.AMQP_0_9, uri.Host, uri.Port > 0 ? uri.Port : secure ? 5671 : 5672,
                new SslOption { Enabled = secure, ServerName = uri.Host, Version = SslProtocols.Tls12 }),
            ClientProperties = new Hashtable { { "connection_name", Encoding.UTF8.GetBytes("example CRM, csharp") } } };
        using (var connection = Connect(factory))
        using (var channel = connection.CreateModel())
        {
            channel.BasicQos(0, 20, false);
            var inbox = new QueueingBasicConsumer(channel);
            // Nothing is declared: the queue is the operator's.
            string tag = channel.BasicConsume(Environment.GetEnvironmentVariable("QUEUE"), false, null, inbox);
            connected();
            var heard = DateTime.UtcNow;
            while (!stopping)
            {
                try
                {
                    SendStatuses(store);
                }
                catch (SqliteException failure)
                {
                    Say("the database is away, statuses later: " + failure.Message);
                }
                object next; // the client's own thread fills the inbox and sends the heartbeats; Dequeue throws when the connection is lost
                if (inbox.Queue.Dequeue(500, out next))
                {
                    Handle(store, channel, (BasicDeliverEventArgs)next);
                    heard = DateTime.UtcNow;
                }
                if (DateTime.UtcNow - heard > Watchdog) throw new IOException("silence: connecting anew");
            }
            channel.BasicCancel(tag); // what was delivered and not handled goes back to the queue when the connection closes
        }
    }

    /// <summary>Mono trusts nobody until it is told. What it is told stays in our own folder, and is good for this process only.</summary>
    static void Trust(string file, string folder)
    {
        Environment.SetEnvironmentVariable("XDG_CONFIG_HOME", folder);
        foreach (Match pem in Regex.Matches(File.ReadAllText(file), "-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----"))
            X509StoreManager.NewCurrentUser.TrustedRoot.Import(new X509Certificate(Convert.FromBase64String(pem.Groups[1].Value)));
    }

    static void Say(string text) { Console.Error.WriteLine(DateTime.UtcNow.ToString("o") + " " + text); }

    static string Reason(Exception failure)
    {
        var unreachable = failure as BrokerUnreachableException;
        if (unreachable == null) return failure.Message;
        var reasons = new List<string>();
        foreach (Exception error in unreachable.ConnectionErrors.Values) reasons.Add((error.InnerException ?? error).Message.Split('\n')[0]);
        return string.Join("; ", reasons);
    }

    static bool IsRefusedLogin(Exception failure)
    {
        var unreachable = failure.InnerException as BrokerUnreachableException;
        if (unreachable == null) return false;
        foreach (var error in unreachable.ConnectionErrors.Values)
            if (error is PossibleAuthenticationFailureException) return true;
        return false;
    }

    static int Main()
    {
        string authorities = Environment.GetEnvironmentVariable("AMQP_CA_FILE");
        string trust = Path.Combine(Environment.GetEnvironmentVariable("STATE"), "trust");
        if (Directory.Exists(trust)) Directory.Delete(trust, true); // who was trusted yesterday need not be today
        Trust(string.IsNullOrEmpty(authorities) ? "/etc/ssl/certs/ca-certificates.crt" : authorities, trust);
        var store = new Store(Path.Combine(Environment.GetEnvironmentVariable("STATE"), "crm.sqlite3"));
        var signals = new[] { new UnixSignal(Signum.SIGTERM), new UnixSignal(Signum.SIGINT) };
        new Thread(() => { UnixSignal.WaitAny(signals); stopping = true; }) { IsBackground = true }.Start();
        double longest = 2;
        while (!stopping)
        {
            try
            {
                Consume(store, () => longest = 2);
            }
            catch (Exception failure) when (failure is IOException || failure is OperationInterruptedException || failure is AlreadyClosedException)
            {
                // Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
                // Who knocks with a wrong password every minute is locked out: then only somebody who changes it helps.
                double pause = IsRefusedLogin(failure) ? 300 : 1 + (longest - 1) * Dice.NextDouble();
                Say("connection lost (" + failure.Message + "); again in " + pause.ToString("0.0") + " s");
                for (var until = DateTime.UtcNow.AddSeconds(pause); !stopping && DateTime.UtcNow < until;) Thread.Sleep(100);
                longest = Math.Min(60, 2 * longest);
            }
        }
        return 0;
    }
}
