/* test.h - cmocka with its headers in the order it needs, and what all tests share. */
#ifndef TN_TESTS_TEST_H
#define TN_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tenon/error.h"

/* The call succeeds; its message is shown where it does not. */
#define assert_ok(call)                                                                \
    do {                                                                               \
        tn_error err_ = {0};                                                           \
        tn_error *err = &err_;                                                         \
        if ((call) != TN_OK)                                                           \
            fail_msg("%s: %s", #call, err_.message);                                   \
    } while (0)

/* The call (which uses `err`) fails with `status` and a message that holds `text`. */
#define assert_fails(call, status, text)                                               \
    do {                                                                               \
        tn_error err_ = {0};                                                           \
        tn_error *err = &err_;                                                         \
        assert_int_equal((call), (status));                                            \
        assert_int_equal(err_.code, (status));                                         \
        if (!strstr(err_.message, (text)))                                             \
            fail_msg("message '%s' lacks '%s'", err_.message, (text));                 \
    } while (0)

/* A fixture that is not there is a visible skip: call first in a test. */
#define require_file(path)                                                             \
    do {                                                                               \
        if (access((path), R_OK) != 0) {                                               \
            print_message("skipped: '%s' is not there\n", (path));                     \
            skip();                                                                    \
        }                                                                              \
    } while (0)

#define assert_near(a, b, tolerance)                                                   \
    do {                                                                               \
        double a_ = (double)(a), b_ = (double)(b);                                     \
        if (!(fabs(a_ - b_) <= (tolerance)))                                           \
            fail_msg("%s = %.17g, expected %.17g to %g", #a, a_, b_,                   \
                     (double)(tolerance));                                             \
    } while (0)

#endif
