#ifndef BUS311_CRABBITMQ_H
#define BUS311_CRABBITMQ_H

// The part of AMQP 0-9-1 that the AMQP target needs, over librabbitmq 0.11 or later, in flat types.
//
// One connection with one channel. A connection belongs to one thread at a time. Every call that reads has a deadline;
// calls that write wait for the socket, so their caller keeps the descriptor to shut down when one takes too long.
// Text goes in as NUL-terminated strings or as spans, comes out as borrowed bytes without NUL.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "NetworkProbe.h"

typedef struct rmq_connection rmq_connection;

// MARK: Errors

typedef enum {
    RMQ_FAILURE_NONE = 0,
    RMQ_FAILURE_HOST_NOT_FOUND,
    RMQ_FAILURE_REFUSED,
    RMQ_FAILURE_TIMEOUT,
    RMQ_FAILURE_HEARTBEAT,
    RMQ_FAILURE_LOST,
    RMQ_FAILURE_TLS,
    RMQ_FAILURE_LOGIN,
    RMQ_FAILURE_CHANNEL_CLOSED,
    RMQ_FAILURE_CONNECTION_CLOSED,
    RMQ_FAILURE_PROTOCOL,
    RMQ_FAILURE_NO_MEMORY,
} rmq_failure_kind;

enum { RMQ_OWN_FILES = -1 };

typedef struct {
    rmq_failure_kind kind;
    // The broker's reply code (channel or connection closed), or 0.
    int code;
    // Of a TLS failure: OpenSSL's verdict on the broker's certificate (X509_V_ERR_…), RMQ_OWN_FILES, or 0.
    int certificate_error;
    // The broker's reply text, or the library's words; NUL-terminated. AMQP bounds it to 255 bytes.
    char text[256];
} rmq_failure;

// The failure's text, for a caller that cannot address an array inside a structure.
const char *rmq_failure_text(const rmq_failure *failure);

// MARK: Connection

typedef struct {
    const char *host;
    uint16_t port;
    const char *virtual_host;
    const char *user;
    const char *password;
    // Shown by the broker's management tools.
    const char *connection_name;
    const char *product;
    uint16_t heartbeat_seconds;
    // For everything up to an open channel.
    int64_t handshake_milliseconds;
    // For each later request and answer.
    int64_t rpc_milliseconds;
    bool use_tls;
    const char *ca_file;
    bool verify_peer;
    bool verify_host_name;
    // Our own certificate and its key, PEM files; empty for none. With one, the broker takes the user's name from it.
    const char *certificate_file;
    const char *key_file;
    bool login_by_certificate;
} rmq_options;

// Connects, logs in, opens the channel. Null on failure.
rmq_connection *rmq_connect(const rmq_options *options, rmq_failure *failure);

// The socket, for poll and shutdown.
int rmq_descriptor(const rmq_connection *connection);

// Bytes the broker accepts in one frame.
int rmq_frame_limit(const rmq_connection *connection);

// Says goodbye: one request and answer within the RPC time. Only closing may follow.
void rmq_say_goodbye(rmq_connection *connection);

// Closes the socket and releases everything.
void rmq_close(rmq_connection *connection);

// MARK: Messages

typedef enum {
    RMQ_HEADER_TEXT,
    RMQ_HEADER_INTEGER,
    RMQ_HEADER_BOOLEAN,
} rmq_header_kind;

// A piece of the byte block that a publication carries.
typedef struct {
    uint32_t offset;
    uint32_t length;
} rmq_span;

typedef struct {
    rmq_span name;
    rmq_header_kind kind;
    rmq_span text;
    int64_t integer;
} rmq_outgoing_header;

// A property whose span is empty is left out.
typedef struct {
    const uint8_t *bytes;
    rmq_span exchange;
    rmq_span routing_key;
    rmq_span message_id;
    rmq_span correlation_id;
    rmq_span type;
    rmq_span content_type;
    rmq_span app_id;
    rmq_span reply_to;
    uint8_t delivery_mode;
    bool mandatory;
    bool has_timestamp;
    uint64_t timestamp;
    const rmq_outgoing_header *headers;
    size_t header_count;
    const uint8_t *body;
    size_t body_length;
} rmq_publication;

// Writes one message. Waits while the socket takes nothing.
bool rmq_publish(rmq_connection *connection, const rmq_publication *publication, rmq_failure *failure);

// While corked, the kernel sends full segments only; uncorking sends the rest.
void rmq_cork(rmq_connection *connection, bool corked);

// MARK: What the broker says

typedef struct {
    const uint8_t *bytes;
    size_t length;
} rmq_bytes;

typedef struct {
    rmq_bytes name;
    rmq_header_kind kind;
    rmq_bytes text;
    int64_t integer;
} rmq_header;

typedef struct {
    rmq_bytes message_id;
    rmq_bytes correlation_id;
    rmq_bytes type;
    rmq_bytes content_type;
    rmq_bytes content_encoding;
    rmq_bytes app_id;
    rmq_bytes reply_to;
    rmq_bytes user_id;
    uint8_t delivery_mode;
    bool has_timestamp;
    uint64_t timestamp;
    // Text, integers and booleans; other kinds are left out.
    const rmq_header *headers;
    size_t header_count;
} rmq_properties;

typedef enum {
    // Nothing came within the time.
    RMQ_EVENT_NONE = 0,
    RMQ_EVENT_ACK,
    RMQ_EVENT_NACK,
    RMQ_EVENT_RETURN,
    RMQ_EVENT_DELIVERY,
    // The broker ended the consumer.
    RMQ_EVENT_CANCEL,
    RMQ_EVENT_BLOCKED,
    RMQ_EVENT_UNBLOCKED,
    // The connection is of no more use; the failure says why.
    RMQ_EVENT_FAILED,
} rmq_event_kind;

// Bytes are borrowed: they live until the next call on the connection.
typedef struct {
    rmq_event_kind kind;
    uint64_t delivery_tag;
    bool multiple;
    bool redelivered;
    // basic.return: why; blocked: reason; cancel: consumer tag.
    int code;
    rmq_bytes text;
    rmq_bytes exchange;
    rmq_bytes routing_key;
    // basic.get only: messages that stay in the queue.
    uint32_t remaining;
    rmq_properties properties;
    rmq_bytes body;
} rmq_event;

// Reads until one whole event is there or the time has passed. Serves heartbeats. A time of zero reads what has arrived.
rmq_event_kind rmq_next_event(rmq_connection *connection, int64_t microseconds, rmq_event *event, rmq_failure *failure);

// MARK: Requests on the channel

bool rmq_confirm_select(rmq_connection *connection, rmq_failure *failure);
// For the consumers that are made afterwards.
bool rmq_prefetch(rmq_connection *connection, uint16_t prefetch, rmq_failure *failure);
// Without waiting, a refusal comes later, as the end of the channel.
bool rmq_consume(rmq_connection *connection, const char *queue, bool exclusive, bool waits, rmq_failure *failure);
bool rmq_acknowledge(rmq_connection *connection, uint64_t tag, bool multiple, rmq_failure *failure);
bool rmq_reject(rmq_connection *connection, uint64_t tag, bool requeue, rmq_failure *failure);

typedef struct {
    uint32_t messages;
    uint32_t consumers;
} rmq_queue_depth;

typedef struct {
    const char *name;
    rmq_header_kind kind;
    const char *text;
    int64_t integer;
} rmq_argument;

bool rmq_declare_queue(
    rmq_connection *connection, const char *queue, bool passive, bool durable, bool exclusive, const rmq_argument *arguments,
    size_t argument_count, rmq_queue_depth *depth, rmq_failure *failure);
bool rmq_declare_exchange(
    rmq_connection *connection, const char *exchange, const char *type, bool passive, bool durable, rmq_failure *failure);
bool rmq_bind(
    rmq_connection *connection, const char *queue, const char *exchange, const char *routing_key, rmq_failure *failure);
bool rmq_delete_queue(rmq_connection *connection, const char *queue, rmq_failure *failure);
bool rmq_delete_exchange(rmq_connection *connection, const char *exchange, rmq_failure *failure);
bool rmq_purge(rmq_connection *connection, const char *queue, uint32_t *purged, rmq_failure *failure);

// Takes one message, to be acknowledged: an event of kind delivery, none when the queue is empty, or failed.
rmq_event_kind rmq_get(
    rmq_connection *connection, const char *queue, int64_t microseconds, rmq_event *event, rmq_failure *failure);

#endif
