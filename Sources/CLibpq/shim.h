#ifndef BUS311_CLIBPQ_H
#define BUS311_CLIBPQ_H
#include <libpq-fe.h>
#endif
