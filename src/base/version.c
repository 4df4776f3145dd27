/* version.c - the version of the library that runs. */
#include "tenon/version.h"

const char *tn_version(void)
{
    return TN_VERSION;
}
