/* cmd_run.c - tenon run: a recipe, checked and carried out, or told with its cost.
 *
 * The job runs as if its command line had been typed. What a dry run says of the cost
 * is a lower bound: passes of images through networks, at the measured pace of one
 * thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "message.h"
#include "options.h"
#include "recipe.h"
#include "report.h"
#include "score.h"
#include "table.h"
#include "tenon/version.h"

struct run_args {
    struct cli_args base;
    bool dry_run;
};

/* What a dry run looks at. */
struct preview {
    const struct cli_recipe *recipe;
    const char *path;     /* of the recipe */
    struct cli_args *job; /* the arguments of the job */
    tn_model **models;    /* [count], NULL where an operand is none */
    struct cli_score *scores;
    size_t model_count;
    tn_dataset *data, *eval_data;
    double passes, seconds; /* of one image forwards */
};

/* --- inputs ----------------------------------------------------------------------- */

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "rb");
    return file && fclose(file) == 0;
}

/* Recipes that files are printed as name their inputs without folders: one that is not
 * here is looked for beside the recipe, to say where to go. */
static int check_inputs(const struct preview *p)
{
    const struct cli_recipe *recipe = p->recipe;
    size_t folder = (size_t)(cli_base_name(p->path) - p->path);
    bool writes = recipe->command->written && !recipe->command->written[0];
    for (size_t i = 0; i < recipe->count - writes; i++) {
        const char *name = recipe->operands[i];
        if (!cli_is_model_file(name) || is_there(name))
            continue;
        char *beside = cli_alloc(folder + strlen(name) + 1, 1);
        memcpy(beside, p->path, folder);
        memcpy(beside + folder, name, strlen(name));
        bool found = folder > 0 && is_there(beside);
        free(beside);
        if (found)
            return cli_fail_text("input '%s' of '%s' is not in the current folder but "
                                 "beside the recipe: go to '%.*s' first",
                                 name, p->path, (int)folder - 1, p->path);
        return cli_fail_text("input '%s' of '%s' is not in the current folder: run the "
                             "recipe where its inputs are, or write their paths into "
                             "it",
                             name, p->path);
    }
    return CLI_DONE;
}

/* Loads operand i with the weight files in their order, so that --arch A,B holds. */
static tn_status load_inputs(struct preview *p, tn_error *err)
{
    const struct cli_recipe *recipe = p->recipe;
    struct cli_args files = *p->job;
    char **names = cli_alloc(recipe->count + 1, sizeof *names);
    size_t *place = cli_alloc(recipe->count + 1, sizeof *place);
    bool writes = recipe->command->written && !recipe->command->written[0];
    size_t inputs = recipe->count - writes, count = 0;
    for (size_t i = 0; i < inputs; i++)
        if (cli_is_model_file(recipe->operands[i])) {
            names[count] = recipe->operands[i];
            place[count++] = i;
        }
    files.operands = names;
    p->models = cli_alloc(count + 1, sizeof *p->models);
    tn_status status = cli_models_load(p->models, &files, count, err);
    for (size_t k = 0; k < count && status == TN_OK; k++) {
        const char *wanted = recipe->sha256[place[k]];
        const char *found = tn_model_source_sha256(p->models[k]);
        if (wanted && strcmp(wanted, found) != 0) {
            snprintf(err->message, sizeof err->message,
                     "'%s' has the SHA-256 %.16s..., the recipe wants %.16s...",
                     names[k], found, wanted);
            status = err->code = TN_ERROR_MISMATCH;
        }
    }
    p->model_count = status == TN_OK ? count : 0;
    if (status != TN_OK && p->models[0])
        cli_models_free(p->models, count);
    free(names);
    free(place);
    return status;
}

/* --- what it costs ---------------------------------------------------------------- */

/* The value of an option of whole numbers; 0 where the job has none. */
static double number_of(const struct preview *p, const char *name)
{
    const struct cli_option *option = cli_option_find(p->recipe->command, name);
    char text[CLI_VALUE_TEXT];
    if (!option || option->kind != CLI_SIZE)
        return 0;
    cli_option_text(text, option, p->recipe->args);
    return strtod(text, NULL);
}

/* Passes of images through the inputs: a step of training counts three; statistics are
 * taken from samples of each input and from calibration images of all and the result;
 * the table runs each of them and the result over its images. */
static void estimate(struct preview *p)
{
    double images = p->data ? (double)tn_dataset_count(p->data) : 0;
    double table = p->eval_data ? (double)tn_dataset_count(p->eval_data) : 0;
    double count = (double)p->model_count, latency = 0;
    double once = fmin(images, number_of(p, "samples")) * count +
                  fmin(images, number_of(p, "calibration")) * (count + 1);
    if (cli_option_find(p->recipe->command, "epochs"))
        once += 3 * images * number_of(p, "epochs");
    if (strcmp(p->recipe->command->name, "eval") == 0)
        table = images - 1;
    for (size_t k = 0; k < p->model_count; k++)
        latency = fmax(latency, p->scores[k].latency);
    p->passes = once + table * (count + 1);
    p->seconds = p->passes * latency;
}

static tn_status open_data(struct preview *p, tn_error *err)
{
    const struct cli_args *job = p->job;
    bool learns = cli_option_find(p->recipe->command, "eval-data") != NULL;
    if (!job->data)
        return TN_OK;
    tn_status status =
        tn_dataset_open(&p->data, job->data, learns ? "train" : "test", err);
    if (status == TN_OK && learns)
        status = cli_eval_data_open(&p->eval_data, job, err);
    return status;
}

/* --- telling it ------------------------------------------------------------------- */

static const char *output_of(const struct preview *p)
{
    const struct cli_option *option = cli_recipe_output(p->recipe->command);
    const struct cli_recipe *recipe = p->recipe;
    if (option)
        return *(const char *const *)((const char *)recipe->args + option->offset);
    if (recipe->command->written)
        return recipe->operands[recipe->count - 1];
    return NULL;
}

static int show_json(const struct preview *p)
{
    cJSON *json = cJSON_CreateObject(), *cost = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "job", p->recipe->command->name);
    cJSON_AddItemToObject(json, "inputs", cli_scores_json(p->scores, p->model_count));
    if (p->data)
        cJSON_AddStringToObject(json, "data", tn_dataset_spec(p->data));
    if (p->eval_data)
        cJSON_AddStringToObject(json, "eval_data", tn_dataset_spec(p->eval_data));
    cJSON_AddItemToObject(json, "options",
                          cli_options_record(p->recipe->command, p->recipe->args));
    if (output_of(p))
        cJSON_AddStringToObject(json, "output", output_of(p));
    cJSON_AddNumberToObject(cost, "passes", p->passes);
    cJSON_AddNumberToObject(cost, "seconds", p->seconds);
    cJSON_AddItemToObject(json, "cost", cost);
    return cli_json_print(json);
}

static void show_images(const char *what, const tn_dataset *data)
{
    char text[CLI_NUMBER_TEXT];
    if (data)
        printf("%-12s%s images of %s\n", what,
               cli_text_count(text, tn_dataset_count(data)), tn_dataset_spec(data));
}

/* Options that are not at their defaults, one a line. */
static void show_options(const struct preview *p)
{
    const struct cli_command *command = p->recipe->command;
    void *usual = cli_alloc(1, command->size);
    cli_args_init(usual, command);
    cJSON *before = cli_options_record(command, usual);
    cJSON *now = cli_options_record(command, p->recipe->args), *item = NULL;
    const char *title = "options";
    cJSON_ArrayForEach(item, now)
    {
        const cJSON *same = cJSON_GetObjectItemCaseSensitive(before, item->string);
        if ((same && cJSON_Compare(same, item, true)) ||
            strcmp(item->string, "data") == 0)
            continue;
        char *text = cJSON_PrintUnformatted(item);
        printf("%-12s%s: %s\n", title, item->string, text ? text : "");
        cJSON_free(text);
        title = "";
    }
    cJSON_Delete(before);
    cJSON_Delete(now);
    free(usual);
}

static int show(const struct preview *p)
{
    char text[CLI_NUMBER_TEXT];
    if (p->job->json)
        return show_json(p);
    printf("job         %s\n", p->recipe->command->name);
    show_options(p);
    show_images("data", p->data);
    show_images("eval data", p->eval_data);
    if (output_of(p))
        printf("writes      %s\n", output_of(p));
    printf("costs       at least %s passes of an image",
           cli_text_count(text, (uint64_t)p->passes));
    printf(", %s s on one thread\n\n", cli_text_time(text, p->seconds));
    if (p->model_count > 0)
        cli_score_print(p->scores, p->model_count);
    return CLI_DONE;
}

static tn_status preview(struct preview *p, tn_error *err)
{
    tn_status status = open_data(p, err);
    char **names = cli_alloc(p->model_count + 1, sizeof *names);
    for (size_t k = 0; k < p->model_count; k++)
        names[k] = cli_strdup(tn_model_source(p->models[k]));
    p->scores = cli_alloc(p->model_count + 1, sizeof *p->scores);
    cli_score_name_files(p->scores, names, p->model_count);
    if (status == TN_OK)
        status = cli_score_measure(p->scores, (const tn_model *const *)p->models,
                                   p->model_count, true, err);
    if (status == TN_OK) {
        estimate(p);
        show(p);
    }
    for (size_t k = 0; k < p->model_count; k++)
        free(names[k]);
    free(names);
    return status;
}

static int carry_out(struct cli_recipe *recipe, const char *path, bool dry_run)
{
    struct preview p = {.recipe = recipe, .path = path, .job = recipe->args};
    tn_error err = {0};
    int there = check_inputs(&p);
    if (there != CLI_DONE)
        return there;
    tn_status status = load_inputs(&p, &err);
    if (status == TN_OK && dry_run)
        status = preview(&p, &err);
    cli_models_free(p.models, p.model_count);
    tn_dataset_free(p.data);
    tn_dataset_free(p.eval_data);
    free(p.models);
    free(p.scores);
    if (status != TN_OK)
        return cli_fail(&err);
    return dry_run ? CLI_DONE : recipe->command->run(recipe->args);
}

/* --- the command ------------------------------------------------------------------ */

static int run(void *user)
{
    const struct run_args *args = user;
    struct cli_recipe recipe = {0};
    int status = cli_recipe_read(&recipe, args->base.operands[0], args->base.output);
    if (status != CLI_DONE)
        return status;
    struct cli_args *job = recipe.args;
    job->json = args->base.json;
    job->quiet = args->base.quiet;
    job->verbose = args->base.verbose;
    job->threads = args->base.threads;
    job->force = args->base.force;
    job->report = args->base.report;
    if (job->report && !cli_option_find(recipe.command, "report")) {
        status = cli_fail_text("'%s' has no report", recipe.command->name);
        cli_recipe_release(&recipe);
        return status;
    }
    if (recipe.version && strcmp(recipe.version, tn_version()) != 0)
        cli_note(job, "the recipe is of version %s, this is %s: bytes may differ",
                 recipe.version, tn_version());
    status = carry_out(&recipe, args->base.operands[0], args->dry_run);
    cli_recipe_release(&recipe);
    return status;
}

static const struct cli_option options[] = {
    CLI_OPTION("dry-run", CLI_FLAG, offsetof(struct run_args, dry_run), NULL,
               "say what would happen and what it costs, and write nothing",
               .recorded = false),
};
static const struct cli_group group = CLI_GROUP("Recipe", options);

const struct cli_command cli_run = {
    .name = "run",
    .operands = "RECIPE.yaml",
    .summary = "a job that is written down: inputs, data, options, seed",
    .about =
        "Runs the job of a YAML file, which has 'job' (a command), 'inputs' (a list of "
        "files, or of 'file' and 'sha256'), 'data', 'seed', 'output' and 'options' (by "
        "the names of that command). Files are looked for from the current folder; -o "
        "goes before the recipe's output. 'tenon inspect --recipe' writes the recipe "
        "that makes a file again, byte for byte.",
    .examples = "  tenon run recipe.yaml --dry-run\n"
                "  tenon inspect fused.onnx --recipe >fused.yaml\n"
                "  tenon run fused.yaml -o again.onnx\n",
    .operands_min = 1,
    .operands_max = 1,
    .groups = {&group, &cli_group_output, &cli_group_report, &cli_group_common},
    .size = sizeof(struct run_args),
    .run = run,
};
