#ifndef BUS311_NETWORK_PROBE_H
#define BUS311_NETWORK_PROBE_H

// One look at what stands behind an address: TCP, TLS with the certificate that is shown, and the answer to a greeting. Unlike a
// connection that is to be used, it goes on when the certificate is not to be trusted, to tell whose it is.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    // Numeric, IPv4 or IPv6.
    const char *address;
    uint16_t port;
    bool use_tls;
    // The name that is asked for (SNI) and that the certificate must have.
    const char *host_name;
    // Says in the handshake that HTTP/1.1 is spoken (ALPN): on a shared port that decides who answers.
    bool offers_http;
    // PEM file of the authorities to trust.
    const char *ca_file;
    // For each of the three steps.
    int64_t step_milliseconds;
    const uint8_t *greeting;
    size_t greeting_length;
} probe_options;

typedef enum {
    PROBE_STEP_NONE = 0,
    PROBE_STEP_TCP,
    PROBE_STEP_TLS,
    PROBE_STEP_ANSWER,
} probe_step;

typedef enum {
    PROBE_CAUSE_NONE = 0,
    PROBE_CAUSE_TIMEOUT,
    PROBE_CAUSE_REFUSED,
    PROBE_CAUSE_UNREACHABLE,
    // Closed or reset where more was expected.
    PROBE_CAUSE_CLOSED,
    // The peer speaks no TLS, or none that we take; tls_words says how.
    PROBE_CAUSE_TLS,
    // Nothing to do with the network.
    PROBE_CAUSE_OWN,
} probe_cause;

typedef struct {
    // The last step that succeeded, and why the next did not.
    probe_step reached;
    probe_cause cause;
    int64_t tcp_microseconds;
    int64_t tls_microseconds;
    int64_t answer_microseconds;
    // OpenSSL's verdict on the chain (X509_V_ERR_…), 0 for none; the host name is judged apart.
    int certificate_error;
    bool host_matches;
    // Seconds since 1970.
    int64_t not_before;
    int64_t not_after;
    char tls_version[16];
    char tls_words[128];
    char subject[256];
    char issuer[256];
    // DNS names and addresses of the certificate, with commas.
    char names[512];
    uint8_t answer[256];
    size_t answer_length;
} probe_result;

void probe_run(const probe_options *options, probe_result *result);

// The texts and bytes, for a caller that cannot address an array inside a structure.
const char *probe_tls_version(const probe_result *result);
const char *probe_tls_words(const probe_result *result);
const char *probe_subject(const probe_result *result);
const char *probe_issuer(const probe_result *result);
const char *probe_names(const probe_result *result);
const uint8_t *probe_answer(const probe_result *result);

#endif
