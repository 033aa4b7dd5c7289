#ifndef BUS311_CRABBITMQ_CONNECTION_H
#define BUS311_CRABBITMQ_CONNECTION_H

#include "include/CRabbitMQ.h"

// Newer releases of the library moved its headers into a folder.
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

enum { RMQ_CHANNEL = 1 };

// A message whose content frames are still arriving. Its method and header frames live in the library's pool, which is
// therefore not released before the message is complete.
typedef enum {
    RMQ_CONTENT_NONE,
    RMQ_CONTENT_HEADER_EXPECTED,
    RMQ_CONTENT_BODY_EXPECTED,
} rmq_content_state;

struct rmq_connection {
    amqp_connection_state_t state;
    int descriptor;

    // What OpenSSL thought of the broker's certificate, and whose it is.
    int certificate_error;
    char certificate[160];

    rmq_content_state content;
    rmq_event pending;
    uint64_t body_size;
    uint64_t body_received;
    uint8_t *body;
    size_t body_capacity;

    // Grown as needed, kept between messages.
    rmq_header *headers;
    size_t header_capacity;
    amqp_table_entry_t *entries;
    size_t entry_capacity;
};

// reply.c: each fills the failure and answers false, or leaves it alone and answers true.
bool rmq_fail(rmq_failure *failure, rmq_failure_kind kind, const char *text);
bool rmq_check_status(int status, rmq_failure *failure);
bool rmq_check_reply(amqp_rpc_reply_t reply, rmq_failure *failure);
void rmq_read_channel_close(const amqp_channel_close_t *method, rmq_failure *failure);
void rmq_read_connection_close(const amqp_connection_close_t *method, rmq_failure *failure);

// tls.c: nothing for a connection in clear.
bool rmq_prepare_tls(rmq_connection *connection, amqp_socket_t *socket, const rmq_options *options, rmq_failure *failure);
void rmq_explain_tls(const rmq_connection *connection, rmq_failure *failure);

// event.c
bool rmq_expect_content(rmq_connection *connection, rmq_event event);

static inline rmq_bytes rmq_borrow(amqp_bytes_t bytes) {
    rmq_bytes borrowed = {bytes.bytes, bytes.len};
    return borrowed;
}

#endif
