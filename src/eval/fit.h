/* fit.h - whether a model and a data set go together. */
#ifndef TN_EVAL_FIT_H
#define TN_EVAL_FIT_H

#include "engine/engine.h"
#include "tenon/data.h"

/* What messages call a model: its file, else its graph's name; borrowed. */
const char *tn__model_title(const tn_model *model);

/* The images are the engine's input (or, flattened, as many numbers as an input without
 * channels takes) and there is an output for each class. `model` is the one the engine
 * was made from. TN_ERROR_MISMATCH. */
tn_status tn__check_fit(const tn__engine *engine, const tn_model *model,
                        const tn_dataset *data, tn_error *err) TN_MUST_USE;

#endif
