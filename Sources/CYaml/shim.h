#ifndef BUS311_CYAML_H
#define BUS311_CYAML_H
#include <yaml.h>
#endif
