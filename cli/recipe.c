/* recipe.c - see recipe.h: YAML by libyaml, turned into the arguments that the job's
 * own parser would have made. Types are not YAML's: every scalar is the text that a
 * user would have written on the command line.
 */
#include "recipe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "message.h"
#include "options.h"
#include "table.h"

#define PLACE_TEXT 512
#define BYTES_MAX ((size_t)256 << 10)

/* A document while it is read. */
struct reader {
    struct cli_recipe *recipe;
    const char *path;
    FILE *file;
    size_t bytes; /* of it so far */
    yaml_document_t document;
};

static int fail_at(const struct reader *r, yaml_mark_t at, const char *format, ...)
    CLI_PRINTF(3, 4);
static int fail_at(const struct reader *r, yaml_mark_t at, const char *format, ...)
{
    char text[PLACE_TEXT];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return cli_fail_text("%s:%zu:%zu: %s", r->path, at.line + 1, at.column + 1, text);
}

static const char *const kinds[] = {"nothing", "a single value", "a list",
                                    "names with values"};

/* The node's text; NULL, with a message, where it is no single value. */
static const char *scalar(const struct reader *r, const yaml_node_t *node,
                          const char *what)
{
    if (node->type == YAML_SCALAR_NODE)
        return (const char *)node->data.scalar.value;
    fail_at(r, node->start_mark, "'%s' has %s, a single value is wanted", what,
            kinds[node->type]);
    return NULL;
}

static yaml_node_t *node_of(struct reader *r, int index)
{
    return yaml_document_get_node(&r->document, index);
}

/* The value of `key` in a mapping, or NULL. */
static yaml_node_t *value_of(struct reader *r, const yaml_node_t *mapping,
                             const char *key)
{
    yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = node_of(r, pair->key);
        if (name->type == YAML_SCALAR_NODE &&
            strcmp((const char *)name->data.scalar.value, key) == 0)
            return node_of(r, pair->value);
    }
    return NULL;
}

/* Names are single values, known (NULL: all are) and there once. */
static int check_names(struct reader *r, const yaml_node_t *mapping,
                       const char *const *known, const char *where)
{
    yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *node = node_of(r, pair->key);
        const char *name = scalar(r, node, where), *best = NULL;
        size_t distance = 0;
        bool found = !known;
        if (!name)
            return CLI_FAILED;
        for (size_t i = 0; known && known[i]; i++) {
            found = found || strcmp(known[i], name) == 0;
            cli_suggest(&best, &distance, name, known[i]);
        }
        if (!found)
            return fail_at(r, node->start_mark, "unknown name '%s' in %s%s%s%s", name,
                           where, best ? " (did you mean '" : "", best ? best : "",
                           best ? "'?)" : "");
        for (yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair;
             other++) {
            const yaml_node_t *earlier = node_of(r, other->key);
            if (strcmp((const char *)earlier->data.scalar.value, name) == 0)
                return fail_at(r, node->start_mark, "'%s' is there twice", name);
        }
    }
    return CLI_DONE;
}

/* A copy that lives as long as the recipe. */
static char *keep(struct cli_recipe *recipe, const char *text)
{
    size_t size = strlen(text) + 1;
    struct cli_kept *kept = cli_alloc(1, sizeof *kept + size);
    kept->next = recipe->kept;
    recipe->kept = kept;
    return memcpy(kept->text, text, size);
}

/* "1/2/3" of a list of single values, as options take it. */
static char *joined(struct reader *r, const yaml_node_t *list, const char *name)
{
    char text[CLI_VALUE_TEXT] = "";
    size_t used = 0;
    yaml_node_item_t *item = list->data.sequence.items.start;
    for (; item < list->data.sequence.items.top; item++) {
        const yaml_node_t *node = node_of(r, *item);
        const char *value = scalar(r, node, name);
        if (!value)
            return NULL;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 used ? "/" : "", value);
        if (used >= sizeof text) {
            fail_at(r, node->start_mark, "the list of '%s' is too long", name);
            return NULL;
        }
    }
    return keep(r->recipe, text);
}

/* How a job is run, as opposed to what it makes, is said to `tenon run`. */
static bool is_about_running(const struct cli_option *option)
{
    if (strcmp(option->name, "force") == 0 || strcmp(option->name, "report") == 0)
        return true;
    for (size_t i = 0; i < cli_group_common.count; i++)
        if (option == &cli_group_common.options[i])
            return true;
    return false;
}

static int set_flag(struct reader *r, const struct cli_option *option,
                    const yaml_node_t *node)
{
    const char *text = scalar(r, node, option->name);
    if (!text)
        return CLI_FAILED;
    if (strcmp(text, "true") == 0)
        return cli_option_set(r->recipe->args, r->recipe->command, option, NULL);
    if (strcmp(text, "false") == 0)
        return CLI_DONE;
    return fail_at(r, node->start_mark, "'%s' is '%s', true or false is wanted",
                   option->name, text);
}

static int set_option(struct reader *r, const yaml_node_t *key, const yaml_node_t *node)
{
    struct cli_recipe *recipe = r->recipe;
    const char *name = (const char *)key->data.scalar.value;
    const struct cli_option *option = cli_option_find(recipe->command, name);
    char place[PLACE_TEXT];
    int status;
    const yaml_mark_t at = option ? node->start_mark : key->start_mark;
    snprintf(place, sizeof place, "%s:%zu:%zu", r->path, at.line + 1, at.column + 1);
    cli_usage_place(place);
    if (!option) {
        status = cli_option_unknown(recipe->command, name);
    } else if (is_about_running(option)) {
        status = fail_at(r, key->start_mark,
                         "'%s' is no part of a recipe, it is an option of 'tenon run'",
                         name);
    } else if (!cli_takes_value(option)) {
        status = set_flag(r, option, node);
    } else {
        char *text = NULL;
        if (node->type == YAML_SEQUENCE_NODE) {
            text = joined(r, node, name);
        } else {
            const char *value = scalar(r, node, name);
            text = value ? keep(recipe, value) : NULL;
        }
        status = text ? cli_option_set(recipe->args, recipe->command, option, text)
                      : CLI_FAILED;
    }
    cli_usage_place(NULL);
    return status == CLI_DONE ? CLI_DONE : CLI_FAILED;
}

/* `options`, and those that stand at the top. */
static int set_options(struct reader *r, yaml_node_t *root)
{
    static const char *const shared[] = {"data", "eval-data", "seed"};
    yaml_node_pair_t *pair = root->data.mapping.pairs.start;
    int status = CLI_DONE;
    for (; pair < root->data.mapping.pairs.top && status == CLI_DONE; pair++) {
        const yaml_node_t *key = node_of(r, pair->key);
        for (size_t i = 0; i < CLI_COUNT(shared) && status == CLI_DONE; i++)
            if (strcmp((const char *)key->data.scalar.value, shared[i]) == 0)
                status = set_option(r, key, node_of(r, pair->value));
    }
    yaml_node_t *options = value_of(r, root, "options");
    if (!options || status != CLI_DONE)
        return status;
    if (options->type != YAML_MAPPING_NODE)
        return fail_at(r, options->start_mark,
                       "'options' has %s, names with values are wanted",
                       kinds[options->type]);
    if (check_names(r, options, NULL, "options") != CLI_DONE)
        return CLI_FAILED;
    pair = options->data.mapping.pairs.start;
    for (; pair < options->data.mapping.pairs.top && status == CLI_DONE; pair++)
        status = set_option(r, node_of(r, pair->key), node_of(r, pair->value));
    return status;
}

static int add_input(struct reader *r, yaml_node_t *node)
{
    static const char *const known[] = {"file", "sha256", NULL};
    struct cli_recipe *recipe = r->recipe;
    const char *file = NULL, *sha256 = NULL;
    if (node->type == YAML_MAPPING_NODE) {
        if (check_names(r, node, known, "inputs") != CLI_DONE)
            return CLI_FAILED;
        const yaml_node_t *value = value_of(r, node, "sha256");
        if (value && !(sha256 = scalar(r, value, "sha256")))
            return CLI_FAILED;
        if (!(value = value_of(r, node, "file")))
            return fail_at(r, node->start_mark, "an input has no 'file'");
        file = scalar(r, value, "file");
    } else {
        file = scalar(r, node, "inputs");
    }
    if (!file)
        return CLI_FAILED;
    recipe->operands[recipe->count] = keep(recipe, file);
    recipe->sha256[recipe->count++] = sha256 ? keep(recipe, sha256) : NULL;
    return CLI_DONE;
}

static int set_inputs(struct reader *r, yaml_node_t *inputs)
{
    struct cli_recipe *recipe = r->recipe;
    bool list = inputs && inputs->type == YAML_SEQUENCE_NODE;
    size_t most = 2; /* one, and the file that is written */
    if (list)
        most += (size_t)(inputs->data.sequence.items.top -
                         inputs->data.sequence.items.start);
    recipe->operands = cli_alloc(most, sizeof *recipe->operands);
    recipe->sha256 = cli_alloc(most, sizeof *recipe->sha256);
    if (!list)
        return inputs ? add_input(r, inputs) : CLI_DONE;
    yaml_node_item_t *item = inputs->data.sequence.items.start;
    for (; item < inputs->data.sequence.items.top; item++)
        if (add_input(r, node_of(r, *item)) != CLI_DONE)
            return CLI_FAILED;
    return CLI_DONE;
}

const struct cli_option *cli_recipe_output(const struct cli_command *command)
{
    return cli_option_find(command, command->written ? command->written : "output");
}

static int set_output(struct reader *r, const yaml_node_t *node, const char *output)
{
    struct cli_recipe *recipe = r->recipe;
    const struct cli_option *option = cli_recipe_output(recipe->command);
    bool operand = recipe->command->written && !recipe->command->written[0];
    if (node && !output && !(output = scalar(r, node, "output")))
        return CLI_FAILED;
    if (!output)
        return CLI_DONE;
    if (operand) {
        recipe->operands[recipe->count++] = keep(recipe, output);
        return CLI_DONE;
    }
    if (!option)
        return cli_fail_text("%s: '%s' writes no file, and an output is given", r->path,
                             recipe->command->name);
    return cli_option_set(recipe->args, recipe->command, option, keep(recipe, output));
}

static int set_job(struct reader *r, const yaml_node_t *root, yaml_node_t *node)
{
    const char *best = NULL, *name;
    size_t distance = 0;
    if (!node)
        return fail_at(r, root->start_mark, "no 'job': fuse, prune, ... is wanted");
    if (!(name = scalar(r, node, "job")))
        return CLI_FAILED;
    r->recipe->command = cli_command_find(name);
    if (r->recipe->command && strcmp(name, "run") != 0) {
        r->recipe->args = cli_alloc(1, r->recipe->command->size);
        cli_args_init(r->recipe->args, r->recipe->command);
        return CLI_DONE;
    }
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, "run") != 0)
            cli_suggest(&best, &distance, name, cli_commands[i]->name);
    return fail_at(r, node->start_mark, "unknown job '%s'%s%s%s", name,
                   best ? " (did you mean '" : ", 'tenon' alone lists them",
                   best ? best : "", best ? "'?)" : "");
}

static int read_root(struct reader *r, const char *output)
{
    static const char *const known[] = {"job",     "version",   "inputs",
                                        "data",    "eval-data", "seed",
                                        "options", "output",    NULL};
    struct cli_recipe *recipe = r->recipe;
    yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (!root)
        return cli_fail_text("%s: the recipe is empty", r->path);
    if (root->type != YAML_MAPPING_NODE)
        return fail_at(r, root->start_mark,
                       "the recipe is %s, names with values are wanted",
                       kinds[root->type]);
    if (check_names(r, root, known, "the recipe") != CLI_DONE ||
        set_job(r, root, value_of(r, root, "job")) != CLI_DONE ||
        set_options(r, root) != CLI_DONE ||
        set_inputs(r, value_of(r, root, "inputs")) != CLI_DONE ||
        set_output(r, value_of(r, root, "output"), output) != CLI_DONE)
        return CLI_FAILED;
    const yaml_node_t *version = value_of(r, root, "version");
    const char *text = version ? scalar(r, version, "version") : NULL;
    if (version && !text)
        return CLI_FAILED;
    recipe->version = text ? keep(recipe, text) : NULL;
    struct cli_args *base = recipe->args;
    base->operands = recipe->operands;
    base->count = recipe->count;
    cli_usage_place(r->path);
    int status = cli_check_complete(recipe->command, recipe->args);
    cli_usage_place(NULL);
    return status == CLI_DONE ? CLI_DONE : CLI_FAILED;
}

/* libyaml's: 0 where reading fails, or where there is too much. */
static int read_bytes(void *user, unsigned char *bytes, size_t size, size_t *got)
{
    struct reader *r = user;
    *got = fread(bytes, 1, size, r->file);
    r->bytes += *got;
    return r->bytes <= BYTES_MAX && !ferror(r->file);
}

int cli_recipe_read(struct cli_recipe *out, const char *path, const char *output)
{
    struct cli_recipe recipe = {0};
    struct reader r = {.recipe = &recipe, .path = path, .file = fopen(path, "rb")};
    yaml_parser_t parser;
    if (!r.file)
        return cli_fail_text("cannot read '%s': %s", path, strerror(errno));
    int status = CLI_FAILED;
    if (!yaml_parser_initialize(&parser)) {
        fclose(r.file);
        return cli_fail_text("out of memory");
    }
    yaml_parser_set_input(&parser, read_bytes, &r);
    if (yaml_parser_load(&parser, &r.document)) {
        status = read_root(&r, output);
        yaml_document_delete(&r.document);
    } else if (r.bytes > BYTES_MAX) {
        cli_fail_text("%s: the recipe is larger than %zu KiB", path, BYTES_MAX >> 10);
    } else {
        fail_at(&r, parser.problem_mark, "no YAML: %s",
                parser.problem ? parser.problem : "it cannot be read");
    }
    yaml_parser_delete(&parser);
    fclose(r.file);
    if (status == CLI_DONE)
        *out = recipe;
    else
        cli_recipe_release(&recipe);
    return status;
}

void cli_recipe_release(struct cli_recipe *recipe)
{
    for (struct cli_kept *kept = recipe->kept, *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    free(recipe->operands);
    free(recipe->sha256);
    free(recipe->args);
    *recipe = (struct cli_recipe){0};
}
