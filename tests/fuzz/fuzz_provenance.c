/* fuzz_provenance.c - what a model says of its making, on any text: five lines, in the
 * order of `keys`. The recipe that is printed of it is one of that job, with as many
 * inputs, and names nothing to be written. */
#include "fuzz.h"

#include "options.h"
#include "provenance.h"
#include "recipe.h"

static const char *const keys[] = {"tenon.version", "tenon.command", "tenon.operands",
                                   "tenon.options", "tenon.inputs"};

static tn_model *model;

/* Sets a key to each line; those that are missing are "". */
static void set_lines(char *text)
{
    if (!model)
        fuzz_want(!tn_model_create(&model, "mlp:2-2", NULL, 2, 1, NULL), "no model");
    for (size_t k = 0; k < TN__COUNT(keys); k++) {
        size_t length = strcspn(text, "\n");
        bool more = text[length] != 0;
        text[length] = 0;
        fuzz_want(!tn_model_metadata_set(model, keys[k], text, NULL), "no memory");
        text += length + more;
    }
}

/* cli_recipe_print() with stdout in the file. */
static int print(const cJSON *made, const char *path)
{
    (void)fflush(stdout);
    int before = dup(STDOUT_FILENO);
    fuzz_want(before >= 0 && freopen(path, "w", stdout), path);
    int status = cli_recipe_print(made, "made.onnx", "0123");
    (void)fflush(stdout);
    fuzz_want(dup2(before, STDOUT_FILENO) >= 0, "stdout is gone");
    (void)close(before);
    return status;
}

/* Options are taken from a record of a plan too. */
static void restore(const cJSON *made)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(made, "command"));
    const cJSON *options = cJSON_GetObjectItem(made, "options");
    const struct cli_command *command = name ? cli_command_find(name) : NULL;
    if (!command || !cJSON_IsObject(options))
        return;
    void *args = calloc(1, command->size);
    fuzz_want(args != NULL, "no memory");
    cli_args_init(args, command);
    (void)cli_options_restore(args, command, options);
    free(args);
}

static void check(const struct cli_recipe *recipe, const cJSON *made)
{
    const struct cli_args *args = recipe->args;
    const cJSON *operands = cJSON_GetObjectItem(made, "operands");
    const cJSON *command = cJSON_GetObjectItem(made, "command");
    fuzz_want(!strcmp(recipe->command->name, command->valuestring) &&
                  recipe->count == (size_t)cJSON_GetArraySize(operands) &&
                  !args->output,
              "a recipe that says more than the record");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    struct cli_recipe recipe = {0};
    char *text = fuzz_copy(data, size, true);
    set_lines(text);
    cJSON *made = cli_provenance_json(model);
    restore(made);
    fuzz_file(path, "recipe", data, 0);
    if (print(made, path) == CLI_DONE &&
        cli_recipe_read(&recipe, path, NULL) == CLI_DONE) {
        check(&recipe, made);
        cli_recipe_release(&recipe);
    }
    cJSON_Delete(made);
    (void)unlink(path);
    free(text);
    return 0;
}
