/* provenance.c - see provenance.h. What an input says of itself is untrusted text: it
 * is taken over as JSON where it is JSON, else as a string.
 */
#include "provenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "tenon/version.h"

static const char *const keys[] = {"version", "command", "operands", "options",
                                   "inputs"};

static cJSON *metadata_json(const char *text)
{
    cJSON *json = text[0] == '{' || text[0] == '[' ? cJSON_Parse(text) : NULL;
    return json ? json : cJSON_CreateString(text);
}

cJSON *cli_provenance_json(const tn_model *model)
{
    cJSON *made = NULL;
    for (size_t i = 0; i < CLI_COUNT(keys); i++) {
        char key[32];
        snprintf(key, sizeof key, "tenon.%s", keys[i]);
        const char *text = tn_model_metadata_get(model, key);
        if (!text)
            continue;
        if (!made)
            made = cJSON_CreateObject();
        cJSON_AddItemToObject(made, keys[i], metadata_json(text));
    }
    return made;
}

static void add_input(cJSON *list, const tn_model *model)
{
    const char *path = tn_model_source(model);
    if (!path)
        return;
    cJSON *input = cJSON_CreateObject();
    cJSON_AddStringToObject(input, "file", cli_base_name(path));
    cJSON_AddStringToObject(input, "sha256", tn_model_source_sha256(model));
    cJSON *made = cli_provenance_json(model);
    if (made)
        cJSON_AddItemToObject(input, "made", made);
    cJSON_AddItemToArray(list, input);
}

/* What stood on the command line besides options, without folders; the file that is
 * written left out. */
static cJSON *record_operands(const struct cli_args *args)
{
    const char *written = args->command->written;
    size_t count = args->count - (written && !written[0]);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list,
                             cJSON_CreateString(cli_base_name(args->operands[i])));
    return list;
}

static tn_status set_json(tn_model *model, const char *key, const cJSON *json,
                          tn_error *err)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    if (!text) {
        snprintf(err->message, sizeof err->message, "out of memory");
        return err->code = TN_ERROR_MEMORY;
    }
    tn_status status = tn_model_metadata_set(model, key, text, err);
    cJSON_free(text);
    return status;
}

tn_status cli_provenance_set(tn_model *model, const struct cli_args *args,
                             const tn_model *const *inputs, size_t count, tn_error *err)
{
    tn_model *graph = NULL;
    tn_status status = TN_OK;
    cJSON *options = cli_options_record(args->command, args);
    cJSON *operands = record_operands(args);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        add_input(list, inputs[i]);
    if (args->graph) {
        if ((status = tn_model_load(&graph, args->graph, NULL, err)) != TN_OK)
            goto done;
        add_input(list, graph);
    }
    if ((status = tn_model_metadata_set(model, "tenon.version", tn_version(), err)) ||
        (status =
             tn_model_metadata_set(model, "tenon.command", args->command->name, err)) ||
        (status = set_json(model, "tenon.operands", operands, err)) ||
        (status = set_json(model, "tenon.options", options, err)) ||
        (status = set_json(model, "tenon.inputs", list, err)))
        goto done;
done:
    tn_model_free(graph);
    cJSON_Delete(options);
    cJSON_Delete(operands);
    cJSON_Delete(list);
    return status;
}
