/* fuzz_recipe.c - recipes on any bytes; the options of one that can be read are shown,
 * recorded, and taken from the record. */
#include "fuzz.h"

#include "options.h"
#include "recipe.h"

static void tell(const struct cli_recipe *recipe)
{
    const struct cli_command *command = recipe->command;
    char text[CLI_VALUE_TEXT];
    cJSON *record = cli_options_record(command, recipe->args);
    void *args = calloc(1, command->size);
    fuzz_want(record && args, "no record");
    for (size_t g = 0; command->groups[g]; g++)
        for (size_t i = 0; i < command->groups[g]->count; i++)
            cli_option_text(text, &command->groups[g]->options[i], recipe->args);
    cli_args_init(args, command);
    (void)cli_options_restore(args, command, record);
    free(args);
    cJSON_Delete(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    struct cli_recipe recipe = {0};
    fuzz_file(path, "recipe", data, size);
    if (cli_recipe_read(&recipe, path, NULL) == CLI_DONE) {
        tell(&recipe);
        cli_recipe_release(&recipe);
    }
    (void)unlink(path);
    return 0;
}
