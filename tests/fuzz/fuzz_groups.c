/* fuzz_groups.c - graph, groups, map, write and read on small graphs that the bytes
 * spell out: the first chooses the input, three make a node. Whatever the graph, every
 * group that is found may be permuted without moving the outputs, and the permuted
 * model is read again as it was written. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/checkpoint.h"
#include "neurons/check.h"
#include "ops/op.h"
#include "tenon/check.h"

#define NODES_MAX 12
#define VALUES_MAX 32

typedef struct builder {
    tn_model *model;
    size_t values[VALUES_MAX]; /* activations so far */
    size_t count, made;
    tn__shapes shapes;
    const uint8_t *at;
    size_t left;
} builder;

static unsigned take(builder *b)
{
    if (!b->left)
        return 0;
    b->left--;
    return *b->at++;
}

/* Small values, none of them 0, that tell neurons apart; `positive`: for variances. */
static size_t parameter(builder *b, int rank, const int64_t *dims, bool positive)
{
    char name[24];
    tn__tensor tensor = {0};
    size_t value = 0;
    (void)snprintf(name, sizeof name, "p%zu", b->made++);
    if (tn__tensor_create(&tensor, TN_F32, rank, dims, NULL))
        return TN__NONE;
    float *x = tn__tensor_f32(&tensor);
    uint32_t h = 2166136261u + (uint32_t)b->made;
    for (size_t i = 0; i < tn__tensor_count(&tensor); i++) {
        h = (h ^ (uint32_t)i) * 16777619u;
        float v = (float)(h >> 8 & 1023) / 1024.0f;
        x[i] = positive ? v + 0.5f : v < 0.5f ? v - 0.6f : v - 0.4f;
    }
    tn_status status = tn__model_add_parameter(&value, b->model, name, &tensor, NULL);
    tn__tensor_release(&tensor);
    return status ? TN__NONE : value;
}

static size_t list(builder *b, size_t count, const int64_t *v)
{
    char name[24];
    tn__tensor tensor = {0};
    size_t value = 0;
    void *data = NULL;
    (void)snprintf(name, sizeof name, "l%zu", b->made++);
    if (tn__tensor_create(&tensor, TN_I64, 1, (int64_t[]){(int64_t)count}, NULL))
        return TN__NONE;
    if (tn__tensor_write(&tensor, &data, NULL) == TN_OK)
        memcpy(data, v, count * sizeof *v);
    tn_status status = tn__model_add_parameter(&value, b->model, name, &tensor, NULL);
    tn__tensor_release(&tensor);
    return status ? TN__NONE : value;
}

/* A node with one or two outputs, which become the newest values. */
static tn__node *node(builder *b, const char *type, size_t count, const size_t *in,
                      size_t outputs)
{
    size_t out[2] = {0}, n = 0;
    char name[24];
    for (size_t k = 0; k < outputs; k++) {
        (void)snprintf(name, sizeof name, "v%zu", b->made++);
        if (b->count == VALUES_MAX ||
            tn__model_add_value(&out[k], b->model, name, NULL))
            return NULL;
    }
    (void)snprintf(name, sizeof name, "n%zu", b->made);
    for (size_t k = 0; k < count; k++)
        if (in[k] == TN__NONE)
            return NULL;
    if (tn__model_add_node(&n, b->model, type, name, count, in, outputs, out, NULL))
        return NULL;
    for (size_t k = 0; k < outputs && b->count < VALUES_MAX; k++)
        b->values[b->count++] = out[k];
    return &b->model->nodes[n];
}

static bool set_int(tn__node *node, const char *name, int64_t i)
{
    return node && tn__node_set_int(node, name, i, NULL) == TN_OK;
}

static bool set_ints(tn__node *node, const char *name, size_t count, const int64_t *v)
{
    return node && tn__node_set_ints(node, name, count, v, NULL) == TN_OK;
}

/* --- the kinds of nodes; false: the graph ends before it ----------------------------
 */

static bool add_conv(builder *b, size_t x, const tn__shape *s, unsigned choice)
{
    bool wide = choice & 1;
    int64_t groups = choice & 2 ? s->dims[1] : choice & 4 ? 2 : 1;
    int64_t out = choice & 2 ? groups * (1 + (choice >> 3 & 1)) : 2 * (1 + choice % 3);
    int64_t k = wide ? 3 : 1;
    if (s->rank != 4 || s->dims[1] % groups)
        return false;
    size_t w = parameter(b, 4, (int64_t[]){out, s->dims[1] / groups, k, k}, false);
    size_t bias = parameter(b, 1, &out, false);
    tn__node *n = node(b, "Conv", 3, (size_t[]){x, w, bias}, 1);
    return set_int(n, "group", groups) &&
           set_ints(n, "pads", 4, (int64_t[]){wide, wide, wide, wide});
}

static bool add_norm(builder *b, size_t x, const tn__shape *s, unsigned choice)
{
    int64_t channels = s->rank > 1 ? s->dims[1] : 1, last = s->dims[s->rank - 1];
    size_t in[5] = {x};
    if (choice & 1) {
        in[1] = parameter(b, 1, &last, true);
        in[2] = parameter(b, 1, &last, false);
        return node(b, "LayerNormalization", 3, in, 1) != NULL;
    }
    for (int k = 1; k < 5; k++)
        in[k] = parameter(b, 1, &channels, k == 4);
    return node(b, "BatchNormalization", 5, in, 1) != NULL;
}

static bool add_product(builder *b, size_t x, const tn__shape *s, unsigned choice)
{
    int64_t k = s->dims[s->rank - 1], n = 1 + choice % 5;
    size_t w =
        parameter(b, 2, choice & 8 ? (int64_t[]){n, k} : (int64_t[]){k, n}, false);
    if (choice & 8)
        return set_int(node(b, "Gemm", 2, (size_t[]){x, w}, 1), "transB", 1);
    return node(b, "MatMul", 2, (size_t[]){x, w}, 1) != NULL;
}

/* One axis cut in two, or two joined. */
static bool add_reshape(builder *b, size_t x, const tn__shape *s, unsigned choice)
{
    int64_t to[5] = {-1};
    int axis = 1 + (int)(choice % 3), rank = 1;
    bool cut = choice & 8 && s->rank < 5;
    if (axis + !cut >= s->rank)
        return false;
    for (int k = 1; k < s->rank; k++) {
        to[rank++] = s->dims[k];
        if (k != axis)
            continue;
        if (cut && s->dims[k] % 2 == 0) {
            to[rank - 1] = choice & 16 ? 2 : s->dims[k] / 2;
            to[rank] = s->dims[k] / to[rank - 1];
            rank++;
        } else if (!cut) {
            to[rank - 1] *= s->dims[++k];
        }
    }
    return node(b, "Reshape", 2, (size_t[]){x, list(b, (size_t)rank, to)}, 1) != NULL;
}

static bool add_move(builder *b, size_t x, const tn__shape *s, unsigned choice)
{
    int64_t perm[5] = {0, 1, 2, 3, 4}, half = s->rank > 1 ? s->dims[1] / 2 : 0;
    if (choice & 1) {
        int i = 1 + (int)(choice >> 1) % 3, j = 1 + (int)(choice >> 3) % 3;
        if (s->rank > 5 || i >= s->rank || j >= s->rank)
            return false;
        perm[i] = j;
        perm[j] = i;
        return set_ints(node(b, "Transpose", 1, &x, 1), "perm", (size_t)s->rank, perm);
    }
    if (half < 1)
        return false;
    if (choice & 2) {
        size_t sizes = list(b, 2, (int64_t[]){half, s->dims[1] - half});
        return set_int(node(b, "Split", 2, (size_t[]){x, sizes}, 2), "axis", 1);
    }
    size_t in[4] = {x, list(b, 1, (int64_t[]){half}),
                    list(b, 1, (int64_t[]){s->dims[1]}), list(b, 1, (int64_t[]){1})};
    return node(b, "Slice", 4, in, 1) != NULL;
}

static bool add_node(builder *b)
{
    static const char *const unary[] = {
        "Relu",    "Sigmoid",           "Erf",    "HardSwish", "Tanh",
        "Flatten", "GlobalAveragePool", "Softmax"};
    static const char *const pairs[] = {"Add", "Mul", "Max", "MatMul"};
    unsigned kind = take(b), from = take(b), choice = take(b);
    size_t x = b->values[b->count - 1 - from % 3 % b->count];
    size_t y = b->values[b->count - 1 - from / 3 % 3 % b->count];
    const tn__shape *s = &b->shapes.shape[x];
    switch (s->rank ? kind % 9 : 7) {
    case 0:
        return add_conv(b, x, s, choice);
    case 1:
        return add_norm(b, x, s, choice);
    case 2:
        return add_product(b, x, s, choice);
    case 3:
        return add_reshape(b, x, s, choice);
    case 4:
        return add_move(b, x, s, choice);
    case 5:
        return set_int(node(b, "Concat", 2, (size_t[]){x, y}, 1), "axis", 1);
    case 6:
        return node(b, pairs[choice % 4], 2, (size_t[]){x, y}, 1) != NULL;
    case 7:
        return node(b, unary[choice % 8], 1, &x, 1) != NULL;
    default:
        return set_ints(node(b, "ReduceMean", 1, &x, 1), "axes", 1,
                        (int64_t[]){1 + choice % 3});
    }
}

/* --- what must hold -----------------------------------------------------------------
 */

static void write_and_read(const tn_model *model)
{
    char path[64];
    tn__buffer *file = NULL;
    tn_model *again = NULL;
    tn_error err = {0};
    (void)snprintf(path, sizeof path, "fuzz_groups.%ld.onnx", (long)getpid());
    if (tn__onnx_write(model, path, true, &err) || tn__buffer_map(&file, path, &err) ||
        tn__onnx_read(&again, file, path, &err) ||
        again->node_count != model->node_count) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
    tn_model_free(again);
    tn__buffer_release(file);
    (void)unlink(path);
}

static void check(const tn_model *model)
{
    tn_check_options options = {3, 2, 1, 1e-3, 1};
    tn_check_report report = {0};
    tn_model *permuted = NULL;
    tn__groups *groups = NULL;
    if (tn__groups_find(&groups, model, NULL))
        return; /* its output is not one that groups are found for */
    tn_status status =
        tn__groups_check(&report, model, groups, &options, true, NULL, NULL);
    tn__groups_free(groups);
    if (status)
        return; /* the engine does not run it */
    if (report.failed) {
        (void)fprintf(stderr, "%zu of %zu groups move the outputs, by %g\n",
                      report.failed, report.groups, report.largest);
        abort();
    }
    if (tn_model_permute(&permuted, model, 5, NULL) == TN_OK)
        write_and_read(permuted);
    tn_model_free(permuted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    builder b = {.at = data, .left = size};
    if (tn__model_create(&b.model, "fuzz", NULL))
        return 0;
    b.model->opsets[0].version = 17;
    unsigned first = take(&b);
    int64_t dims[4] = {-1, 1 + first % 4, 1 + (first >> 2) % 4, 1 + (first >> 4) % 4};
    int rank = first & 64 ? 3 : 4;
    tn_status status = tn__model_add_input(&b.values[b.count++], b.model, "x", TN_F32,
                                           rank, dims, NULL);
    for (size_t n = 0; n < NODES_MAX && b.left && !status; n++) {
        tn__shapes_release(&b.shapes);
        status = tn__shapes_infer(&b.shapes, b.model, 2, NULL);
        if (status || !add_node(&b))
            break;
    }
    tn__shapes_release(&b.shapes);
    if (!tn__shapes_infer(&b.shapes, b.model, 2, NULL) &&
        !tn__model_add_output(b.model, b.values[b.count - 1], NULL) &&
        !tn__model_prune_unused(b.model, NULL))
        check(b.model);
    tn__shapes_release(&b.shapes);
    tn_model_free(b.model);
    return 0;
}
