/* table.h - aligned columns on stdout, and numbers as people read them. */
#ifndef TENON_CLI_TABLE_H
#define TENON_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define CLI_NUMBER_TEXT 48

/* Each returns `text`. "-" stands for what is not finite. */
const char *cli_text_count(char text[CLI_NUMBER_TEXT], uint64_t value);  /* 269,722 */
const char *cli_text_amount(char text[CLI_NUMBER_TEXT], uint64_t value); /* 40.8 M */
const char *cli_text_percent(char text[CLI_NUMBER_TEXT], double share);  /* 91.50 % */
const char *cli_text_fixed(char text[CLI_NUMBER_TEXT], double value, int digits);
const char *cli_text_time(char text[CLI_NUMBER_TEXT], double value);  /* 0.042, 1.23 */
const char *cli_text_short(char text[CLI_NUMBER_TEXT], double value); /* 1.2e-09 */
const char *cli_text_shape(char text[CLI_NUMBER_TEXT], const int64_t *dims, int rank);

/* Rows of cells; the first row is the header. The first `left` columns are aligned to
 * the left, the others to the right. */
struct cli_table {
    size_t columns, left;
    size_t count, capacity; /* cells */
    char **cells;
};

void cli_table_init(struct cli_table *table, size_t columns, size_t left);
/* Adds a copy of one cell, row after row; NULL is "-". */
void cli_table_add(struct cli_table *table, const char *text);
void cli_table_print(const struct cli_table *table);
void cli_table_release(struct cli_table *table);

/* Memory for the command's own small needs; ends the program where there is none. */
void *cli_alloc(size_t count, size_t size);
char *cli_strdup(const char *text);

#endif
