#include <stdlib.h>

#include "connection.h"

static bool answered(rmq_connection *connection, rmq_failure *failure) {
    return rmq_check_reply(amqp_get_rpc_reply(connection->state), failure);
}

bool rmq_confirm_select(rmq_connection *connection, rmq_failure *failure) {
    amqp_confirm_select(connection->state, RMQ_CHANNEL);
    return answered(connection, failure);
}

bool rmq_prefetch(rmq_connection *connection, uint16_t prefetch, rmq_failure *failure) {
    amqp_basic_qos(connection->state, RMQ_CHANNEL, 0, prefetch, 0);
    return answered(connection, failure);
}

bool rmq_consume(rmq_connection *connection, const char *queue, bool exclusive, bool waits, rmq_failure *failure) {
    // The queue's name as the consumer's: a cancellation by the broker names the consumer alone.
    const amqp_bytes_t name = amqp_cstring_bytes(queue);
    if (waits) {
        amqp_basic_consume(connection->state, RMQ_CHANNEL, name, name, 0, 0, exclusive, amqp_empty_table);
        return answered(connection, failure);
    }
    amqp_basic_consume_t request = {
        .queue = name, .consumer_tag = name, .exclusive = exclusive, .nowait = 1, .arguments = amqp_empty_table};
    return rmq_check_status(amqp_send_method(connection->state, RMQ_CHANNEL, AMQP_BASIC_CONSUME_METHOD, &request), failure);
}

bool rmq_acknowledge(rmq_connection *connection, uint64_t tag, bool multiple, rmq_failure *failure) {
    return rmq_check_status(amqp_basic_ack(connection->state, RMQ_CHANNEL, tag, multiple), failure);
}

bool rmq_reject(rmq_connection *connection, uint64_t tag, bool requeue, rmq_failure *failure) {
    return rmq_check_status(amqp_basic_reject(connection->state, RMQ_CHANNEL, tag, requeue), failure);
}

bool rmq_declare_queue(
    rmq_connection *connection, const char *queue, bool passive, bool durable, bool exclusive, const rmq_argument *arguments,
    size_t argument_count, rmq_queue_depth *depth, rmq_failure *failure) {
    amqp_table_t table = amqp_empty_table;
    if (argument_count > 0) {
        table.entries = calloc(argument_count, sizeof *table.entries);
        if (!table.entries) return rmq_fail(failure, RMQ_FAILURE_NO_MEMORY, "cannot hold the queue's arguments");
        table.num_entries = (int)argument_count;
    }
    for (size_t index = 0; index < argument_count; index++) {
        amqp_table_entry_t *entry = &table.entries[index];
        entry->key = amqp_cstring_bytes(arguments[index].name);
        switch (arguments[index].kind) {
        case RMQ_HEADER_TEXT:
            entry->value.kind = AMQP_FIELD_KIND_UTF8;
            entry->value.value.bytes = amqp_cstring_bytes(arguments[index].text);
            break;
        case RMQ_HEADER_INTEGER:
            entry->value.kind = AMQP_FIELD_KIND_I64;
            entry->value.value.i64 = arguments[index].integer;
            break;
        case RMQ_HEADER_BOOLEAN:
            entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
            entry->value.value.boolean = arguments[index].integer != 0;
            break;
        }
    }
    amqp_queue_declare_ok_t *ok = amqp_queue_declare(
        connection->state, RMQ_CHANNEL, amqp_cstring_bytes(queue), passive, durable, exclusive, 0, table);
    free(table.entries);
    if (!answered(connection, failure)) return false;
    depth->messages = ok->message_count;
    depth->consumers = ok->consumer_count;
    return true;
}

bool rmq_declare_exchange(
    rmq_connection *connection, const char *exchange, const char *type, bool passive, bool durable, rmq_failure *failure) {
    amqp_exchange_declare(
        connection->state, RMQ_CHANNEL, amqp_cstring_bytes(exchange), amqp_cstring_bytes(type), passive, durable, 0, 0,
        amqp_empty_table);
    return answered(connection, failure);
}

bool rmq_bind(
    rmq_connection *connection, const char *queue, const char *exchange, const char *routing_key, rmq_failure *failure) {
    amqp_queue_bind(
        connection->state, RMQ_CHANNEL, amqp_cstring_bytes(queue), amqp_cstring_bytes(exchange), amqp_cstring_bytes(routing_key),
        amqp_empty_table);
    return answered(connection, failure);
}

bool rmq_delete_queue(rmq_connection *connection, const char *queue, rmq_failure *failure) {
    amqp_queue_delete(connection->state, RMQ_CHANNEL, amqp_cstring_bytes(queue), 0, 0);
    return answered(connection, failure);
}

bool rmq_delete_exchange(rmq_connection *connection, const char *exchange, rmq_failure *failure) {
    amqp_exchange_delete(connection->state, RMQ_CHANNEL, amqp_cstring_bytes(exchange), 0);
    return answered(connection, failure);
}

bool rmq_purge(rmq_connection *connection, const char *queue, uint32_t *purged, rmq_failure *failure) {
    amqp_queue_purge_ok_t *ok = amqp_queue_purge(connection->state, RMQ_CHANNEL, amqp_cstring_bytes(queue));
    if (!answered(connection, failure)) return false;
    *purged = ok->message_count;
    return true;
}

rmq_event_kind rmq_get(
    rmq_connection *connection, const char *queue, int64_t microseconds, rmq_event *event, rmq_failure *failure) {
    amqp_maybe_release_buffers(connection->state);
    amqp_rpc_reply_t reply = amqp_basic_get(connection->state, RMQ_CHANNEL, amqp_cstring_bytes(queue), 0);
    if (!rmq_check_reply(reply, failure)) return RMQ_EVENT_FAILED;
    if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return RMQ_EVENT_NONE;
    amqp_basic_get_ok_t *ok = reply.reply.decoded;
    rmq_event delivery = {.kind = RMQ_EVENT_DELIVERY, .delivery_tag = ok->delivery_tag, .remaining = ok->message_count};
    delivery.redelivered = ok->redelivered;
    delivery.exchange = rmq_borrow(ok->exchange);
    delivery.routing_key = rmq_borrow(ok->routing_key);
    rmq_expect_content(connection, delivery);
    rmq_event_kind kind = rmq_next_event(connection, microseconds, event, failure);
    if (kind == RMQ_EVENT_NONE) {
        rmq_fail(failure, RMQ_FAILURE_TIMEOUT, "the message did not arrive in time");
        return RMQ_EVENT_FAILED;
    }
    return kind;
}
