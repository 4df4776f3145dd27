/* model_file.c - models from files, whatever their format, and back.
 *
 * The bytes say what a file is. Weights without a graph take it from a built-in
 * architecture or from an ONNX file.
 */
#include "base/file.h"
#include "format/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ARCH_NAME_MAX = 64, SUGGESTIONS_MAX = 256 };

/* --- loading ---------------------------------------------------------------------- */

/* The graph of an ONNX file, filled. */
static tn_status fill_graph(tn_model **out, const tn__checkpoint *weights,
                            const tn_load_options *options, const char *path,
                            tn_error *err)
{
    tn__buffer *file = NULL;
    tn_model *model = NULL;
    tn_status status = tn__buffer_map(&file, options->graph, err);
    if (!status && !tn__onnx_is(file))
        status = tn__fail(err, TN_ERROR_FORMAT, "cannot read '%s': no ONNX file",
                          options->graph);
    if (!status)
        status = tn__onnx_read(&model, file, options->graph, err);
    if (!status)
        status = tn__arch_fill(model, weights->tensors, weights->count, path, err);
    tn__buffer_release(file);
    if (status)
        tn_model_free(model);
    else
        *out = model;
    return status;
}

static tn_status ask_for_graph(const tn__checkpoint *weights, const char *path,
                               tn_error *err)
{
    char fitting[SUGGESTIONS_MAX] = "";
    tn__arch_suggest(fitting, sizeof fitting, weights->tensors, weights->count);
    return tn__fail(err, TN_ERROR_ARGUMENT,
                    "cannot load '%s': it has weights but no graph, --arch NAME or "
                    "--graph FILE.onnx is needed (%s%s)",
                    path, fitting[0] ? "these fit: " : "no built-in architecture fits",
                    fitting);
}

static tn_status take_metadata(tn_model *model, const tn__checkpoint *weights,
                               tn_error *err)
{
    tn_status status = TN_OK;
    for (size_t k = 0; k < weights->metadata_count && !status; k++)
        status = tn__model_set_metadata(model, weights->metadata[k].key,
                                        weights->metadata[k].text, err);
    return status;
}

tn_status tn__checkpoint_model(tn_model **out, const tn__checkpoint *weights,
                               const char *path, const tn_load_options *options,
                               tn_error *err)
{
    tn_model *model = NULL;
    tn_status status;
    if (options->arch && options->graph)
        status = tn__fail(
            err, TN_ERROR_ARGUMENT,
            "cannot load '%s': both an architecture and a graph are given", path);
    else if (options->arch)
        status = tn__arch_load(&model, options->arch, options->classes,
                               weights->tensors, weights->count, path, err);
    else if (options->graph)
        status = fill_graph(&model, weights, options, path, err);
    else
        status = ask_for_graph(weights, path, err);
    if (!status)
        status = take_metadata(model, weights, err);
    if (status)
        tn_model_free(model);
    else
        *out = model;
    return status;
}

static tn_status load_weights(tn_model **out, tn__buffer *file, const char *path,
                              const tn_load_options *options, tn_error *err)
{
    tn__checkpoint weights = {0};
    tn_status status = tn__torch_is(file)
                           ? tn__torch_read(&weights, file, path, err)
                           : tn__safetensors_read(&weights, file, path, err);
    if (!status)
        status = tn__checkpoint_model(out, &weights, path, options, err);
    tn__checkpoint_release(&weights);
    return status;
}

static tn_status fail_unknown(const tn__buffer *file, const char *path, tn_error *err)
{
    char first[3 * 8 + 1] = "";
    for (size_t k = 0; k < TN__MIN(tn__buffer_size(file), (size_t)8); k++)
        (void)snprintf(first + 3 * k, 4, " %02x", tn__buffer_bytes(file)[k]);
    return tn__fail(err, TN_ERROR_FORMAT,
                    "cannot read '%s': neither ONNX nor safetensors nor a PyTorch file "
                    "(it begins with%s)",
                    path, first);
}

tn_status tn_model_load(tn_model **out, const char *path,
                        const tn_load_options *options, tn_error *err)
{
    static const tn_load_options none = TN_LOAD_OPTIONS_INIT;
    tn__buffer *file = NULL;
    tn_model *model = NULL;
    char *source = NULL;
    options = options ? options : &none;
    tn_status status = tn__buffer_map(&file, path, err);
    if (status)
        return status;
    if (tn__torch_is(file) || tn__safetensors_is(file))
        status = load_weights(&model, file, path, options, err);
    else if (tn__onnx_is(file))
        status = tn__onnx_read(&model, file, path, err);
    else
        status = fail_unknown(file, path, err);
    if (!status && !(source = tn__strdup(path)))
        status = tn__fail_memory(err, strlen(path) + 1);
    if (!status) {
        tn__free(model->source);
        model->source = source;
        tn__sha256_buffer(model->source_sha256, file);
        *out = model;
    } else {
        tn_model_free(model);
    }
    tn__buffer_release(file);
    return status;
}

/* --- saving ----------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcasecmp(path + length - end, ending) == 0;
}

tn_status tn_model_save(const tn_model *model, const char *path,
                        const tn_save_options *options, tn_error *err)
{
    bool replace = options && options->replace;
    if (ends_in(path, ".onnx"))
        return tn__onnx_write(model, path, replace, err);
    if (ends_in(path, ".safetensors"))
        return tn__safetensors_write(model, path, replace, err);
    return tn__fail(err, TN_ERROR_ARGUMENT,
                    "cannot write '%s': its name ends neither in .onnx nor in "
                    ".safetensors",
                    path);
}

/* --- what travels with a model ---------------------------------------------------- */

const char *tn_model_metadata_get(const tn_model *model, const char *key)
{
    return tn__model_metadata(model, key);
}

tn_status tn_model_metadata_set(tn_model *model, const char *key, const char *text,
                                tn_error *err)
{
    return tn__model_set_metadata(model, key, text, err);
}

const char *tn_model_source(const tn_model *model)
{
    return model->source;
}

const char *tn_model_source_sha256(const tn_model *model)
{
    return model->source_sha256[0] ? model->source_sha256 : NULL;
}
