#ifndef BUS311_CRABBITMQ_H
#define BUS311_CRABBITMQ_H
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif
