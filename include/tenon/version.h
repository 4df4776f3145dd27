/* version.h - the version of these headers, and of the library that runs. */
#ifndef TENON_VERSION_H
#define TENON_VERSION_H

#include "tenon/error.h"

/* The version of these headers. */
#define TN_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version the library was built from, "0.1.0"; never freed. */
TN_API const char *tn_version(void);

#ifdef __cplusplus
}
#endif
#endif
