#ifndef BUS311_CCURL_H
#define BUS311_CCURL_H
#include <curl/curl.h>
#endif
