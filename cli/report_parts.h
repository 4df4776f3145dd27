/* report_parts.h - what a report page is made of besides its numbers, as text built
 * into the command: cli/report/ and D3 ("" where the build had none). */
#ifndef TENON_CLI_REPORT_PARTS_H
#define TENON_CLI_REPORT_PARTS_H

extern const char cli_report_style[], cli_report_charts[], cli_report_page[],
    cli_report_d3[];

#endif
