/* report.c - see report.h. In the page the object stands in a script element, where
 * only
 * "<" could end it: that is written as JSON's \u003c.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "message.h"
#include "options.h"
#include "report_parts.h"
#include "score.h"
#include "tenon/version.h"

static const char *const endings[] = {".html", NULL};

static const struct cli_option options[] = {
    CLI_OPTION("report", CLI_FILE, offsetof(struct cli_args, report), "FILE.html",
               "write the result as one page with charts, for any browser",
               .recorded = false),
};
const struct cli_group cli_group_report = CLI_GROUP("Report", options);

bool cli_report_wanted(const struct cli_args *args)
{
    return args->json || args->report;
}

int cli_report_check(const struct cli_args *args)
{
    tn_error err = {0};
    if (!args->report)
        return CLI_DONE;
    if (!cli_report_d3[0])
        return cli_fail_text(
            "cannot write '%s': this tenon was built without D3, which "
            "draws the charts: install libjs-d3 and build again",
            args->report);
    if (cli_output_check(args, args->report, endings, &err) != TN_OK)
        return cli_fail(&err);
    return CLI_DONE;
}

/* How the result was made, as in the files that are written. */
static cJSON *made_json(const struct cli_args *args)
{
    cJSON *made = cJSON_CreateObject();
    cJSON_AddStringToObject(made, "version", tn_version());
    cJSON_AddStringToObject(made, "command", args->command->name);
    cJSON *operands = cJSON_AddArrayToObject(made, "operands");
    for (size_t i = 0; i < args->count; i++)
        cJSON_AddItemToArray(operands,
                             cJSON_CreateString(cli_base_name(args->operands[i])));
    cJSON_AddItemToObject(made, "options", cli_options_record(args->command, args));
    return made;
}

static bool put_data(FILE *file, const char *json)
{
    bool done = true;
    for (const char *c = json; *c && done; c++)
        done = *c == '<' ? fputs("\\u003c", file) >= 0 : fputc(*c, file) >= 0;
    return done;
}

/* cli_fill */
static bool put_page(FILE *file, const void *user)
{
    const char *json = user;
    return fprintf(file,
                   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
                   "charset=\"utf-8\">\n<meta name=\"viewport\" "
                   "content=\"width=device-width\">\n<title>tenon</title>\n"
                   "<style>\n%s</style>\n<script>\n%s\n</script>\n</head>\n<body>\n"
                   "<header><h1>tenon</h1><p></p></header>\n<main></main>\n"
                   "<footer>Drawn with D3 %s by tenon %s. This page needs no "
                   "network.</footer>\n<script id=\"report\" "
                   "type=\"application/json\">",
                   cli_report_style, cli_report_d3, "(BSD licence)",
                   tn_version()) >= 0 &&
           put_data(file, json) &&
           fprintf(file, "</script>\n<script>\n%s%s</script>\n</body>\n</html>\n",
                   cli_report_charts, cli_report_page) >= 0;
}

static int write_page(const struct cli_args *args, cJSON *result)
{
    tn_error err = {0};
    cJSON *page = cJSON_CreateObject();
    cJSON_AddItemReferenceToObject(page, "result", result);
    cJSON_AddItemToObject(page, "made", made_json(args));
    char *json = cJSON_PrintUnformatted(page);
    cJSON_Delete(page);
    if (!json)
        return cli_fail_text("out of memory");
    tn_status status = cli_file_write(args->report, args->force, put_page, json, &err);
    cJSON_free(json);
    return status == TN_OK ? CLI_DONE : cli_fail(&err);
}

int cli_report_tell(const struct cli_args *args, cJSON *result)
{
    int status = args->report ? write_page(args, result) : CLI_DONE;
    if (status == CLI_DONE && args->json)
        return cli_json_print(result);
    cJSON_Delete(result);
    if (status == CLI_DONE)
        cli_note(args, "wrote %s", args->report);
    return status;
}
