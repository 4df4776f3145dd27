/* report.h - what a job says in machine-readable form: --json on stdout, and --report
 * as one page with charts, that needs nothing but a browser.
 *
 * Both hold the same object. The page is that object, D3, and the drawing of
 * cli/report/; which charts it has depends on what is in the object.
 */
#ifndef TENON_CLI_REPORT_H
#define TENON_CLI_REPORT_H

#include <cjson/cJSON.h>

#include "command.h"

/* --report FILE.html */
extern const struct cli_group cli_group_report;

/* Whether the result is wanted as JSON for either. */
bool cli_report_wanted(const struct cli_args *args);

/* Before the work: can --report be written? Prints one line and returns CLI_FAILED
 * where not. */
int cli_report_check(const struct cli_args *args);

/* Writes the page and prints the JSON, where asked for; takes `result`. */
int cli_report_tell(const struct cli_args *args, cJSON *result);

#endif
