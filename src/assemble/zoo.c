/* zoo.c - members, their cuts and what lies between.
 *
 * Cuts that no layer separates are one place: the last of equal shape is kept, so that
 * a cut stands behind an activation and before a pooling. Members that were trained
 * with another mean and standard deviation than the data has get a Mul and an Add at
 * their input; folding these into a first convolution that pads would not be exact.
 */
#include "assemble/zoo.h"

#include <string.h>

#include "data/dataset.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/operand.h"

static void member_release(tn__member *m)
{
    tn__free(m->name);
    tn__free(m->licence);
    tn__free(m->mean);
    tn__free(m->std);
    tn__free(m->cuts);
    tn__free(m->unit);
    tn__free(m->peak);
    tn_model_free(m->model);
}

tn_status tn_zoo_create(tn_zoo **out, tn_error *err)
{
    tn_zoo *zoo = tn__alloc(1, sizeof *zoo);
    if (!zoo)
        return tn__fail_memory(err, sizeof *zoo);
    *out = zoo;
    return TN_OK;
}

void tn_zoo_free(tn_zoo *zoo)
{
    for (size_t i = 0; zoo && i < zoo->count; i++)
        member_release(&zoo->members[i]);
    if (zoo)
        tn__free(zoo->members);
    tn__free(zoo);
}

size_t tn_zoo_count(const tn_zoo *zoo)
{
    return zoo->count;
}

const char *tn_zoo_name(const tn_zoo *zoo, size_t member)
{
    return zoo->members[member].name;
}

const tn_model *tn_zoo_model(const tn_zoo *zoo, size_t member)
{
    return zoo->members[member].model;
}

/* --- cuts --------------------------------------------------------------------------
 */

/* macs[n] of each node. */
static tn_status node_macs(uint64_t *macs, const tn_model *model,
                           const tn__shapes *shapes, tn_error *err)
{
    tn__site site;
    tn__site_memory memory = {0};
    tn_status status = TN_OK;
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        const tn__op *op = tn__op_find(model->nodes[n].domain, model->nodes[n].type);
        macs[n] = 0;
        if (!op || !op->macs)
            continue;
        status = tn__site_fill(&site, &memory, model, shapes, n, err);
        if (status == TN_OK)
            macs[n] = op->macs(&site);
    }
    tn__site_memory_release(&memory);
    return status;
}

/* Multiply-accumulates before each of `values`, which are in order. */
static void macs_before(uint64_t *before, const size_t *values, size_t count,
                        const tn_model *model, const uint64_t *macs,
                        const tn__links *links)
{
    uint64_t sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t maker = links->producer[values[i]];
        for (; maker != TN__NONE && n <= maker && n < model->node_count; n++)
            sum += macs[n];
        before[i] = sum;
    }
}

/* Of each run of cuts without work between them, the last that has the shape of the
 * first; the input and the output are cuts of their own. */
static void choose_cuts(tn__member *m, const size_t *values, size_t count,
                        const uint64_t *before, const tn__shapes *shapes)
{
    size_t kept = 0;
    m->cuts[kept++] =
        (tn__cut){m->model->inputs[0], shapes->shape[m->model->inputs[0]]};
    for (size_t i = 0; i < count;) {
        size_t best = i, next = i;
        for (; next < count && before[next] == before[i]; next++)
            if (tn__shape_equal(&shapes->shape[values[next]],
                                &shapes->shape[values[i]]))
                best = next;
        if (before[i] > 0 && before[i] < before[count - 1])
            m->cuts[kept++] = (tn__cut){values[best], shapes->shape[values[best]]};
        i = next;
    }
    m->cuts[kept] =
        (tn__cut){m->model->outputs[0], shapes->shape[m->model->outputs[0]]};
    m->units = kept;
}

static tn_status find_cuts(tn__member *m, const tn__shapes *shapes, tn_error *err)
{
    size_t *values = NULL, count = 0;
    tn__links links = {0};
    uint64_t *macs = tn__alloc(m->model->node_count, sizeof *macs), *before = NULL;
    tn_status status =
        macs ? TN_OK : tn__fail_memory(err, m->model->node_count * sizeof *macs);
    if (status == TN_OK)
        status = tn__model_cuts(&values, &count, m->model, err);
    if (status == TN_OK)
        status = node_macs(macs, m->model, shapes, err);
    if (status == TN_OK)
        status = tn__links_create(&links, m->model, err);
    if (status == TN_OK) {
        before = tn__alloc(count, sizeof *before);
        m->cuts = tn__alloc(count + 2, sizeof *m->cuts);
        if (!before || !m->cuts)
            status = tn__fail_memory(err, count * sizeof *m->cuts);
    }
    if (status == TN_OK && count > 0) {
        macs_before(before, values, count, m->model, macs, &links);
        choose_cuts(m, values, count, before, shapes);
    }
    if (status == TN_OK && m->units < 2)
        status = tn__fail(err, TN_ERROR_UNSUPPORTED,
                          "'%s' cannot be cut: at no place is a single tensor alive",
                          m->name);
    tn__links_release(&links);
    tn__free(macs);
    tn__free(before);
    tn__free(values);
    return status;
}

/* --- units -------------------------------------------------------------------------
 */

static tn_status assign_units(tn__member *m, tn_error *err)
{
    size_t nodes = m->model->node_count;
    bool *marks = tn__alloc(nodes, sizeof *marks);
    m->unit = tn__alloc(nodes, sizeof *m->unit);
    tn_status status =
        marks && m->unit ? TN_OK : tn__fail_memory(err, nodes * sizeof *m->unit);
    for (size_t n = 0; n < nodes && status == TN_OK; n++)
        m->unit[n] = TN__NONE;
    for (size_t u = 0; u < m->units && status == TN_OK; u++) {
        status = tn__units_mark(marks, m->model, m->cuts[u].value, m->cuts[u + 1].value,
                                err);
        for (size_t n = 0; n < nodes && status == TN_OK; n++)
            if (marks[n] && m->unit[n] == TN__NONE)
                m->unit[n] = u;
    }
    tn__free(marks);
    return status;
}

static uint64_t bytes_of(const tn__shapes *shapes, size_t v)
{
    size_t count = 0;
    bool known = shapes->known[v] && tn__shape_count(&count, &shapes->shape[v]);
    return known ? (uint64_t)count * sizeof(float) : 0;
}

/* Walks over the nodes with what is alive; constants do not count. */
static tn_status find_peaks(tn__member *m, const tn__shapes *shapes, tn_error *err)
{
    const tn_model *model = m->model;
    tn__links links = {0};
    tn_status status = tn__links_create(&links, model, err);
    m->peak = tn__alloc(m->units, sizeof *m->peak);
    if (status == TN_OK && !m->peak)
        status = tn__fail_memory(err, m->units * sizeof *m->peak);
    uint64_t alive = bytes_of(shapes, model->inputs[0]);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; k < node->output_count; k++)
            if (node->outputs[k] != TN__NONE &&
                shapes->constant[node->outputs[k]].dtype == TN_UNDEFINED)
                alive += bytes_of(shapes, node->outputs[k]);
        if (m->unit[n] != TN__NONE)
            m->peak[m->unit[n]] = TN__MAX(m->peak[m->unit[n]], alive);
        for (size_t k = 0; k < node->input_count; k++) {
            size_t v = node->inputs[k];
            if (v == TN__NONE || shapes->constant[v].dtype != TN_UNDEFINED)
                continue;
            size_t end = links.first_use[v + 1];
            bool last = links.uses[end - 1].node == n && links.uses[end - 1].input == k;
            alive -= last ? bytes_of(shapes, v) : 0;
        }
    }
    tn__links_release(&links);
    return status;
}

/* Elements of the float parameters that the marked nodes read, each counted once. */
static tn_status count_params(int64_t *out, const tn_model *model, const bool *marks,
                              tn_error *err)
{
    bool *seen = tn__alloc(model->value_count, sizeof *seen);
    if (!seen)
        return tn__fail_memory(err, model->value_count * sizeof *seen);
    for (size_t n = 0; n < model->node_count; n++) {
        const tn__node *node = &model->nodes[n];
        for (size_t k = 0; marks[n] && k < node->input_count; k++) {
            size_t v = node->inputs[k];
            if (v == TN__NONE || seen[v] ||
                !tn__dtype_is_float(model->values[v].parameter.dtype))
                continue;
            seen[v] = true;
            if (!tn__batch_norm_measures(node, k))
                *out += (int64_t)tn__tensor_count(&model->values[v].parameter);
        }
    }
    tn__free(seen);
    return TN_OK;
}

tn_status tn__member_cost(tn__cost *out, const tn__member *member, size_t first,
                          size_t last, tn_error *err)
{
    const tn_model *model = member->model;
    tn__shapes shapes = {0};
    tn__cost cost = {0};
    bool *marks = tn__alloc(model->node_count, sizeof *marks);
    uint64_t *macs = tn__alloc(model->node_count, sizeof *macs);
    tn_status status =
        marks && macs ? TN_OK : tn__fail_memory(err, model->node_count * sizeof *macs);
    if (status == TN_OK)
        status = tn__shapes_infer(&shapes, model, 1, err);
    if (status == TN_OK)
        status = tn__units_mark(marks, model, member->cuts[first].value,
                                member->cuts[last + 1].value, err);
    if (status == TN_OK)
        status = node_macs(macs, model, &shapes, err);
    if (status == TN_OK)
        status = count_params(&cost.params, model, marks, err);
    for (size_t n = 0; n < model->node_count && status == TN_OK; n++)
        cost.macs += marks[n] ? (int64_t)macs[n] : 0;
    for (size_t u = first; u <= last; u++)
        cost.peak = TN__MAX(cost.peak, (int64_t)member->peak[u]);
    if (status == TN_OK)
        *out = cost;
    tn__shapes_release(&shapes);
    tn__free(marks);
    tn__free(macs);
    return status;
}

/* --- adding ------------------------------------------------------------------------
 */

static const char *title_of(const tn_model *model)
{
    const char *slash = model->source ? strrchr(model->source, '/') : NULL;
    if (slash)
        return slash + 1;
    return model->source ? model->source : model->name;
}

static tn_status examine(tn__member *m, tn_error *err)
{
    tn__shapes shapes = {0};
    tn_status status = tn__shapes_infer(&shapes, m->model, 1, err);
    tn__free(m->cuts);
    tn__free(m->unit);
    tn__free(m->peak);
    m->cuts = NULL;
    m->unit = NULL;
    m->peak = NULL;
    if (status == TN_OK)
        status = find_cuts(m, &shapes, err);
    if (status == TN_OK)
        status = assign_units(m, err);
    if (status == TN_OK)
        status = find_peaks(m, &shapes, err);
    tn__shapes_release(&shapes);
    return status;
}

static tn_status copy_doubles(double **out, const double *x, size_t n, tn_error *err)
{
    *out = tn__alloc(n, sizeof **out);
    if (!*out)
        return tn__fail_memory(err, n * sizeof **out);
    memcpy(*out, x, n * sizeof **out);
    return TN_OK;
}

static tn_status describe(tn__member *m, const tn_model *model, const tn_zoo_member *as,
                          tn_error *err)
{
    const char *licence = as ? as->licence : NULL;
    m->name = tn__strdup(as && as->name ? as->name : title_of(model));
    m->licence = licence ? tn__strdup(licence) : NULL;
    if (!m->name || (licence && !m->licence))
        return tn__fail_memory(err, 1);
    if (model->input_count != 1 || model->output_count != 1)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "'%s' has %zu inputs and %zu outputs, expected one of each",
                        m->name, model->input_count, model->output_count);
    if (!as || !as->mean || !as->std)
        return TN_OK;
    m->channels = as->channels;
    tn_status status = copy_doubles(&m->mean, as->mean, as->channels, err);
    return status ? status : copy_doubles(&m->std, as->std, as->channels, err);
}

tn_status tn_zoo_add(tn_zoo *zoo, const tn_model *model, const tn_zoo_member *member,
                     tn_error *err)
{
    tn__member m = {0};
    tn_status status =
        tn__grow(&zoo->members, &zoo->capacity, zoo->count, sizeof *zoo->members, err);
    if (status == TN_OK)
        status = describe(&m, model, member, err);
    if (status == TN_OK)
        status = tn__model_clone(&m.model, model, err);
    if (status == TN_OK)
        status = examine(&m, err);
    if (status == TN_OK)
        zoo->members[zoo->count++] = m;
    else
        member_release(&m);
    return status;
}

/* --- normalisation -----------------------------------------------------------------
 */

/* Inserts `type` with a constant [1, C, 1, 1] behind the input; *at is its output. */
static tn_status insert(tn_model *model, const char *type, const float *x, size_t *at,
                        int64_t channels, tn_error *err)
{
    tn__tensor tensor = {0};
    size_t inputs[2] = {*at, 0}, value = 0, node = 0;
    char name[64] = "normalise.";
    strcat(name, type);
    tn_status status =
        tn__tensor_create(&tensor, TN_F32, 4, (int64_t[]){1, channels, 1, 1}, err);
    if (status == TN_OK) {
        memcpy(tn__tensor_f32(&tensor), x, (size_t)channels * sizeof *x);
        status = tn__model_add_value(&value, model, name, err);
    }
    strcat(name, ".weight");
    if (status == TN_OK)
        status = tn__model_add_parameter(&inputs[1], model, name, &tensor, err);
    if (status == TN_OK) {
        tn__model_redirect(model, *at, value);
        status =
            tn__model_add_node(&node, model, type, type, 2, inputs, 1, &value, err);
    }
    if (status == TN_OK)
        *at = value;
    tn__tensor_release(&tensor);
    return status;
}

/* Images come as (p - mean) / std of the data; the member wants its own. */
static tn_status normalise(tn__member *m, const tn_dataset *data, tn_error *err)
{
    size_t at = m->model->inputs[0];
    float *factors = tn__alloc(m->channels, 2 * sizeof *factors);
    bool same = true;
    if (!factors)
        return tn__fail_memory(err, m->channels * 2 * sizeof *factors);
    for (size_t c = 0; c < m->channels; c++) {
        factors[c] = (float)(data->std[c] / m->std[c]);
        factors[m->channels + c] = (float)((data->mean[c] - m->mean[c]) / m->std[c]);
        same = same && data->std[c] == m->std[c] && data->mean[c] == m->mean[c];
    }
    tn_status status = TN_OK;
    if (!same) {
        int64_t channels = (int64_t)m->channels;
        status = insert(m->model, "Mul", factors, &at, channels, err);
        if (status == TN_OK)
            status = insert(m->model, "Add", factors + channels, &at, channels, err);
        if (status == TN_OK)
            status = tn__model_check(m->model, err);
        if (status == TN_OK)
            status = examine(m, err);
    }
    tn__free(factors);
    return status;
}

tn_status tn__zoo_prepare(tn_zoo *zoo, const tn_dataset *data, tn_error *err)
{
    if (zoo->count == 0)
        return tn__fail(err, TN_ERROR_ARGUMENT, "the zoo has no members");
    tn_status status = TN_OK;
    for (size_t i = 0; i < zoo->count && status == TN_OK; i++) {
        tn__member *m = &zoo->members[i];
        const tn__shape *in = &m->cuts[0].shape;
        size_t sizes[4] = {1, data->channels, data->height, data->width}, count = 0;
        bool fits = tn__shape_count(&count, in) &&
                    count == data->channels * data->height * data->width;
        for (int a = 1; in->rank == 4 && a < 4; a++)
            fits = fits && in->dims[a] == (int64_t)sizes[a];
        if (!fits)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "'%s' does not take images of %zux%zux%zu", m->name,
                            data->channels, data->height, data->width);
        if (!m->channels)
            continue;
        if (in->rank != 4 || m->channels != data->channels)
            return tn__fail(err, TN_ERROR_MISMATCH,
                            "'%s' has means of %zu channels, the images have %zu",
                            m->name, m->channels, data->channels);
        status = normalise(m, data, err);
        m->channels = 0; /* from now on it takes the data's */
    }
    return status;
}
