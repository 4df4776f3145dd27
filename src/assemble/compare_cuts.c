/* compare_cuts.c - the similarity of all cuts of two networks. */
#include <string.h>

#include "assemble/cut_features.h"

#define SAMPLED 256 /* images whose rows serve regression */

static char *cut_name(const tn__member *m, size_t cut)
{
    return tn__strdup(m->model->values[m->cuts[cut].value].name);
}

static tn_status make_matrix(tn_cut_matrix *out, const tn_zoo *zoo,
                             const tn__zoo_features *features, const double *similarity,
                             tn_error *err)
{
    const tn__member *a = &zoo->members[0], *b = &zoo->members[1];
    tn_cut_matrix made = {.rows = a->units + 1, .columns = b->units + 1};
    made.values = tn__alloc(made.rows, made.columns * sizeof *made.values);
    made.row_names = tn__alloc(made.rows, sizeof *made.row_names);
    made.column_names = tn__alloc(made.columns, sizeof *made.column_names);
    bool whole = made.values && made.row_names && made.column_names;
    for (size_t i = 0; whole && i < made.rows; i++) {
        whole = (made.row_names[i] = cut_name(a, i)) != NULL;
        for (size_t j = 0; j < made.columns; j++)
            made.values[i * made.columns + j] =
                similarity[i * features->cuts + features->offset[1] + j];
    }
    for (size_t j = 0; whole && j < made.columns; j++)
        whole = (made.column_names[j] = cut_name(b, j)) != NULL;
    if (!whole) {
        tn_cut_matrix_release(&made);
        return tn__fail_memory(err, made.rows * made.columns * sizeof *made.values);
    }
    *out = made;
    return TN_OK;
}

tn_status tn_compare_cuts(tn_cut_matrix *out, const tn_model *a, const tn_model *b,
                          const tn_dataset *data, tn_cut_similarity similarity,
                          bool pooled, size_t threads, tn_error *err)
{
    tn_zoo *zoo = NULL;
    tn__zoo_features features = {0};
    tn__workers *workers = NULL;
    double *values = NULL;
    float *images = NULL;
    int64_t dims[3];
    tn_dataset_shape(dims, data);
    size_t n = tn_dataset_count(data), input = (size_t)(dims[0] * dims[1] * dims[2]);
    tn_status status = tn_zoo_create(&zoo, err);
    if (status == TN_OK)
        status = tn_zoo_add(zoo, a, NULL, err);
    if (status == TN_OK)
        status = tn_zoo_add(zoo, b, NULL, err);
    if (status == TN_OK)
        status = tn__zoo_prepare(zoo, data, err);
    if (status == TN_OK)
        status = tn__workers_create(&workers, threads, err);
    if (status == TN_OK) {
        images = tn__alloc(n, input * sizeof *images);
        status = images ? tn_dataset_read(images, NULL, data, NULL, 0, n, err)
                        : tn__fail_memory(err, n * input * sizeof *images);
    }
    tn__probe probe = {.images = images,
                       .n = n,
                       .sampled = SAMPLED,
                       .pooled = pooled,
                       .rbf = similarity == TN_CUT_SIMILARITY_RBF,
                       .workers = workers,
                       .describe = tn_dataset_spec(data)};
    if (status == TN_OK)
        status = tn__zoo_features_create(&features, zoo, &probe, err);
    if (status == TN_OK)
        status = similarity == TN_CUT_SIMILARITY_REGRESSION
                     ? tn__zoo_features_regression(&values, &features, workers, err)
                     : tn__zoo_features_cka(&values, &features, err);
    if (status == TN_OK)
        status = make_matrix(out, zoo, &features, values, err);
    tn__zoo_features_release(&features);
    tn__workers_free(workers);
    tn__free(values);
    tn__free(images);
    tn_zoo_free(zoo);
    return status;
}
