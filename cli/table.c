/* table.c - see table.h. Widths are those of the widest cell; two blanks between
 * columns; nothing trails.
 */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

void *cli_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        exit(cli_fail_text("out of memory"));
    return memory;
}

char *cli_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(cli_alloc(size, 1), text, size);
}

const char *cli_text_count(char text[CLI_NUMBER_TEXT], uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

const char *cli_text_amount(char text[CLI_NUMBER_TEXT], uint64_t value)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P", " E"};
    double number = (double)value;
    size_t unit = 0;
    for (; number >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        number /= 1000;
    int digits = unit == 0 || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    snprintf(text, CLI_NUMBER_TEXT, "%.*f%s", digits, number, units[unit]);
    return text;
}

const char *cli_text_percent(char text[CLI_NUMBER_TEXT], double share)
{
    if (!isfinite(share))
        return strcpy(text, "-");
    snprintf(text, CLI_NUMBER_TEXT, "%.2f %%", 100 * share);
    return text;
}

const char *cli_text_fixed(char text[CLI_NUMBER_TEXT], double value, int digits)
{
    if (!isfinite(value))
        return strcpy(text, "-");
    if (fabs(value) >= 1e9)
        snprintf(text, CLI_NUMBER_TEXT, "%.3e", value);
    else
        snprintf(text, CLI_NUMBER_TEXT, "%.*f", digits, value);
    return text;
}

const char *cli_text_time(char text[CLI_NUMBER_TEXT], double value)
{
    return cli_text_fixed(text, value, value < 1 ? 3 : 2);
}

const char *cli_text_short(char text[CLI_NUMBER_TEXT], double value)
{
    if (!isfinite(value))
        return strcpy(text, "-");
    snprintf(text, CLI_NUMBER_TEXT, "%.3g", value);
    return text;
}

const char *cli_text_shape(char text[CLI_NUMBER_TEXT], const int64_t *dims, int rank)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < rank && used < CLI_NUMBER_TEXT; i++)
        used += (size_t)snprintf(text + used, CLI_NUMBER_TEXT - used, "%s%lld",
                                 i ? "x" : "", (long long)dims[i]);
    return text;
}

void cli_table_init(struct cli_table *table, size_t columns, size_t left)
{
    *table = (struct cli_table){.columns = columns, .left = left};
}

void cli_table_add(struct cli_table *table, const char *text)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **cells = cli_alloc(capacity, sizeof *cells);
        if (table->count)
            memcpy(cells, table->cells, table->count * sizeof *cells);
        free(table->cells);
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = cli_strdup(text ? text : "-");
}

void cli_table_print(const struct cli_table *table)
{
    size_t *width = cli_alloc(table->columns, sizeof *width);
    for (size_t i = 0; i < table->count; i++) {
        size_t length = strlen(table->cells[i]);
        if (length > width[i % table->columns])
            width[i % table->columns] = length;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        int room = (int)width[column];
        if (column >= table->left)
            printf("%*s", room, table->cells[i]);
        else
            printf("%-*s", last ? 0 : room, table->cells[i]);
        fputs(last ? "\n" : "  ", stdout);
    }
    free(width);
}

void cli_table_release(struct cli_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct cli_table){0};
}
