#include <string.h>

#include "connection.h"

const char *rmq_failure_text(const rmq_failure *failure) { return failure->text; }

static void set_text(rmq_failure *failure, const void *text, size_t length) {
    if (length > sizeof failure->text - 1) length = sizeof failure->text - 1;
    if (length > 0) memcpy(failure->text, text, length);
    failure->text[length] = 0;
}

bool rmq_fail(rmq_failure *failure, rmq_failure_kind kind, const char *text) {
    failure->kind = kind;
    failure->code = 0;
    failure->certificate_error = 0;
    set_text(failure, text, strlen(text));
    return false;
}

static rmq_failure_kind kind_of_status(int status) {
    switch (status) {
    case AMQP_STATUS_NO_MEMORY:
        return RMQ_FAILURE_NO_MEMORY;
    case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED:
        return RMQ_FAILURE_HOST_NOT_FOUND;
    case AMQP_STATUS_TIMEOUT:
        return RMQ_FAILURE_TIMEOUT;
    case AMQP_STATUS_HEARTBEAT_TIMEOUT:
        return RMQ_FAILURE_HEARTBEAT;
    case AMQP_STATUS_CONNECTION_CLOSED:
    case AMQP_STATUS_SOCKET_ERROR:
    case AMQP_STATUS_SOCKET_CLOSED:
    case AMQP_STATUS_TCP_ERROR:
        return RMQ_FAILURE_LOST;
    case AMQP_STATUS_SSL_ERROR:
    case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED:
    case AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
    case AMQP_STATUS_SSL_CONNECTION_FAILED:
        return RMQ_FAILURE_TLS;
    default:
        return RMQ_FAILURE_PROTOCOL;
    }
}

bool rmq_check_status(int status, rmq_failure *failure) {
    if (status >= 0) return true;
    return rmq_fail(failure, kind_of_status(status), amqp_error_string2(status));
}

void rmq_read_channel_close(const amqp_channel_close_t *method, rmq_failure *failure) {
    failure->kind = RMQ_FAILURE_CHANNEL_CLOSED;
    failure->code = method->reply_code;
    set_text(failure, method->reply_text.bytes, method->reply_text.len);
}

void rmq_read_connection_close(const amqp_connection_close_t *method, rmq_failure *failure) {
    failure->kind = RMQ_FAILURE_CONNECTION_CLOSED;
    failure->code = method->reply_code;
    set_text(failure, method->reply_text.bytes, method->reply_text.len);
}

bool rmq_check_reply(amqp_rpc_reply_t reply, rmq_failure *failure) {
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return true;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
            rmq_read_channel_close(reply.reply.decoded, failure);
        } else if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
            rmq_read_connection_close(reply.reply.decoded, failure);
        } else {
            rmq_fail(failure, RMQ_FAILURE_PROTOCOL, "the broker answered with an unexpected method");
        }
        return false;
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        if (reply.library_error < 0) return rmq_check_status(reply.library_error, failure);
        return rmq_fail(failure, RMQ_FAILURE_LOST, "the connection ended while an answer was awaited");
    default:
        return rmq_fail(failure, RMQ_FAILURE_PROTOCOL, "the library gave no answer");
    }
}
