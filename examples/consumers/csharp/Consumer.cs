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
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Json;
using System.Net;
using System.Text;
using System.Threading;
using Mono.Data.Sqlite;
using Mono.Unix;
using Mono.Unix.Native;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

/// <summary>The CRM's database. One transaction holds all that one message changes.</summary>
sealed class Store
{
    readonly SqliteConnection database;

    public Store(string path)
    {
        database = new SqliteConnection("URI=file:" + path + ",busy_timeout=30000");
        database.Open();
        Run(@"pragma secure_delete = on;
              create table if not exists events (id text primary key, received_at text not null default current_timestamp);
              create table if not exists requests (id text primary key, sequence integer not null, changes integer not null, snapshot text);
              create table if not exists outbox (update_id text primary key, link text not null, request_id text not null);");
    }

    /// <summary>Stores an event once, whatever comes twice or late. When this returns, it is on disk.</summary>
    public void Apply(string eventId, string number, long sequence, string snapshot, string link)
    {
        using (var transaction = database.BeginTransaction())
        {
            if (Run("insert or ignore into events (id) values (?)", eventId) == 1)
            {
                object known = Query("select sequence from requests where id = ?", number).ExecuteScalar();
                if (known == null)
                {
                    // Your CRM opens a file here. The answer to the citizen is part of the same transaction.
                    Run("insert into requests values (?, ?, 1, ?)", number, sequence, snapshot);
                    if (link != null) Run("insert into outbox values (?, ?, ?)", eventId, link, number);
                }
                else if (sequence > (long)known)
                {
                    Run("update requests set sequence = ?, changes = changes + 1, snapshot = ? where id = ?", sequence, snapshot, number);
                } // else it is older than what is stored: acknowledged and forgotten
            } // else a duplicate
            transaction.Commit();
        }
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

static class Consumer
{
    static readonly HashSet<string> Snapshots = new HashSet<string> {
        "service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1" };
    const string Erasure = "service_request.erased.v1";
    static readonly TimeSpan Watchdog = TimeSpan.FromMinutes(10);

    static readonly Random Dice = new Random();
    static volatile bool stopping;

    /// <summary>One message: stored then acknowledged, ignored, or rejected for good.</summary>
    static void Handle(Store store, IModel channel, BasicDeliverEventArgs delivery)
    {
        var properties = delivery.BasicProperties;
        try
        {
            if (properties.IsContentEncodingPresent()) throw new FormatException("unknown content encoding");
            var message = JsonValue.Parse(new UTF8Encoding(false, true).GetString(delivery.Body));
            string type = properties.IsTypePresent() ? properties.Type : "";
            if (Snapshots.Contains(type) || type == Erasure)
            {
                var data = (JsonObject)message["data"];
                string link = data.ContainsKey("links") ? (string)data["links"]["status"] : null;
                store.Apply(message["id"], data["service_request_id"], data["sequence"], type == Erasure ? null : data.ToString(), link);
            } // any other type is acknowledged and ignored: that is how the contract can grow
        }
        catch (Exception failure) when (!(failure is SqliteException))
        {
            // It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
            Say("rejected: " + failure.Message);
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
    static IConnection Connect(ConnectionFactory factory)
    {
        IConnection connection = null;
        Exception failure = null;
        var thread = new Thread(() => {
            try { connection = factory.CreateConnection(); }
            catch (ThreadAbortException) { }
            catch (Exception error) { failure = error; }
        }) { IsBackground = true };
        thread.Start();
        bool ended = thread.Join(15000);
        if (!ended) thread.Abort();
        if (connection == null) throw new IOException(failure == null ? "no answer" : failure.Message, failure);
        return connection;
    }

    /// <summary>Until the connection is lost (throws) or a stop is asked for (returns).</summary>
    static void Consume(Store store, Action connected)
    {
        var uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URI"));
        var user = uri.UserInfo.Split(':');
        bool secure = uri.Scheme == "amqps";
        var factory = new ConnectionFactory {
            HostName = uri.Host, Port = uri.Port > 0 ? uri.Port : secure ? 5671 : 5672, VirtualHost = Uri.UnescapeDataString(uri.AbsolutePath.Substring(1)),
            UserName = Uri.UnescapeDataString(user[0]), Password = Uri.UnescapeDataString(user[1]),
            RequestedHeartbeat = 15, Protocol = Protocols.AMQP_0_9,
            Ssl = new SslOption { Enabled = secure, ServerName = uri.Host },
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
                SendStatuses(store);
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

    static void Say(string text) { Console.Error.WriteLine(DateTime.UtcNow.ToString("o") + " " + text); }

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
