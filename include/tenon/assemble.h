/* assemble.h - one network out of blocks of several (DeRy).
 *
 *     tn_zoo *zoo = NULL;
 *     tn_model *made = NULL;
 *     tn_assemble_options options = TN_ASSEMBLE_OPTIONS_INIT;
 *     tn_assemble_report report = {0};
 *     options.max_params = 350000;
 *     if (tn_zoo_create(&zoo, &err) || tn_zoo_add(zoo, a, NULL, &err) ||
 *         tn_zoo_add(zoo, b, NULL, &err) ||
 *         tn_assemble(&made, &report, zoo, data, &options, NULL, &err)) ...
 *
 * Yang et al., "Deep Model Reassembly", NeurIPS 2022. What the paper searches for at
 * random is solved exactly here, and stitches are fitted in closed form.
 */
#ifndef TENON_ASSEMBLE_H
#define TENON_ASSEMBLE_H

#include <stdbool.h>

#include "tenon/data.h"
#include "tenon/model.h"
#include "tenon/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Networks that blocks are taken from. */
typedef struct tn_zoo tn_zoo;

/* What is said of a member besides its file. */
typedef struct tn_zoo_member {
    const char *name;         /* NULL: the file's, else the graph's */
    const char *licence;      /* NULL: not known */
    size_t channels;          /* of mean and std */
    const double *mean, *std; /* [channels], of pixels in 0..1, that this member was
                                 trained with; NULL: those of the data */
} tn_zoo_member;

TN_API TN_MUST_USE tn_status tn_zoo_create(tn_zoo **out, tn_error *err);
TN_API void tn_zoo_free(tn_zoo *zoo); /* takes NULL */
/* Adds a copy of `model` that shares its parameters. member may be NULL.
 * TN_ERROR_UNSUPPORTED where it has no place to cut. */
TN_API TN_MUST_USE tn_status tn_zoo_add(tn_zoo *zoo, const tn_model *model,
                                        const tn_zoo_member *member, tn_error *err);
/* Adds the members that a JSON file names: {"members": [{"file", "arch", "name",
 * "licence", "mean", "std"}]}, all but "file" optional, files beside the JSON file.
 * TN_ERROR_IO, _FORMAT, and what loading and adding return. */
TN_API TN_MUST_USE tn_status tn_zoo_load(tn_zoo *zoo, const char *path, tn_error *err);
TN_API size_t tn_zoo_count(const tn_zoo *zoo);
TN_API const char *tn_zoo_name(const tn_zoo *zoo, size_t member); /* borrowed */
/* Borrowed; with the Mul and Add that undo another normalisation once the zoo was
 * used. */
TN_API const tn_model *tn_zoo_model(const tn_zoo *zoo, size_t member);

#ifdef __cplusplus
}
#endif
#endif
