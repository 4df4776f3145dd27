/* train_options.h - whether the options of training make sense. */
#ifndef TN_TRAIN_TRAIN_OPTIONS_H
#define TN_TRAIN_TRAIN_OPTIONS_H

#include "tenon/train.h"

/* TN_ERROR_ARGUMENT, naming the option and what was expected of it. */
tn_status tn__train_options_check(const tn_train_options *options,
                                  tn_error *err) TN_MUST_USE;

#endif
