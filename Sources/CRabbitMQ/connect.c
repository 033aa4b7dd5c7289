#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "connection.h"

static int64_t now_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timeval from_milliseconds(int64_t milliseconds) {
    if (milliseconds < 1) milliseconds = 1;
    struct timeval value = {milliseconds / 1000, (milliseconds % 1000) * 1000};
    return value;
}

static amqp_table_entry_t text_entry(const char *key, const char *text) {
    amqp_table_entry_t entry = {0};
    entry.key = amqp_cstring_bytes(key);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(text);
    return entry;
}

static amqp_table_entry_t true_entry(const char *key) {
    amqp_table_entry_t entry = {0};
    entry.key = amqp_cstring_bytes(key);
    entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    entry.value.value.boolean = 1;
    return entry;
}

static amqp_socket_t *make_socket(rmq_connection *connection, const rmq_options *options, rmq_failure *failure) {
    amqp_connection_state_t state = connection->state;
    amqp_socket_t *socket = options->use_tls ? amqp_ssl_socket_new(state) : amqp_tcp_socket_new(state);
    if (!socket) {
        rmq_fail(failure, RMQ_FAILURE_NO_MEMORY, "cannot create a socket");
        return NULL;
    }
    return !options->use_tls || rmq_prepare_tls(connection, socket, options, failure) ? socket : NULL;
}

// None of these is worth refusing a connection for: the watchdog and the heartbeats stand behind them.
//
// TCP_USER_TIMEOUT stays unset: during a memory alarm the broker leaves the rest of a window unread for as long as the alarm
// lasts, and the kernel would take that for a dead peer.
static void tune_descriptor(int descriptor, const rmq_options *options) {
    int one = 1, idle = options->heartbeat_seconds > 0 ? options->heartbeat_seconds : 60, interval = 5, probes = 3;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static bool log_in(amqp_connection_state_t state, const rmq_options *options, rmq_failure *failure) {
    amqp_table_entry_t capabilities[5] = {
        true_entry("connection.blocked"),
        true_entry("basic.nack"),
        true_entry("publisher_confirms"),
        true_entry("consumer_cancel_notify"),
        true_entry("authentication_failure_close"),
    };
    amqp_table_entry_t entries[3] = {
        text_entry("product", options->product),
        text_entry("connection_name", options->connection_name),
    };
    entries[2].key = amqp_cstring_bytes("capabilities");
    entries[2].value.kind = AMQP_FIELD_KIND_TABLE;
    entries[2].value.value.table.num_entries = 5;
    entries[2].value.value.table.entries = capabilities;
    amqp_table_t properties = {3, entries};

    amqp_rpc_reply_t reply =
        options->login_by_certificate
            // The broker reads the name in the certificate and ignores this one.
            ? amqp_login_with_properties(
                  state, options->virtual_host, 0, AMQP_DEFAULT_FRAME_SIZE, options->heartbeat_seconds, &properties,
                  AMQP_SASL_METHOD_EXTERNAL, options->user)
            : amqp_login_with_properties(
                  state, options->virtual_host, 0, AMQP_DEFAULT_FRAME_SIZE, options->heartbeat_seconds, &properties,
                  AMQP_SASL_METHOD_PLAIN, options->user, options->password);
    if (rmq_check_reply(reply, failure)) return true;
    // Only here does 403 speak of the password; and a broker too old to say so just hangs up.
    if (failure->kind == RMQ_FAILURE_CONNECTION_CLOSED && failure->code == AMQP_ACCESS_REFUSED) {
        failure->kind = RMQ_FAILURE_LOGIN;
    }
    return false;
}

static bool establish(rmq_connection *connection, const rmq_options *options, rmq_failure *failure) {
    int64_t deadline = now_milliseconds() + options->handshake_milliseconds;
    amqp_connection_state_t state = connection->state;
    amqp_socket_t *socket = make_socket(connection, options, failure);
    if (!socket) return false;

    struct timeval left = from_milliseconds(deadline - now_milliseconds());
    int status = amqp_socket_open_noblock(socket, options->host, options->port, &left);
    if (!rmq_check_status(status, failure)) {
        // No connection has been there yet, so none was lost.
        if (failure->kind == RMQ_FAILURE_LOST) failure->kind = RMQ_FAILURE_REFUSED;
        return false;
    }
    connection->descriptor = amqp_get_sockfd(state);
    tune_descriptor(connection->descriptor, options);

    left = from_milliseconds(deadline - now_milliseconds());
    amqp_set_handshake_timeout(state, &left);
    if (!log_in(state, options, failure)) return false;

    left = from_milliseconds(deadline - now_milliseconds());
    amqp_set_rpc_timeout(state, &left);
    amqp_channel_open(state, RMQ_CHANNEL);
    if (!rmq_check_reply(amqp_get_rpc_reply(state), failure)) return false;

    left = from_milliseconds(options->rpc_milliseconds);
    amqp_set_rpc_timeout(state, &left);
    return true;
}

rmq_connection *rmq_connect(const rmq_options *options, rmq_failure *failure) {
    rmq_connection *connection = calloc(1, sizeof *connection);
    if (connection) connection->state = amqp_new_connection();
    if (!connection || !connection->state) {
        free(connection);
        rmq_fail(failure, RMQ_FAILURE_NO_MEMORY, "cannot create a connection");
        return NULL;
    }
    connection->descriptor = -1;
    if (!establish(connection, options, failure)) {
        if (failure->kind == RMQ_FAILURE_TLS) rmq_explain_tls(connection, failure);
        rmq_close(connection);
        return NULL;
    }
    return connection;
}

int rmq_descriptor(const rmq_connection *connection) { return connection->descriptor; }

int rmq_frame_limit(const rmq_connection *connection) { return amqp_get_frame_max(connection->state); }

void rmq_say_goodbye(rmq_connection *connection) { amqp_connection_close(connection->state, AMQP_REPLY_SUCCESS); }

void rmq_close(rmq_connection *connection) {
    amqp_destroy_connection(connection->state);
    free(connection->body);
    free(connection->headers);
    free(connection->entries);
    free(connection);
}
