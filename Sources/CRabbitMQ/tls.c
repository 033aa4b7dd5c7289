#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "connection.h"

// Before anything is sent: a file of ours is at fault.
static bool refuse(rmq_failure *failure, const char *text) {
    rmq_fail(failure, RMQ_FAILURE_TLS, text);
    failure->certificate_error = RMQ_OWN_FILES;
    return false;
}

static void one_name(X509_NAME *name, char *text, int capacity) {
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, capacity) > 0) return;
    if (X509_NAME_get_text_by_NID(name, NID_organizationName, text, capacity) > 0) return;
    text[0] = 0;
}

// In place of OpenSSL's own call of X509_verify_cert: the library tells a failure, not its reason.
static int verify(X509_STORE_CTX *context, void *argument) {
    rmq_connection *connection = argument;
    int verified = X509_verify_cert(context);
    connection->certificate_error = verified == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509 *certificate = X509_STORE_CTX_get0_cert(context);
    if (certificate) {
        char subject[64], issuer[64];
        one_name(X509_get_subject_name(certificate), subject, sizeof subject);
        one_name(X509_get_issuer_name(certificate), issuer, sizeof issuer);
        snprintf(
            connection->certificate, sizeof connection->certificate, "its certificate is for \"%s\", signed by \"%s\"", subject, issuer);
    }
    return verified;
}

bool rmq_prepare_tls(rmq_connection *connection, amqp_socket_t *socket, const rmq_options *options, rmq_failure *failure) {
    amqp_ssl_socket_set_verify_peer(socket, options->verify_peer);
    amqp_ssl_socket_set_verify_hostname(socket, options->verify_host_name);
    if (amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) != AMQP_STATUS_OK) {
        return rmq_fail(failure, RMQ_FAILURE_TLS, "TLS 1.2 is not available");
    }
    ERR_clear_error();
    SSL_CTX *context = amqp_ssl_socket_get_context(socket);
    if (context) SSL_CTX_set_cert_verify_callback(context, verify, connection);
    if (options->verify_peer && amqp_ssl_socket_set_cacert(socket, options->ca_file) != AMQP_STATUS_OK) {
        return refuse(failure, "the file of certification authorities cannot be read");
    }
    if (options->certificate_file[0] &&
        amqp_ssl_socket_set_key(socket, options->certificate_file, options->key_file) != AMQP_STATUS_OK) {
        return refuse(failure, "our own certificate or its key cannot be read, or they do not belong together");
    }
    return true;
}

void rmq_explain_tls(const rmq_connection *connection, rmq_failure *failure) {
    if (failure->certificate_error == RMQ_OWN_FILES) return;
    char words[96] = "";
    if (connection->certificate_error != X509_V_OK) {
        snprintf(words, sizeof words, "%s", X509_verify_cert_error_string(connection->certificate_error));
    } else {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(words, sizeof words, "%s", reason ? reason : failure->text);
    }
    // No certificate was seen: what is there already says it better, unless OpenSSL has words of its own.
    if (!connection->certificate[0]) {
        if (ERR_peek_last_error()) snprintf(failure->text, sizeof failure->text, "%s", words);
        return;
    }
    bool is_host = strstr(failure->text, "ostname") != NULL;
    failure->certificate_error = is_host ? X509_V_ERR_HOSTNAME_MISMATCH : connection->certificate_error;
    snprintf(failure->text, sizeof failure->text, "%s; %s", is_host ? "the certificate is for another host" : words, connection->certificate);
}
