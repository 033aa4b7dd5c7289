#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connection.h"

// What a queue may hold at most in RabbitMQ's default configuration; a larger claim is a broken stream.
static const uint64_t body_limit = 128u << 20;

static int64_t now_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool flatten_value(const amqp_field_value_t *value, rmq_header *header) {
    header->kind = RMQ_HEADER_INTEGER;
    switch (value->kind) {
    case AMQP_FIELD_KIND_BOOLEAN:
        header->kind = RMQ_HEADER_BOOLEAN;
        header->integer = value->value.boolean != 0;
        return true;
    case AMQP_FIELD_KIND_I8: header->integer = value->value.i8; return true;
    case AMQP_FIELD_KIND_U8: header->integer = value->value.u8; return true;
    case AMQP_FIELD_KIND_I16: header->integer = value->value.i16; return true;
    case AMQP_FIELD_KIND_U16: header->integer = value->value.u16; return true;
    case AMQP_FIELD_KIND_I32: header->integer = value->value.i32; return true;
    case AMQP_FIELD_KIND_U32: header->integer = value->value.u32; return true;
    case AMQP_FIELD_KIND_I64: header->integer = value->value.i64; return true;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        if (value->value.u64 > INT64_MAX) return false;
        header->integer = (int64_t)value->value.u64;
        return true;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        header->kind = RMQ_HEADER_TEXT;
        header->text = rmq_borrow(value->value.bytes);
        return true;
    default:
        return false;
    }
}

// When a dead letter died last: x-death lists the deaths, the latest first, and each is a table with the second it happened.
static bool flatten_death(const amqp_field_value_t *deaths, rmq_header *header) {
    if (deaths->kind != AMQP_FIELD_KIND_ARRAY || deaths->value.array.num_entries < 1) return false;
    const amqp_field_value_t *latest = &deaths->value.array.entries[0];
    if (latest->kind != AMQP_FIELD_KIND_TABLE) return false;
    for (int index = 0; index < latest->value.table.num_entries; index++) {
        const amqp_table_entry_t *entry = &latest->value.table.entries[index];
        if (entry->key.len != 4 || memcmp(entry->key.bytes, "time", 4) != 0) continue;
        return entry->value.kind == AMQP_FIELD_KIND_TIMESTAMP && flatten_value(&entry->value, header);
    }
    return false;
}

static bool flatten_headers(rmq_connection *connection, const amqp_table_t *table, rmq_properties *flat) {
    size_t count = table->num_entries > 0 ? (size_t)table->num_entries : 0;
    if (count > connection->header_capacity) {
        rmq_header *grown = realloc(connection->headers, count * sizeof *grown);
        if (!grown) return false;
        connection->headers = grown;
        connection->header_capacity = count;
    }
    size_t kept = 0;
    for (size_t index = 0; index < count; index++) {
        rmq_header *header = &connection->headers[kept];
        memset(header, 0, sizeof *header);
        header->name = rmq_borrow(table->entries[index].key);
        const amqp_table_entry_t *entry = &table->entries[index];
        bool is_death = entry->key.len == 7 && memcmp(entry->key.bytes, "x-death", 7) == 0;
        if (is_death ? flatten_death(&entry->value, header) : flatten_value(&entry->value, header)) kept++;
    }
    flat->headers = connection->headers;
    flat->header_count = kept;
    return true;
}

static bool flatten_properties(rmq_connection *connection, const amqp_basic_properties_t *properties, rmq_properties *flat) {
    amqp_flags_t flags = properties->_flags;
    if (flags & AMQP_BASIC_MESSAGE_ID_FLAG) flat->message_id = rmq_borrow(properties->message_id);
    if (flags & AMQP_BASIC_CORRELATION_ID_FLAG) flat->correlation_id = rmq_borrow(properties->correlation_id);
    if (flags & AMQP_BASIC_TYPE_FLAG) flat->type = rmq_borrow(properties->type);
    if (flags & AMQP_BASIC_CONTENT_TYPE_FLAG) flat->content_type = rmq_borrow(properties->content_type);
    if (flags & AMQP_BASIC_CONTENT_ENCODING_FLAG) flat->content_encoding = rmq_borrow(properties->content_encoding);
    if (flags & AMQP_BASIC_APP_ID_FLAG) flat->app_id = rmq_borrow(properties->app_id);
    if (flags & AMQP_BASIC_REPLY_TO_FLAG) flat->reply_to = rmq_borrow(properties->reply_to);
    if (flags & AMQP_BASIC_USER_ID_FLAG) flat->user_id = rmq_borrow(properties->user_id);
    if (flags & AMQP_BASIC_DELIVERY_MODE_FLAG) flat->delivery_mode = properties->delivery_mode;
    flat->has_timestamp = (flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0;
    if (flat->has_timestamp) flat->timestamp = properties->timestamp;
    return !(flags & AMQP_BASIC_HEADERS_FLAG) || flatten_headers(connection, &properties->headers, flat);
}

bool rmq_expect_content(rmq_connection *connection, rmq_event event) {
    connection->pending = event;
    connection->content = RMQ_CONTENT_HEADER_EXPECTED;
    connection->body_size = 0;
    connection->body_received = 0;
    return true;
}

static rmq_event_kind fail(rmq_event *event, rmq_failure *failure, rmq_failure_kind kind, const char *text) {
    rmq_fail(failure, kind, text);
    event->kind = RMQ_EVENT_FAILED;
    return RMQ_EVENT_FAILED;
}

static rmq_event_kind complete(rmq_connection *connection, rmq_event *event, rmq_bytes body) {
    *event = connection->pending;
    event->body = body;
    connection->content = RMQ_CONTENT_NONE;
    return event->kind;
}

static rmq_event_kind read_header(rmq_connection *connection, amqp_frame_t *frame, rmq_event *event, rmq_failure *failure) {
    connection->body_size = frame->payload.properties.body_size;
    if (connection->body_size > body_limit) {
        return fail(event, failure, RMQ_FAILURE_PROTOCOL, "the broker announced a body larger than 128 MiB");
    }
    if (!flatten_properties(connection, frame->payload.properties.decoded, &connection->pending.properties)) {
        return fail(event, failure, RMQ_FAILURE_NO_MEMORY, "cannot hold the headers of a message");
    }
    connection->content = RMQ_CONTENT_BODY_EXPECTED;
    if (connection->body_size > 0) return RMQ_EVENT_NONE;
    rmq_bytes empty = {NULL, 0};
    return complete(connection, event, empty);
}

static rmq_event_kind read_body(rmq_connection *connection, amqp_frame_t *frame, rmq_event *event, rmq_failure *failure) {
    amqp_bytes_t fragment = frame->payload.body_fragment;
    uint64_t received = connection->body_received + fragment.len;
    if (received > connection->body_size) {
        return fail(event, failure, RMQ_FAILURE_PROTOCOL, "the broker sent more body than it announced");
    }
    // The usual message fits in one frame: no copy here.
    if (connection->body_received == 0 && fragment.len == connection->body_size) {
        return complete(connection, event, rmq_borrow(fragment));
    }
    if (received > connection->body_capacity) {
        size_t capacity = received * 2 > connection->body_size ? connection->body_size : received * 2;
        uint8_t *grown = realloc(connection->body, capacity);
        if (!grown) return fail(event, failure, RMQ_FAILURE_NO_MEMORY, "cannot hold the body of a message");
        connection->body = grown;
        connection->body_capacity = capacity;
    }
    if (fragment.len > 0) memcpy(connection->body + connection->body_received, fragment.bytes, fragment.len);
    connection->body_received = received;
    if (received < connection->body_size) return RMQ_EVENT_NONE;
    rmq_bytes body = {connection->body, connection->body_size};
    return complete(connection, event, body);
}

static rmq_event_kind read_method(rmq_connection *connection, amqp_frame_t *frame, rmq_event *event, rmq_failure *failure) {
    void *decoded = frame->payload.method.decoded;
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD: {
        amqp_basic_ack_t *method = decoded;
        event->kind = RMQ_EVENT_ACK;
        event->delivery_tag = method->delivery_tag;
        event->multiple = method->multiple;
        return event->kind;
    }
    case AMQP_BASIC_NACK_METHOD: {
        amqp_basic_nack_t *method = decoded;
        event->kind = RMQ_EVENT_NACK;
        event->delivery_tag = method->delivery_tag;
        event->multiple = method->multiple;
        return event->kind;
    }
    case AMQP_BASIC_RETURN_METHOD: {
        amqp_basic_return_t *method = decoded;
        rmq_event returned = {.kind = RMQ_EVENT_RETURN, .code = method->reply_code};
        returned.text = rmq_borrow(method->reply_text);
        returned.exchange = rmq_borrow(method->exchange);
        returned.routing_key = rmq_borrow(method->routing_key);
        rmq_expect_content(connection, returned);
        return RMQ_EVENT_NONE;
    }
    case AMQP_BASIC_DELIVER_METHOD: {
        amqp_basic_deliver_t *method = decoded;
        rmq_event delivery = {.kind = RMQ_EVENT_DELIVERY, .delivery_tag = method->delivery_tag};
        delivery.redelivered = method->redelivered;
        delivery.exchange = rmq_borrow(method->exchange);
        delivery.routing_key = rmq_borrow(method->routing_key);
        rmq_expect_content(connection, delivery);
        return RMQ_EVENT_NONE;
    }
    case AMQP_BASIC_CANCEL_METHOD:
        event->kind = RMQ_EVENT_CANCEL;
        event->text = rmq_borrow(((amqp_basic_cancel_t *)decoded)->consumer_tag);
        return event->kind;
    case AMQP_CONNECTION_BLOCKED_METHOD:
        event->kind = RMQ_EVENT_BLOCKED;
        event->text = rmq_borrow(((amqp_connection_blocked_t *)decoded)->reason);
        return event->kind;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        event->kind = RMQ_EVENT_UNBLOCKED;
        return event->kind;
    case AMQP_CHANNEL_CLOSE_METHOD:
        rmq_read_channel_close(decoded, failure);
        event->kind = RMQ_EVENT_FAILED;
        return event->kind;
    case AMQP_CONNECTION_CLOSE_METHOD:
        rmq_read_connection_close(decoded, failure);
        event->kind = RMQ_EVENT_FAILED;
        return event->kind;
    default:
        return RMQ_EVENT_NONE;
    }
}

static rmq_event_kind read_frame(rmq_connection *connection, amqp_frame_t *frame, rmq_event *event, rmq_failure *failure) {
    if (frame->frame_type == AMQP_FRAME_METHOD) return read_method(connection, frame, event, failure);
    if (frame->channel != RMQ_CHANNEL) return RMQ_EVENT_NONE;
    if (frame->frame_type == AMQP_FRAME_HEADER && connection->content == RMQ_CONTENT_HEADER_EXPECTED) {
        return read_header(connection, frame, event, failure);
    }
    if (frame->frame_type == AMQP_FRAME_BODY && connection->content == RMQ_CONTENT_BODY_EXPECTED) {
        return read_body(connection, frame, event, failure);
    }
    return fail(event, failure, RMQ_FAILURE_PROTOCOL, "the broker sent content that belongs to no message");
}

rmq_event_kind rmq_next_event(rmq_connection *connection, int64_t microseconds, rmq_event *event, rmq_failure *failure) {
    int64_t deadline = microseconds > 0 ? now_microseconds() + microseconds : 0;
    // The previous event's memory: its time is over, unless a message is half read.
    if (connection->content == RMQ_CONTENT_NONE) amqp_maybe_release_buffers(connection->state);
    while (true) {
        int64_t left = deadline > 0 ? deadline - now_microseconds() : 0;
        if (left < 0) left = 0;
        struct timeval wait = {left / 1000000, left % 1000000};
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(connection->state, &frame, &wait);
        memset(event, 0, sizeof *event);
        if (status == AMQP_STATUS_TIMEOUT) return RMQ_EVENT_NONE;
        if (!rmq_check_status(status, failure)) {
            event->kind = RMQ_EVENT_FAILED;
            return RMQ_EVENT_FAILED;
        }
        rmq_event_kind kind = read_frame(connection, &frame, event, failure);
        if (kind != RMQ_EVENT_NONE) return kind;
    }
}
