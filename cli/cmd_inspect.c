/* cmd_inspect.c - tenon inspect: what is in a model file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "files.h"
#include "message.h"
#include "options.h"
#include "provenance.h"
#include "recipe.h"
#include "score.h"
#include "table.h"

struct inspect_args {
    struct cli_args base;
    bool nodes, groups, cuts, recipe;
    const char *dot;
};

/* A list of the library's, as lines or as JSON. */
struct listing {
    const char *title, *key;
    tn_status (*list)(const tn_model *, tn_line_callback *, void *, tn_error *);
    cJSON *json; /* NULL: print lines */
    size_t count;
};

static int on_line(void *user, const char *text, const char *json)
{
    struct listing *listing = user;
    if (listing->json)
        cJSON_AddItemToArray(listing->json, cJSON_Parse(json));
    else if (listing->count == 0)
        printf("\n%s\n", listing->title);
    if (!listing->json)
        printf("  %s\n", text);
    listing->count++;
    return 0;
}

static cJSON *shape_json(const int64_t *dims, int rank)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < rank; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)dims[i]));
    return list;
}

/* What assemble says of its blocks, or NULL; owned by the caller. */
static cJSON *blocks_json(const tn_model *model)
{
    const char *text = tn_model_metadata_get(model, "tenon.blocks");
    return text ? cJSON_Parse(text) : NULL;
}

static cJSON *info_json(const tn_model *model, const tn_model_info *info)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *made = cli_provenance_json(model), *blocks = blocks_json(model);
    cJSON_AddStringToObject(json, "file", tn_model_source(model));
    cJSON_AddStringToObject(json, "sha256", tn_model_source_sha256(model));
    cJSON_AddStringToObject(json, "name", info->name);
    cJSON_AddItemToObject(json, "input", shape_json(info->input, info->input_rank));
    cJSON_AddItemToObject(json, "output", shape_json(info->output, info->output_rank));
    cJSON_AddNumberToObject(json, "nodes", (double)info->nodes);
    cJSON_AddNumberToObject(json, "params", (double)info->parameters);
    cJSON_AddNumberToObject(json, "macs", (double)info->macs);
    cJSON_AddNumberToObject(json, "bytes", (double)info->bytes);
    cJSON_AddItemToObject(json, "made", made ? made : cJSON_CreateNull());
    if (blocks)
        cJSON_AddItemToObject(json, "blocks", blocks);
    return json;
}

/* "made by  tenon 0.1.0 fuse" and what it was made of. */
static void print_made(const tn_model *model)
{
    cJSON *made = cli_provenance_json(model);
    const char *version = cJSON_GetStringValue(cJSON_GetObjectItem(made, "version"));
    const char *command = cJSON_GetStringValue(cJSON_GetObjectItem(made, "command"));
    const cJSON *inputs = cJSON_GetObjectItem(made, "inputs"), *input = NULL;
    const cJSON *operands = cJSON_GetObjectItem(made, "operands"), *operand = NULL;
    char *options = cJSON_PrintUnformatted(cJSON_GetObjectItem(made, "options"));
    if (version && command) {
        printf("made by     tenon %s %s", version, command);
        cJSON_ArrayForEach(operand, operands)
            printf(" %s", cJSON_IsString(operand) ? operand->valuestring : "?");
        putchar('\n');
    }
    if (options)
        printf("  options   %s\n", options);
    cJSON_ArrayForEach(input, inputs)
    {
        const char *file = cJSON_GetStringValue(cJSON_GetObjectItem(input, "file"));
        const char *sha = cJSON_GetStringValue(cJSON_GetObjectItem(input, "sha256"));
        if (file && sha)
            printf("  from      %s  sha256 %.16s...\n", file, sha);
    }
    cJSON_free(options);
    cJSON_Delete(made);
}

/* "  block     MEMBER  FROM to TO", untrusted as all of the file. */
static void print_blocks(const tn_model *model)
{
    cJSON *blocks = blocks_json(model);
    const cJSON *block = NULL;
    cJSON_ArrayForEach(block, blocks)
    {
        const char *member = cJSON_GetStringValue(cJSON_GetObjectItem(block, "member"));
        const char *from = cJSON_GetStringValue(cJSON_GetObjectItem(block, "from"));
        const char *to = cJSON_GetStringValue(cJSON_GetObjectItem(block, "to"));
        if (member && from && to)
            printf("  block     %s  %s to %s\n", member, from, to);
    }
    cJSON_Delete(blocks);
}

static void print_info(const tn_model *model, const tn_model_info *info)
{
    char text[CLI_NUMBER_TEXT];
    printf("file        %s\n", tn_model_source(model));
    printf("sha256      %s\n", tn_model_source_sha256(model));
    printf("name        %s\n", info->name);
    printf("input       %s\n", cli_text_shape(text, info->input, info->input_rank));
    printf("output      %s\n", cli_text_shape(text, info->output, info->output_rank));
    printf("nodes       %s\n", cli_text_count(text, info->nodes));
    printf("parameters  %s\n", cli_text_count(text, info->parameters));
    printf("MACs        %s\n", cli_text_count(text, info->macs));
    printf("bytes       %s\n", cli_text_count(text, info->bytes));
    print_made(model);
    print_blocks(model);
}

static tn_status show_listing(cJSON *json, struct listing *listing,
                              const tn_model *model, tn_error *err)
{
    if (json)
        listing->json = cJSON_AddArrayToObject(json, listing->key);
    tn_status status = listing->list(model, on_line, listing, err);
    if (status == TN_OK && !json && listing->count == 0)
        printf("\n%s\n  none\n", listing->title);
    return status;
}

static tn_status show(cJSON *json, const tn_model *model,
                      const struct inspect_args *args, tn_error *err)
{
    struct listing nodes = {"Nodes", "node_list", tn_model_list_nodes, NULL, 0};
    struct listing groups = {"Groups", "groups", tn_model_list_groups, NULL, 0};
    struct listing cuts = {"Cuts", "cuts", tn_model_list_cuts, NULL, 0};
    tn_status status = TN_OK;
    if (args->nodes)
        status = show_listing(json, &nodes, model, err);
    if (status == TN_OK && args->groups)
        status = show_listing(json, &groups, model, err);
    if (status == TN_OK && args->cuts)
        status = show_listing(json, &cuts, model, err);
    return status;
}

/* --- the picture ------------------------------------------------------------------ */

struct drawing {
    const tn_model *model;
    FILE *file;
    tn_status status;
    tn_error *err;
};

static int on_drawn(void *user, const char *text, const char *json)
{
    struct drawing *d = user;
    (void)json;
    return fprintf(d->file, "%s\n", text) < 0;
}

/* cli_fill: what fails in the library is kept for the caller. */
static bool draw(FILE *file, const void *user)
{
    struct drawing *const *d = user;
    (*d)->file = file;
    (*d)->status = tn_model_draw_groups((*d)->model, on_drawn, *d, (*d)->err);
    return (*d)->status == TN_OK && !ferror(file);
}

static tn_status write_dot(const tn_model *model, const struct inspect_args *args,
                           tn_error *err)
{
    tn_error inner = {0};
    struct drawing drawing = {.model = model, .err = &inner}, *d = &drawing;
    if (!args->dot)
        return TN_OK;
    tn_status status = cli_file_write(args->dot, args->base.force, draw, &d, err);
    if (drawing.status != TN_OK)
        *err = inner;
    return drawing.status != TN_OK ? drawing.status : status;
}

/* --- the recipe ------------------------------------------------------------------- */

static int print_recipe(const tn_model *model)
{
    cJSON *made = cli_provenance_json(model);
    int result = cli_recipe_print(made, cli_base_name(tn_model_source(model)),
                                  tn_model_source_sha256(model));
    cJSON_Delete(made);
    return result;
}

/* --- the command ------------------------------------------------------------------ */

static int run(void *user)
{
    static const char *const pictures[] = {".dot", NULL};
    const struct inspect_args *args = user;
    tn_error err = {0};
    tn_model *model = NULL;
    tn_model_info info;
    cJSON *json = NULL;
    int result = CLI_DONE;
    if ((args->dot &&
         cli_output_check(&args->base, args->dot, pictures, &err) != TN_OK) ||
        cli_models_load(&model, &args->base, 1, &err) != TN_OK)
        return cli_fail(&err);
    if (args->recipe) {
        result = print_recipe(model);
        tn_model_free(model);
        return result;
    }
    tn_status status = tn_model_info_get(&info, model, &err);
    if (status == TN_OK && args->base.json)
        json = info_json(model, &info);
    else if (status == TN_OK)
        print_info(model, &info);
    if (status == TN_OK)
        status = show(json, model, args, &err);
    if (status == TN_OK)
        status = write_dot(model, args, &err);
    if (status != TN_OK) {
        cJSON_Delete(json);
        fflush(stdout);
        result = cli_fail(&err);
    } else if (json) {
        result = cli_json_print(json);
    }
    tn_model_free(model);
    return result;
}

static const struct cli_option options[] = {
    CLI_OPTION("nodes", CLI_FLAG, offsetof(struct inspect_args, nodes), NULL,
               "list the nodes", .recorded = false),
    CLI_OPTION(
        "groups", CLI_FLAG, offsetof(struct inspect_args, groups), NULL,
        "list the neuron groups: what must be permuted, shrunk or mixed together, by "
        "which nodes its tensors are tied, and what is frozen and why",
        .recorded = false),
    CLI_OPTION("cuts", CLI_FLAG, offsetof(struct inspect_args, cuts), NULL,
               "list the cuts: single values that all computation passes through",
               .recorded = false),
    CLI_OPTION("recipe", CLI_FLAG, offsetof(struct inspect_args, recipe), NULL,
               "print the recipe that makes this file again, for 'tenon run', and "
               "nothing else",
               .recorded = false),
    CLI_OPTION("dot", CLI_FILE, offsetof(struct inspect_args, dot), "FILE.dot",
               "draw the network for Graphviz, each axis in the colour of its group",
               .recorded = false),
    CLI_OPTION("force", CLI_FLAG, offsetof(struct inspect_args, base.force), NULL,
               "replace the picture where it is there already", .recorded = false,
               .letter = 'f'),
};
static const struct cli_group group = CLI_GROUP("What to show", options);

const struct cli_command cli_inspect = {
    .name = "inspect",
    .operands = "MODEL",
    .summary = "what is in a model: nodes, parameters, MACs, groups, legal cuts",
    .about =
        "Shows what a model is, what it costs for one image, how it was made, and on "
        "request its nodes, neuron groups and cuts.",
    .examples = "  tenon inspect net.onnx --groups\n"
                "  tenon inspect net.onnx --dot net.dot && dot -Tsvg -O net.dot\n"
                "  tenon inspect net.safetensors --arch resnet20 --json\n",
    .operands_min = 1,
    .operands_max = 1,
    .groups = {&group, &cli_group_models, &cli_group_common},
    .size = sizeof(struct inspect_args),
    .run = run,
};
