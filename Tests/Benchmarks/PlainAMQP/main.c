// What a plain C program does with librabbitmq and nothing of Bus311: the baseline of `make bench`, and its consumer.
//
//   plain-amqp publish URI EXCHANGE ROUTING_KEY COUNT BYTES WINDOW   publishes persistent, mandatory messages with confirms,
//                                                                     with as many properties and headers as the relay's have
//   plain-amqp consume URI QUEUE COUNT PREFETCH                      takes COUNT messages, or ends after 10 s without one
//
// Both print one JSON object. `consume` tells how old the messages were in its hands, by the time in their message-id.

#define _GNU_SOURCE
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(amqp_rpc_reply_t reply, const char *what) {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fprintf(stderr, "plain-amqp: %s failed: %s\n", what, amqp_error_string2(reply.library_error));
        exit(1);
    }
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static amqp_connection_state_t login(char *uri) {
    struct amqp_connection_info info;
    if (amqp_parse_url(uri, &info) != AMQP_STATUS_OK) {
        fprintf(stderr, "plain-amqp: the URI cannot be read\n");
        exit(1);
    }
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (socket == NULL || amqp_socket_open(socket, info.host, info.port) != AMQP_STATUS_OK) {
        fprintf(stderr, "plain-amqp: no connection to %s:%d\n", info.host, info.port);
        exit(1);
    }
    check(amqp_login(connection, info.vhost, 0, 131072, 30, AMQP_SASL_METHOD_PLAIN, info.user, info.password), "login");
    amqp_channel_open(connection, 1);
    check(amqp_get_rpc_reply(connection), "channel");
    return connection;
}

static amqp_table_entry_t header(const char *name, const char *text) {
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes(name)};
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(text);
    return entry;
}

static void publish(char **arguments) {
    amqp_connection_state_t connection = login(arguments[0]);
    amqp_bytes_t exchange = amqp_cstring_bytes(arguments[1]), key = amqp_cstring_bytes(arguments[2]);
    uint64_t count = strtoull(arguments[3], NULL, 10), window = strtoull(arguments[5], NULL, 10);
    size_t size = strtoull(arguments[4], NULL, 10);
    amqp_confirm_select(connection, 1);
    check(amqp_get_rpc_reply(connection), "confirm.select");

    amqp_bytes_t body = amqp_bytes_malloc(size);
    memset(body.bytes, 'x', size);
    amqp_table_entry_t headers[] = {
        header("ce-id", "00000000-0000-7000-8000-000000000000"), header("ce-specversion", "1.0"),
        header("ce-type", "org.bus311.service_request.created.v1"),
        header("ce-source", "/open311/valmont-7f3a9c"), header("ce-subject", "2611000004217"),
        header("ce-time", "2026-11-23T08:15:30Z"), header("ce-sequence", "1"), header("x-o311-schema", "1.0"),
        header("x-o311-attempt", "1"),
    };
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_HEADERS_FLAG |
                  AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_REPLY_TO_FLAG |
                  AMQP_BASIC_TIMESTAMP_FLAG,
        .delivery_mode = 2,
        .content_type = amqp_cstring_bytes("application/cloudevents+json; charset=utf-8"),
        .correlation_id = amqp_cstring_bytes("2611000004217"),
        .type = amqp_cstring_bytes("service_request.created.v1"),
        .app_id = amqp_cstring_bytes("plain-amqp/1.0"),
        .reply_to = amqp_cstring_bytes("o311.valmont-7f3a9c.status"),
        .timestamp = (uint64_t)time(NULL),
        .headers = {.num_entries = sizeof headers / sizeof *headers, .entries = headers},
    };
    bool *settled = calloc(count + 2, sizeof *settled);
    if (settled == NULL) exit(1);
    double start = seconds(CLOCK_MONOTONIC);
    uint64_t sent = 0, confirmed = 0, lowest = 1;
    while (confirmed < count) {
        while (sent < count && sent - confirmed < window) {
            char id[37];
            snprintf(id, sizeof id, "00000000-0000-7000-8000-%012llx", (unsigned long long)sent);
            properties.message_id = amqp_cstring_bytes(id);
            if (amqp_basic_publish(connection, 1, exchange, key, 1, 0, &properties, body) != AMQP_STATUS_OK) exit(1);
            sent++;
        }
        amqp_frame_t frame;
        if (amqp_simple_wait_frame(connection, &frame) != AMQP_STATUS_OK) exit(1);
        if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
            fprintf(stderr, "plain-amqp: something else than a confirm came\n");
            exit(1);
        }
        // Confirms of single messages may come in any order.
        amqp_basic_ack_t *ack = frame.payload.method.decoded;
        for (uint64_t tag = ack->multiple ? lowest : ack->delivery_tag; tag <= ack->delivery_tag; tag++) {
            confirmed += !settled[tag];
            settled[tag] = true;
        }
        while (lowest <= count && settled[lowest]) lowest++;
        amqp_maybe_release_buffers(connection);
    }
    double elapsed = seconds(CLOCK_MONOTONIC) - start;
    printf("{\"messages\": %llu, \"seconds\": %.4f}\n", (unsigned long long)count, elapsed);
}

// Seconds since 1970 at which a UUID version 7 was made: its first twelve digits are milliseconds. 0 for another message-id.
static double made_at(const amqp_basic_properties_t *properties) {
    if (!(properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) || properties->message_id.len != 36) return 0;
    char digits[13] = {0};
    memcpy(digits, properties->message_id.bytes, 8);
    memcpy(digits + 8, (char *)properties->message_id.bytes + 9, 4);
    return (double)strtoull(digits, NULL, 16) / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void consume(char **arguments) {
    amqp_connection_state_t connection = login(arguments[0]);
    uint64_t count = strtoull(arguments[2], NULL, 10), taken = 0;
    uint16_t prefetch = (uint16_t)strtoul(arguments[3], NULL, 10), unacknowledged = 0;
    amqp_basic_qos(connection, 1, 0, prefetch, 0);
    check(amqp_get_rpc_reply(connection), "qos");
    amqp_basic_consume(connection, 1, amqp_cstring_bytes(arguments[1]), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    check(amqp_get_rpc_reply(connection), "consume");
    fprintf(stderr, "consuming\n");

    double *ages = calloc(count, sizeof *ages);
    if (ages == NULL) exit(1);
    double first = 0, last = 0;
    while (taken < count) {
        struct timeval limit = {.tv_sec = 10};
        amqp_envelope_t envelope;
        amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, &limit, 0);
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT) break;
        check(reply, "consume");
        last = seconds(CLOCK_MONOTONIC);
        if (taken == 0) first = last;
        double sent = made_at(&envelope.message.properties);
        ages[taken++] = sent > 0 ? seconds(CLOCK_REALTIME) - sent : 0;
        if (++unacknowledged >= prefetch / 4 || taken == count) {
            amqp_basic_ack(connection, 1, envelope.delivery_tag, 1);
            unacknowledged = 0;
        } else if (amqp_data_in_buffer(connection) == 0 && amqp_frames_enqueued(connection) == 0) {
            amqp_basic_ack(connection, 1, envelope.delivery_tag, 1);
            unacknowledged = 0;
        }
        amqp_destroy_envelope(&envelope);
        amqp_maybe_release_buffers(connection);
    }
    qsort(ages, taken, sizeof *ages, ascending);
    printf("{\"messages\": %llu, \"seconds\": %.4f, \"age_p50_ms\": %.2f, \"age_p99_ms\": %.2f}\n", (unsigned long long)taken,
           last - first, taken ? ages[taken / 2] * 1e3 : 0, taken ? ages[taken * 99 / 100] * 1e3 : 0);
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
}

int main(int count, char **arguments) {
    if (count == 8 && strcmp(arguments[1], "publish") == 0) publish(arguments + 2);
    else if (count == 6 && strcmp(arguments[1], "consume") == 0) consume(arguments + 2);
    else {
        fprintf(stderr, "usage: plain-amqp publish URI EXCHANGE ROUTING_KEY COUNT BYTES WINDOW | consume URI QUEUE COUNT PREFETCH\n");
        return 64;
    }
    return 0;
}
