#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "connection.h"

static amqp_bytes_t piece(const rmq_publication *publication, rmq_span span) {
    amqp_bytes_t bytes = {span.length, (void *)(publication->bytes + span.offset)};
    return bytes;
}

static bool set_headers(
    rmq_connection *connection, const rmq_publication *publication, amqp_basic_properties_t *properties, rmq_failure *failure) {
    size_t count = publication->header_count;
    if (count == 0) return true;
    if (count > connection->entry_capacity) {
        amqp_table_entry_t *grown = realloc(connection->entries, count * sizeof *grown);
        if (!grown) return rmq_fail(failure, RMQ_FAILURE_NO_MEMORY, "cannot hold the headers of a message");
        connection->entries = grown;
        connection->entry_capacity = count;
    }
    for (size_t index = 0; index < count; index++) {
        const rmq_outgoing_header *header = &publication->headers[index];
        amqp_table_entry_t *entry = &connection->entries[index];
        entry->key = piece(publication, header->name);
        switch (header->kind) {
        case RMQ_HEADER_TEXT:
            entry->value.kind = AMQP_FIELD_KIND_UTF8;
            entry->value.value.bytes = piece(publication, header->text);
            break;
        case RMQ_HEADER_INTEGER:
            entry->value.kind = AMQP_FIELD_KIND_I64;
            entry->value.value.i64 = header->integer;
            break;
        case RMQ_HEADER_BOOLEAN:
            entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
            entry->value.value.boolean = header->integer != 0;
            break;
        }
    }
    properties->headers.num_entries = (int)count;
    properties->headers.entries = connection->entries;
    properties->_flags |= AMQP_BASIC_HEADERS_FLAG;
    return true;
}

static void set_text(
    amqp_basic_properties_t *properties, amqp_bytes_t *field, amqp_flags_t flag, const rmq_publication *publication, rmq_span span) {
    if (span.length == 0) return;
    *field = piece(publication, span);
    properties->_flags |= flag;
}

bool rmq_publish(rmq_connection *connection, const rmq_publication *publication, rmq_failure *failure) {
    amqp_basic_properties_t properties;
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = publication->delivery_mode;
    if (publication->has_timestamp) {
        properties.timestamp = publication->timestamp;
        properties._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
    }
    set_text(&properties, &properties.message_id, AMQP_BASIC_MESSAGE_ID_FLAG, publication, publication->message_id);
    set_text(&properties, &properties.correlation_id, AMQP_BASIC_CORRELATION_ID_FLAG, publication, publication->correlation_id);
    set_text(&properties, &properties.type, AMQP_BASIC_TYPE_FLAG, publication, publication->type);
    set_text(&properties, &properties.content_type, AMQP_BASIC_CONTENT_TYPE_FLAG, publication, publication->content_type);
    set_text(&properties, &properties.app_id, AMQP_BASIC_APP_ID_FLAG, publication, publication->app_id);
    set_text(&properties, &properties.reply_to, AMQP_BASIC_REPLY_TO_FLAG, publication, publication->reply_to);
    if (!set_headers(connection, publication, &properties, failure)) return false;
    amqp_bytes_t body = {publication->body_length, (void *)publication->body};
    int status = amqp_basic_publish(
        connection->state, RMQ_CHANNEL, piece(publication, publication->exchange), piece(publication, publication->routing_key),
        publication->mandatory, 0, &properties, body);
    return rmq_check_status(status, failure);
}

void rmq_cork(rmq_connection *connection, bool corked) {
    int value = corked;
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}
