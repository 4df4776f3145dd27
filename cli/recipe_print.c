/* recipe_print.c - the way back: a recipe out of what a file says of its making. Every
 * recorded option is written, so that it does not depend on later defaults. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "recipe.h"

/* Whether YAML takes the text for itself as it stands, outside of brackets. */
static bool is_plain(const char *text)
{
    if (!isalnum((unsigned char)text[0]) && text[0] != '/' && text[0] != '.')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_./=,+@-:", *c))
            return false;
    return text[strlen(text) - 1] != ':';
}

/* JSON's strings, numbers and lists are YAML's too. What a file says may not end the
 * line. */
static void print_value(const cJSON *value)
{
    const char *text = cJSON_GetStringValue(value);
    char *json = cJSON_PrintUnformatted(value);
    printf("%s\n", text && is_plain(text) ? text : json ? json : "");
    cJSON_free(json);
}

static const cJSON *sha256_of(const cJSON *inputs, const char *file)
{
    const cJSON *input = NULL;
    cJSON_ArrayForEach(input, inputs)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(input, "file"));
        if (name && strcmp(name, file) == 0)
            return cJSON_GetObjectItem(input, "sha256");
    }
    return NULL;
}

static void print_inputs(const cJSON *operands, const cJSON *inputs)
{
    const cJSON *operand = NULL;
    if (cJSON_GetArraySize(operands) > 0)
        printf("inputs:\n");
    cJSON_ArrayForEach(operand, operands)
    {
        const char *file = cJSON_GetStringValue(operand);
        const cJSON *sha256 = file ? sha256_of(inputs, file) : NULL;
        printf(cJSON_IsString(sha256) ? "  - file: " : "  - ");
        print_value(operand);
        if (cJSON_IsString(sha256)) {
            printf("    sha256: ");
            print_value(sha256);
        }
    }
}

static bool is_shared(const char *name)
{
    return strcmp(name, "data") == 0 || strcmp(name, "seed") == 0;
}

static void print_options(const cJSON *options)
{
    const cJSON *item = NULL;
    bool titled = false;
    cJSON_ArrayForEach(item, options) if (is_shared(item->string))
    {
        printf("%s: ", item->string);
        print_value(item);
    }
    cJSON_ArrayForEach(item, options)
    {
        if (is_shared(item->string))
            continue;
        printf("%s  %s: ", titled ? "" : "options:\n", item->string);
        print_value(item);
        titled = true;
    }
}

/* The first of the options that no record of the command has, or NULL. */
static const char *stray_option(const struct cli_command *command, const cJSON *options)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, options)
    {
        const struct cli_option *option = cli_option_find(command, item->string);
        if (!option || !option->recorded)
            return item->string;
    }
    return NULL;
}

int cli_recipe_print(const cJSON *made, const char *file, const char *sha256)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(made, "command"));
    const cJSON *version = cJSON_GetObjectItem(made, "version");
    const cJSON *operands = cJSON_GetObjectItem(made, "operands");
    const cJSON *options = cJSON_GetObjectItem(made, "options");
    const struct cli_command *command = name ? cli_command_find(name) : NULL;
    if (!name || !cJSON_IsString(version))
        return cli_fail_text("'%s' does not say how it was made", file);
    if (!command)
        return cli_fail_text("'%s' was made by '%s', which is no job of a recipe", file,
                             name);
    if (!cJSON_IsArray(operands) || !cJSON_IsObject(options))
        return cli_fail_text("'%s' does not say all of how it was made: it has no "
                             "'tenon.operands' or 'tenon.options' (an earlier tenon or "
                             "another program wrote it); what it says is in 'tenon "
                             "inspect %s'",
                             file, file);
    const char *stray = stray_option(command, options);
    if (stray)
        return cli_fail_text("'%s' was made with an option '%s', which '%s' does not "
                             "record",
                             file, stray, name);
    printf("# makes %s\n# sha256 %s\n", file, sha256);
    printf("job: %s\nversion: ", name);
    print_value(version);
    print_inputs(operands, cJSON_GetObjectItem(made, "inputs"));
    print_options(options);
    return CLI_DONE;
}
