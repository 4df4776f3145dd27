/* onnx_nodes.c - the ONNX project's own operator tests, for every operator Tenon has.
 *
 *     onnx_nodes ONNX-NODE-TESTS.tar.zst EXCEPTIONS.txt
 *
 * A test is a model with inputs and the outputs that are wanted. The inputs are put in
 * as parameters, so that folding computes the whole model with the plain operators.
 * Prints how many tests passed and, for each that did not, its name and why. Those must
 * be the lines of EXCEPTIONS.txt: one more is something lost, one less is to be taken
 * off. Tests that hold an operator not in the registry, or what the reader says it does
 * not support (subgraphs, sequences, texts, numbers of less than a byte), are counted
 * only.
 */
#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/unpack.h"
#include "format/checkpoint.h"
#include "format/onnx.h"
#include "ops/op.h"

#define SKIPPED 77
#define TENSORS_MAX 16
#define NAME_SIZE 128
#define TOLERANCE 1e-3 /* relative, as ONNX asks; and 1e-5 absolute */

typedef struct sample {
    char name[NAME_SIZE];
    tn__buffer *model, *input[TENSORS_MAX], *output[TENSORS_MAX];
} sample;

typedef struct tally {
    size_t passed, failed, unknown, surprises;
    char *exceptions;    /* the file, lines ended by zeros */
    size_t size;         /* of it */
    size_t listed, seen; /* lines */
} tally;

static void release_sample(sample *s)
{
    tn__buffer_release(s->model);
    for (size_t k = 0; k < TENSORS_MAX; k++) {
        tn__buffer_release(s->input[k]);
        tn__buffer_release(s->output[k]);
    }
    *s = (sample){0};
}

/* --- one test -----------------------------------------------------------------------
 */

static tn_status read_tensor(tn__tensor *out, tn__buffer *bytes, tn_error *err)
{
    tn__onnx_source source = {.bytes = bytes, .path = "tensor.pb"};
    tn__reader r;
    char *name = NULL;
    tn__reader_init(&r, "tensor.pb", tn__buffer_bytes(bytes), tn__buffer_size(bytes));
    tn_status status = tn__onnx_tensor(out, &name, &source, r, err);
    tn__free(name);
    tn__onnx_source_release(&source);
    return status;
}

/* Makes each input of the graph a parameter. */
static tn_status bind_inputs(tn_model *model, const sample *s, tn_error *err)
{
    if (model->input_count > TENSORS_MAX)
        return tn__fail(err, TN_ERROR_UNSUPPORTED, "%zu inputs", model->input_count);
    for (size_t i = 0; i < model->input_count; i++) {
        if (!s->input[i])
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "input %zu has no tensor", i);
        tn__tensor *value = &model->values[model->inputs[i]].parameter;
        tn_status status = read_tensor(value, s->input[i], err);
        if (status)
            return status;
    }
    model->input_count = 0;
    return TN_OK;
}

static bool is_close(double found, double wanted)
{
    if (isnan(wanted) || isinf(wanted))
        return isnan(wanted) ? isnan(found) != 0 : found == wanted;
    return fabs(found - wanted) <= 1e-5 + TOLERANCE * fabs(wanted);
}

static tn_status compare(const tn__tensor *found, const tn__tensor *wanted, size_t k,
                         tn_error *err)
{
    char have[TN__SHAPE_TEXT], want[TN__SHAPE_TEXT];
    if (!tn__shape_equal(&found->shape, &wanted->shape) ||
        found->dtype != wanted->dtype)
        return tn__fail(err, TN_ERROR_MISMATCH, "output %zu is %s %s, wanted %s %s", k,
                        tn__dtype_name(found->dtype),
                        tn__shape_text(have, sizeof have, &found->shape),
                        tn__dtype_name(wanted->dtype),
                        tn__shape_text(want, sizeof want, &wanted->shape));
    for (size_t i = 0; i < tn__tensor_count(wanted); i++) {
        double a = tn__tensor_get_f64(found, i), b = tn__tensor_get_f64(wanted, i);
        if (!is_close(a, b))
            return tn__fail(err, TN_ERROR_NUMERIC,
                            "element %zu of output %zu is %g, wanted %g", i, k, a, b);
    }
    return TN_OK;
}

static tn_status check_outputs(const tn_model *model, const tn__shapes *shapes,
                               const sample *s, tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < TN__MIN(model->output_count, TENSORS_MAX) && !status; k++) {
        size_t v = model->outputs[k];
        tn__tensor wanted = {0};
        if (!s->output[k] || !shapes->known[v])
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "output %zu is not made", k);
        if (shapes->constant[v].dtype == TN_UNDEFINED)
            return tn__fail(err, TN_ERROR_UNSUPPORTED, "not computed in %s",
                            tn__dtype_name(shapes->dtype[v]));
        if ((status = read_tensor(&wanted, s->output[k], err)) == TN_OK)
            status = compare(&shapes->constant[v], &wanted, k, err);
        tn__tensor_release(&wanted);
    }
    return status;
}

/* False where the model holds an operator that is not in the registry. */
static bool is_known(const tn_model *model)
{
    for (size_t n = 0; n < model->node_count; n++)
        if (!tn__op_find(model->nodes[n].domain, model->nodes[n].type))
            return false;
    return true;
}

static tn_status run(bool *known, const sample *s, tn_error *err)
{
    tn_model *model = NULL;
    tn__shapes shapes = {0};
    tn_status status = tn__onnx_read(&model, s->model, "model.onnx", err);
    *known = status ? status != TN_ERROR_UNSUPPORTED : is_known(model);
    if (status)
        return status;
    if (*known && (status = bind_inputs(model, s, err)) == TN_OK &&
        (status = tn__shapes_infer(&shapes, model, 1, err)) == TN_OK) {
        status = check_outputs(model, &shapes, s, err);
        tn__shapes_release(&shapes);
    }
    tn_model_free(model);
    return status;
}

/* --- the list of exceptions ---------------------------------------------------------
 */

static bool load_exceptions(tally *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) || (t->size = (size_t)ftell(f)) > 1 << 20)
        return false;
    rewind(f);
    t->exceptions = calloc(t->size + 1, 1);
    bool done = t->exceptions && fread(t->exceptions, 1, t->size, f) == t->size;
    fclose(f);
    for (size_t i = 0; done && i < t->size; i++)
        if (t->exceptions[i] == '\n') {
            t->exceptions[i] = 0;
            t->listed++;
        }
    return done;
}

static bool is_listed(const tally *t, const char *line)
{
    for (size_t at = 0; at < t->size; at += strlen(t->exceptions + at) + 1)
        if (strcmp(t->exceptions + at, line) == 0)
            return true;
    return false;
}

static void finish(tally *t, sample *s)
{
    tn_error err = {0};
    bool known;
    char line[NAME_SIZE + sizeof err.message + 4];
    if (!s->model)
        return;
    tn_status status = run(&known, s, &err);
    if (!known) {
        t->unknown++;
    } else if (!status) {
        t->passed++;
    } else {
        t->failed++;
        (void)snprintf(line, sizeof line, "%s: %s", s->name, err.message);
        bool listed = is_listed(t, line);
        t->seen += listed;
        t->surprises += !listed;
        printf("%s%s\n", listed ? "" : "NEW ", line);
    }
    release_sample(s);
}

/* --- the archive ---------------------------------------------------------------------
 */

static tn__buffer **slot_of(sample *s, const char *file)
{
    unsigned k;
    if (strcmp(file, "model.onnx") == 0)
        return &s->model;
    if (sscanf(file, "test_data_set_0/input_%u.pb", &k) == 1 && k < TENSORS_MAX)
        return &s->input[k];
    if (sscanf(file, "test_data_set_0/output_%u.pb", &k) == 1 && k < TENSORS_MAX)
        return &s->output[k];
    return NULL;
}

/* Reads a member named data/node/TEST/FILE; a new TEST ends the one before. */
static bool take(tally *t, sample *s, struct archive *a, struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry), *base = "data/node/";
    const char *test = path ? strstr(path, base) : NULL;
    const char *file = test ? strchr(test += strlen(base), '/') : NULL;
    if (!file || (size_t)(file - test) >= NAME_SIZE)
        return true;
    char name[NAME_SIZE] = {0};
    memcpy(name, test, (size_t)(file - test));
    if (strcmp(name, s->name) != 0) {
        finish(t, s);
        release_sample(s);
        memcpy(s->name, name, sizeof name);
    }
    tn__buffer **slot = slot_of(s, file + 1);
    size_t size = (size_t)archive_entry_size(entry);
    if (!slot || *slot)
        return true;
    return tn__buffer_create(slot, size, NULL) == TN_OK &&
           (!size ||
            archive_read_data(a, tn__buffer_writable(*slot), size) == (la_ssize_t)size);
}

int main(int argc, char **argv)
{
    struct archive *a = NULL;
    struct archive_entry *entry;
    tn_error err = {0};
    tally t = {0};
    sample s = {0};
    if (argc != 3 || !load_exceptions(&t, argv[2]))
        return 2;
    FILE *there = fopen(argv[1], "rb");
    if (!there) {
        printf("skipped: no '%s'\n", argv[1]);
        free(t.exceptions);
        return SKIPPED;
    }
    fclose(there);
    if (tn__archive_open(&a, argv[1], false, &err)) {
        puts(err.message);
        return 2;
    }
    bool fine = true;
    while (fine && archive_read_next_header(a, &entry) == ARCHIVE_OK)
        fine = take(&t, &s, a, entry);
    finish(&t, &s);
    release_sample(&s);
    archive_read_free(a);
    free(t.exceptions);
    printf("%zu of %zu tests of known operators pass; %zu hold other operators\n",
           t.passed, t.passed + t.failed, t.unknown);
    if (t.surprises)
        printf("%zu are not in the list of exceptions\n", t.surprises);
    if (t.seen < t.listed)
        printf("%zu of %zu exceptions are none any more\n", t.listed - t.seen,
               t.listed);
    return fine && t.passed && !t.surprises && t.seen == t.listed ? 0 : 1;
}
