#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "include/NetworkProbe.h"

static int64_t now_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Waits until the socket is ready or the deadline has passed.
static bool wait_for(int descriptor, short events, int64_t deadline) {
    while (true) {
        int64_t left = (deadline - now_microseconds() + 999) / 1000;
        if (left <= 0) return false;
        struct pollfd polled = {descriptor, events, 0};
        int count = poll(&polled, 1, left > 3600000 ? 3600000 : (int)left);
        if (count > 0) return true;
        if (count < 0 && errno != EINTR) return false;
    }
}

static probe_cause cause_of(int number) {
    switch (number) {
    case ECONNREFUSED: return PROBE_CAUSE_REFUSED;
    case ETIMEDOUT: return PROBE_CAUSE_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EACCES:
    case EPERM: return PROBE_CAUSE_UNREACHABLE;
    case ECONNRESET:
    case EPIPE: return PROBE_CAUSE_CLOSED;
    default: return PROBE_CAUSE_OWN;
    }
}

static int connect_tcp(const probe_options *options, probe_result *result) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", options->port);
    result->cause = PROBE_CAUSE_OWN;
    if (getaddrinfo(options->address, port, &hints, &found) != 0) return -1;
    int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int64_t start = now_microseconds();
    int status = descriptor < 0 ? -1 : connect(descriptor, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (descriptor < 0) return -1;
    int error = status == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t length = sizeof error;
        if (!wait_for(descriptor, POLLOUT, start + options->step_milliseconds * 1000)) error = ETIMEDOUT;
        else if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    }
    if (error != 0) {
        result->cause = cause_of(error);
        close(descriptor);
        return -1;
    }
    result->tcp_microseconds = now_microseconds() - start;
    result->reached = PROBE_STEP_TCP;
    result->cause = PROBE_CAUSE_NONE;
    return descriptor;
}

static void name_text(X509_NAME *name, char *text, size_t capacity) {
    BIO *memory = BIO_new(BIO_s_mem());
    if (!memory) return;
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char *bytes = NULL;
    long length = BIO_get_mem_data(memory, &bytes);
    snprintf(text, capacity, "%.*s", (int)(length > 0 ? length : 0), bytes ? bytes : "");
    BIO_free(memory);
}

static void alternative_names(X509 *certificate, char *text, size_t capacity) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;
    for (int index = 0; index < sk_GENERAL_NAME_num(names) && used < capacity - 1; index++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        char one[INET6_ADDRSTRLEN + 260] = "";
        if (name->type == GEN_DNS) {
            snprintf(
                one, sizeof one, "%.*s", ASN1_STRING_length(name->d.dNSName), (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int length = ASN1_STRING_length(name->d.iPAddress);
            if (length == 4 || length == 16) {
                inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), one, sizeof one);
            }
        }
        if (!one[0]) continue;
        int count = snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", one);
        if (count < 0) break;
        used += (size_t)count;
    }
    GENERAL_NAMES_free(names);
}

static int64_t seconds(const ASN1_TIME *time) {
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void look_at_certificate(SSL *ssl, const probe_options *options, probe_result *result) {
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (!certificate) return;
    name_text(X509_get_subject_name(certificate), result->subject, sizeof result->subject);
    name_text(X509_get_issuer_name(certificate), result->issuer, sizeof result->issuer);
    alternative_names(certificate, result->names, sizeof result->names);
    result->not_before = seconds(X509_get0_notBefore(certificate));
    result->not_after = seconds(X509_get0_notAfter(certificate));
    result->certificate_error = (int)SSL_get_verify_result(ssl);
    result->host_matches = X509_check_host(certificate, options->host_name, 0, 0, NULL) == 1 ||
                           X509_check_ip_asc(certificate, options->host_name, 0) == 1;
    X509_free(certificate);
}

// Waits for what OpenSSL wants; false ends the step, with the cause set.
static bool go_on(SSL *ssl, int status, int64_t deadline, probe_result *result) {
    int descriptor = SSL_get_fd(ssl), number = errno;
    int error = SSL_get_error(ssl, status);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        if (wait_for(descriptor, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) return true;
        result->cause = PROBE_CAUSE_TIMEOUT;
        return false;
    }
    unsigned long code = ERR_peek_error();
    const char *words = code ? ERR_reason_error_string(code) : NULL;
    // "Unexpected EOF" is OpenSSL 3's way to say that the peer hung up.
    bool hung_up = error == SSL_ERROR_ZERO_RETURN || (code && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) ||
                   (error == SSL_ERROR_SYSCALL && !code);
    if (hung_up) result->cause = number == 0 || number == EAGAIN ? PROBE_CAUSE_CLOSED : cause_of(number);
    else result->cause = PROBE_CAUSE_TLS;
    if (hung_up && result->cause == PROBE_CAUSE_OWN) result->cause = PROBE_CAUSE_CLOSED;
    snprintf(result->tls_words, sizeof result->tls_words, "%s", words ? words : "");
    return false;
}

static bool shake_hands(SSL *ssl, const probe_options *options, probe_result *result) {
    int64_t start = now_microseconds(), deadline = start + options->step_milliseconds * 1000;
    while (true) {
        ERR_clear_error();
        errno = 0;
        int status = SSL_connect(ssl);
        if (status == 1) break;
        if (!go_on(ssl, status, deadline, result)) return false;
    }
    result->tls_microseconds = now_microseconds() - start;
    result->reached = PROBE_STEP_TLS;
    snprintf(result->tls_version, sizeof result->tls_version, "%s", SSL_get_version(ssl));
    look_at_certificate(ssl, options, result);
    return true;
}

static void exchange_tls(SSL *ssl, const probe_options *options, probe_result *result) {
    int64_t start = now_microseconds(), deadline = start + options->step_milliseconds * 1000;
    size_t done = 0;
    while (done == 0) {
        ERR_clear_error();
        errno = 0;
        int status = SSL_write_ex(ssl, options->greeting, options->greeting_length, &done);
        if (status != 1 && !go_on(ssl, status, deadline, result)) return;
    }
    while (true) {
        ERR_clear_error();
        errno = 0;
        int status = SSL_read_ex(ssl, result->answer, sizeof result->answer, &result->answer_length);
        if (status == 1) break;
        if (!go_on(ssl, status, deadline, result)) return;
    }
    result->answer_microseconds = now_microseconds() - start;
    result->reached = PROBE_STEP_ANSWER;
}

static void exchange_plain(int descriptor, const probe_options *options, probe_result *result) {
    int64_t start = now_microseconds(), deadline = start + options->step_milliseconds * 1000;
    // A greeting always fits into an empty send buffer.
    if (send(descriptor, options->greeting, options->greeting_length, MSG_NOSIGNAL) != (ssize_t)options->greeting_length) {
        result->cause = cause_of(errno);
        return;
    }
    if (!wait_for(descriptor, POLLIN, deadline)) {
        result->cause = PROBE_CAUSE_TIMEOUT;
        return;
    }
    ssize_t count = recv(descriptor, result->answer, sizeof result->answer, 0);
    if (count <= 0) {
        result->cause = count == 0 ? PROBE_CAUSE_CLOSED : cause_of(errno);
        return;
    }
    result->answer_length = (size_t)count;
    result->answer_microseconds = now_microseconds() - start;
    result->reached = PROBE_STEP_ANSWER;
}

static void probe_tls(int descriptor, const probe_options *options, probe_result *result) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;
    result->cause = PROBE_CAUSE_OWN;
    snprintf(result->tls_words, sizeof result->tls_words, "the file of certification authorities cannot be read");
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_load_verify_locations(context, options->ca_file, NULL) == 1 && (ssl = SSL_new(context))) {
        result->cause = PROBE_CAUSE_NONE;
        result->tls_words[0] = 0;
        // The verdict is noted, and the handshake goes on: only so is it seen whose certificate this is.
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        unsigned char numeric[sizeof(struct in6_addr)];
        bool is_address =
            inet_pton(AF_INET, options->host_name, numeric) == 1 || inet_pton(AF_INET6, options->host_name, numeric) == 1;
        if (!is_address) SSL_set_tlsext_host_name(ssl, options->host_name);
        if (options->offers_http) SSL_set_alpn_protos(ssl, (const unsigned char *)"\x08http/1.1", 9);
        SSL_set_fd(ssl, descriptor);
        if (shake_hands(ssl, options, result)) exchange_tls(ssl, options, result);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

void probe_run(const probe_options *options, probe_result *result) {
    memset(result, 0, sizeof *result);
    int descriptor = connect_tcp(options, result);
    if (descriptor < 0) return;
    if (options->use_tls) probe_tls(descriptor, options, result);
    else exchange_plain(descriptor, options, result);
    close(descriptor);
}

const char *probe_tls_version(const probe_result *result) { return result->tls_version; }
const char *probe_tls_words(const probe_result *result) { return result->tls_words; }
const char *probe_subject(const probe_result *result) { return result->subject; }
const char *probe_issuer(const probe_result *result) { return result->issuer; }
const char *probe_names(const probe_result *result) { return result->names; }
const uint8_t *probe_answer(const probe_result *result) { return result->answer; }
