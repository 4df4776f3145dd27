/* options.c - the parser behind options.h.
 *
 * A number out of its range, an unknown name of a choice and a misspelt option are told
 * with what was found and what was wanted; nothing is guessed.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

/* Enumerators of choices are read and written as int. */
_Static_assert(sizeof(enum cli_kind) == sizeof(int), "an enum is an int");

const char *cli_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void *field(void *args, const struct cli_option *option)
{
    return (char *)args + option->offset;
}

static const void *const_field(const void *args, const struct cli_option *option)
{
    return (const char *)args + option->offset;
}

bool cli_takes_value(const struct cli_option *option)
{
    return option->kind != CLI_FLAG && option->kind != CLI_CLEAR;
}

static bool out_of_range(const struct cli_option *option, double value)
{
    if (option->min == 0 && option->max == 0)
        return false;
    return value < option->min || (option->max != 0 && value > option->max);
}

static int usage_range(const struct cli_command *command,
                       const struct cli_option *option, const char *text)
{
    if (option->max != 0)
        return cli_usage(command, "--%s is '%s', a number from %g to %g is wanted",
                         option->name, text, option->min, option->max);
    return cli_usage(command, "--%s is '%s', a number of at least %g is wanted",
                     option->name, text, option->min);
}

/* A whole number that ends at `*end`; false where there is none or it does not fit. */
static bool read_u64(uint64_t *out, const char *text, char **end)
{
    errno = 0;
    if (!isdigit((unsigned char)text[0]))
        return false;
    unsigned long long value = strtoull(text, end, 10);
    *out = value;
    return errno == 0;
}

/* "0.35M": a number with k, M or G behind it that comes to a whole one. */
static bool read_amount(uint64_t *out, const char *text)
{
    static const struct {
        char letter;
        double factor;
    } units[] = {{'k', 1e3}, {'M', 1e6}, {'G', 1e9}};
    char *end = NULL;
    double value = isdigit((unsigned char)text[0]) ? strtod(text, &end) : -1;
    for (size_t i = 0; value >= 0 && i < CLI_COUNT(units); i++)
        if (end[0] == units[i].letter && !end[1]) {
            double whole = round(value * units[i].factor);
            if (!(whole < 1e18))
                return false;
            *out = (uint64_t)whole;
            return fabs(value * units[i].factor - whole) < 1e-6 * whole;
        }
    return false;
}

static int set_whole(void *args, const struct cli_command *command,
                     const struct cli_option *option, const char *text)
{
    uint64_t value = 0;
    char *end = NULL;
    bool whole = read_u64(&value, text, &end) && !*end;
    if (!whole && (option->kind != CLI_U64 || !read_amount(&value, text)))
        return cli_usage(command, "--%s is '%s', a whole number is wanted",
                         option->name, text);
    if (out_of_range(option, (double)value))
        return usage_range(command, option, text);
    if (option->kind == CLI_U64)
        *(uint64_t *)field(args, option) = value;
    else
        *(size_t *)field(args, option) = (size_t)value;
    return CLI_DONE;
}

static int set_double(void *args, const struct cli_command *command,
                      const struct cli_option *option, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return cli_usage(command, "--%s is '%s', a number is wanted", option->name,
                         text);
    if (out_of_range(option, value))
        return usage_range(command, option, text);
    *(double *)field(args, option) = value;
    return CLI_DONE;
}

static int set_choice(void *args, const struct cli_command *command,
                      const struct cli_option *option, const char *text)
{
    char known[256] = "";
    for (const struct cli_choice *choice = option->choices; choice->name; choice++) {
        if (strcmp(choice->name, text) == 0) {
            memcpy(field(args, option), &choice->value, sizeof choice->value);
            return CLI_DONE;
        }
        size_t used = strlen(known);
        const char *glue = used == 0 ? "" : choice[1].name ? ", " : " or ";
        snprintf(known + used, sizeof known - used, "%s%s", glue, choice->name);
    }
    return cli_usage(command, "--%s is '%s', wanted is %s", option->name, text, known);
}

/* Lists are 1/2/3 or 1,2,3. */
static bool is_separator(char c)
{
    return c == '/' || c == ',';
}

static int set_sizes(void *args, const struct cli_command *command,
                     const struct cli_option *option, const char *text)
{
    size_t *list = field(args, option);
    size_t count = 0, most = (size_t)option->max - 1;
    uint64_t before = 0;
    const char *at = text;
    for (;;) {
        uint64_t value = 0;
        char *end = NULL;
        if (!read_u64(&value, at, &end) || value <= before || count == most ||
            (*end && !is_separator(*end)))
            return cli_usage(
                command, "--%s is '%s', at most %zu ascending whole numbers are wanted",
                option->name, text, most);
        list[count++] = (size_t)value;
        before = value;
        if (!*end)
            break;
        at = end + 1;
    }
    list[count] = 0;
    return CLI_DONE;
}

static int set_weights(void *args, const struct cli_command *command,
                       const struct cli_option *option, const char *text)
{
    struct cli_weights *list = field(args, option);
    const char *at = text;
    list->count = 0;
    for (;;) {
        char *end = NULL;
        double value = strtod(at, &end);
        if (end == at || !isfinite(value) || list->count == CLI_WEIGHTS_MAX ||
            (*end && !is_separator(*end)))
            return cli_usage(command, "--%s is '%s', numbers like 0.7/0.3 are wanted",
                             option->name, text);
        list->values[list->count++] = value;
        if (!*end)
            return CLI_DONE;
        at = end + 1;
    }
}

int cli_option_set(void *args, const struct cli_command *command,
                   const struct cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
    case CLI_CLEAR:
        *(bool *)field(args, option) = option->kind == CLI_FLAG;
        return CLI_DONE;
    case CLI_SIZE:
    case CLI_U64:
        return set_whole(args, command, option, text);
    case CLI_DOUBLE:
        return set_double(args, command, option, text);
    case CLI_CHOICE:
        return set_choice(args, command, option, text);
    case CLI_SIZES:
        return set_sizes(args, command, option, text);
    case CLI_WEIGHTS:
        return set_weights(args, command, option, text);
    case CLI_STRING:
    case CLI_FILE:
    case CLI_DATA:
        break;
    }
    if (!*text)
        return cli_usage(command, "--%s is empty", option->name);
    *(const char **)field(args, option) = text;
    return CLI_DONE;
}

int cli_option_unknown(const struct cli_command *command, const char *name)
{
    const char *best = NULL;
    size_t distance = 0;
    for (size_t g = 0; command->groups[g]; g++)
        for (size_t i = 0; i < command->groups[g]->count; i++)
            cli_suggest(&best, &distance, name, command->groups[g]->options[i].name);
    if (best)
        return cli_usage(command, "unknown option '--%s' (did you mean '--%s'?)", name,
                         best);
    return cli_usage(command, "unknown option '--%s'", name);
}

struct cursor { /* the command line while it is read */
    int argc, at;
    char **argv;
};

/* argv[at] is --name or --name=value. */
static int parse_long(void *args, const struct cli_command *command,
                      struct cursor *cursor)
{
    char *name = cursor->argv[cursor->at++] + 2;
    char *value = strchr(name, '=');
    if (value)
        *value++ = 0;
    const struct cli_option *option = cli_option_find(command, name);
    if (!option)
        return cli_option_unknown(command, name);
    if (!cli_takes_value(option) && value)
        return cli_usage(command, "--%s takes no value, got '%s'", name, value);
    if (cli_takes_value(option) && !value) {
        if (cursor->at == cursor->argc)
            return cli_usage(command, "--%s wants a value, and there is none", name);
        value = cursor->argv[cursor->at++];
    }
    return cli_option_set(args, command, option, value);
}

static const struct cli_option *find_letter(const struct cli_command *command,
                                            char letter)
{
    for (size_t g = 0; command->groups[g]; g++)
        for (size_t i = 0; i < command->groups[g]->count; i++)
            if (command->groups[g]->options[i].letter == letter)
                return &command->groups[g]->options[i];
    return NULL;
}

/* argv[at] is -a, -abc or -oVALUE. */
static int parse_short(void *args, const struct cli_command *command,
                       struct cursor *cursor)
{
    char *letters = cursor->argv[cursor->at++] + 1;
    for (; *letters; letters++) {
        const struct cli_option *option = find_letter(command, *letters);
        if (!option)
            return cli_usage(command, "unknown option '-%c'", *letters);
        if (!cli_takes_value(option)) {
            cli_option_set(args, command, option, NULL);
            continue;
        }
        if (letters[1])
            return cli_option_set(args, command, option, letters + 1);
        if (cursor->at == cursor->argc)
            return cli_usage(command, "-%c wants a value, and there is none", *letters);
        return cli_option_set(args, command, option, cursor->argv[cursor->at++]);
    }
    return CLI_DONE;
}

int cli_check_complete(const struct cli_command *command, const void *args)
{
    const struct cli_args *base = args;
    if (base->count < command->operands_min || base->count > command->operands_max)
        return cli_usage(command, "%zu operand%s given, wanted is: tenon %s %s",
                         base->count, base->count == 1 ? "" : "s", command->name,
                         command->operands);
    for (size_t i = 0; i < CLI_REQUIRED_MAX && command->required[i]; i++) {
        const struct cli_option *option =
            cli_option_find(command, command->required[i]);
        if (*(const char *const *)const_field(args, option))
            continue;
        if (option->letter)
            return cli_usage(command, "-%c %s is wanted", option->letter,
                             option->value);
        return cli_usage(command, "--%s %s is wanted", option->name, option->value);
    }
    return CLI_DONE;
}

void cli_args_init(void *args, const struct cli_command *command)
{
    struct cli_args *base = args;
    memset(args, 0, command->size);
    if (command->init)
        command->init(args);
    base->command = command;
}

int cli_parse(void *args, const struct cli_command *command, int argc, char **argv)
{
    struct cli_args *base = args;
    struct cursor cursor = {argc, 0, argv};
    bool options = true;
    cli_args_init(args, command);
    base->operands = argv;
    while (cursor.at < argc) {
        char *word = argv[cursor.at];
        int status = CLI_DONE;
        if (options && strcmp(word, "--") == 0) {
            options = false;
            cursor.at++;
        } else if (options && strncmp(word, "--", 2) == 0) {
            status = parse_long(args, command, &cursor);
        } else if (options && word[0] == '-' && word[1]) {
            status = parse_short(args, command, &cursor);
        } else {
            base->operands[base->count++] = word;
            cursor.at++;
        }
        if (status != CLI_DONE)
            return status;
        if (base->help)
            return CLI_DONE;
    }
    return cli_check_complete(command, args);
}

static const char *choice_name(const struct cli_option *option, const void *value)
{
    int number;
    memcpy(&number, value, sizeof number);
    for (const struct cli_choice *choice = option->choices; choice->name; choice++)
        if (choice->value == number)
            return choice->name;
    return "";
}

static void sizes_text(char text[CLI_VALUE_TEXT], const size_t *list)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; list[i] && used < CLI_VALUE_TEXT; i++)
        used += (size_t)snprintf(text + used, CLI_VALUE_TEXT - used, "%s%zu",
                                 i ? "/" : "", list[i]);
}

static void weights_text(char text[CLI_VALUE_TEXT], const struct cli_weights *list)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < list->count && used < CLI_VALUE_TEXT; i++)
        used += (size_t)snprintf(text + used, CLI_VALUE_TEXT - used, "%s%g",
                                 i ? "/" : "", list->values[i]);
}

void cli_option_text(char text[CLI_VALUE_TEXT], const struct cli_option *option,
                     const void *args)
{
    const void *value = const_field(args, option);
    const char *string = "";
    text[0] = 0;
    switch (option->kind) {
    case CLI_FLAG:
    case CLI_CLEAR:
        return;
    case CLI_SIZE:
        snprintf(text, CLI_VALUE_TEXT, "%zu", *(const size_t *)value);
        return;
    case CLI_U64:
        snprintf(text, CLI_VALUE_TEXT, "%llu",
                 (unsigned long long)*(const uint64_t *)value);
        return;
    case CLI_DOUBLE:
        snprintf(text, CLI_VALUE_TEXT, "%g", *(const double *)value);
        return;
    case CLI_SIZES:
        sizes_text(text, value);
        return;
    case CLI_WEIGHTS:
        weights_text(text, value);
        return;
    case CLI_CHOICE:
        string = choice_name(option, value);
        break;
    case CLI_STRING:
    case CLI_FILE:
    case CLI_DATA:
        string = *(const char *const *)value ? *(const char *const *)value : "";
        break;
    }
    snprintf(text, CLI_VALUE_TEXT, "%s", string);
}

/* kind:path,key=value without the folders of the path. */
static cJSON *record_data(const char *spec)
{
    const char *path = strchr(spec, ':');
    size_t keys = strcspn(spec, ",");
    if (!path || path > spec + keys)
        return cJSON_CreateString(spec);
    const char *base = path + 1, *end = spec + keys;
    while (end > base && end[-1] == '/') /* cifar10:folder/ is cifar10:folder */
        end--;
    for (const char *at = base; at < end; at++)
        if (*at == '/')
            base = at + 1;
    size_t size = strlen(spec) + 1;
    char *text = malloc(size);
    if (!text)
        return NULL;
    snprintf(text, size, "%.*s%.*s%s", (int)(path + 1 - spec), spec, (int)(end - base),
             base, spec + keys);
    cJSON *json = cJSON_CreateString(text);
    free(text);
    return json;
}

static cJSON *record_sizes(const size_t *list)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; list[i]; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)list[i]));
    return array;
}

static cJSON *record_value(const struct cli_option *option, const void *args)
{
    const void *value = const_field(args, option);
    char text[CLI_VALUE_TEXT];
    switch (option->kind) {
    case CLI_FLAG:
    case CLI_CLEAR:
        return cJSON_CreateBool(*(const bool *)value == (option->kind == CLI_FLAG));
    case CLI_SIZE:
        return cJSON_CreateNumber((double)*(const size_t *)value);
    case CLI_U64: /* as text where a JSON number would lose digits */
        if (*(const uint64_t *)value <= (uint64_t)1 << 53)
            return cJSON_CreateNumber((double)*(const uint64_t *)value);
        cli_option_text(text, option, args);
        return cJSON_CreateString(text);
    case CLI_DOUBLE:
        return cJSON_CreateNumber(*(const double *)value);
    case CLI_CHOICE:
        return cJSON_CreateString(choice_name(option, value));
    case CLI_SIZES:
        return record_sizes(value);
    case CLI_WEIGHTS: {
        const struct cli_weights *list = value;
        return cJSON_CreateDoubleArray(list->values, (int)list->count);
    }
    case CLI_STRING:
        return cJSON_CreateString(*(const char *const *)value);
    case CLI_FILE:
        return cJSON_CreateString(cli_base_name(*(const char *const *)value));
    case CLI_DATA:
        return record_data(*(const char *const *)value);
    }
    return NULL;
}

/* Strings and lists that were not given are left out. */
static bool is_absent(const struct cli_option *option, const void *value)
{
    switch (option->kind) {
    case CLI_STRING:
    case CLI_FILE:
    case CLI_DATA:
        return !*(const char *const *)value;
    case CLI_SIZES:
        return *(const size_t *)value == 0;
    case CLI_WEIGHTS:
        return ((const struct cli_weights *)value)->count == 0;
    default:
        return false;
    }
}

cJSON *cli_options_record(const struct cli_command *command, const void *args)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t g = 0; command->groups[g]; g++) {
        const struct cli_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const struct cli_option *option = &group->options[i];
            const void *value = const_field(args, option);
            if (!option->recorded || is_absent(option, value))
                continue;
            cJSON *item = record_value(option, args);
            if (!cJSON_AddItemToObject(object, option->name, item)) {
                cJSON_Delete(item);
                cJSON_Delete(object);
                return NULL;
            }
        }
    }
    return object;
}

/* A record's value as the user would have written it, or NULL. */
static const char *restored_text(char text[CLI_VALUE_TEXT], const cJSON *item)
{
    if (cJSON_IsString(item))
        return item->valuestring;
    if (!cJSON_IsNumber(item))
        return NULL;
    snprintf(text, CLI_VALUE_TEXT, "%.17g", item->valuedouble);
    return text;
}

int cli_options_restore(void *args, const struct cli_command *command,
                        const cJSON *record)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, record)
    {
        char text[CLI_VALUE_TEXT];
        const struct cli_option *option = cli_option_find(command, item->string);
        if (!option || !option->recorded)
            return cli_usage(command, "the record has an unknown option '%s'",
                             item->string);
        if (option->kind == CLI_DATA || option->kind == CLI_FILE)
            continue;
        if (!cli_takes_value(option)) {
            if (cJSON_IsTrue(item))
                cli_option_set(args, command, option, NULL);
            continue;
        }
        const char *value = restored_text(text, item);
        if (!value)
            return cli_usage(command, "the record of option '%s' is no text or number",
                             item->string);
        int status = cli_option_set(args, command, option, value);
        if (status != CLI_DONE)
            return status;
    }
    return CLI_DONE;
}
