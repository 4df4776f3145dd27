/* manual.c - manual pages, made from the tables of command.h.
 *
 * The source is for man(7): one .TP for each option, in the groups of the help screens.
 * What help says and the manual says is one text.
 */
#include "manual.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "message.h"
#include "tenon/version.h"

/* Text as roff shows it: a hyphen that can be copied, and no line that is a request. */
static void print_roff(const char *text)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
        begins = *text == '\n';
    }
}

static void print_upper(const char *text)
{
    for (; *text; text++)
        putchar(toupper((unsigned char)*text));
}

static void print_title(const char *name)
{
    printf(".TH \"");
    print_upper(name);
    printf("\" 1 \"\" \"tenon %s\" \"Tenon\"\n.SH NAME\n", tn_version());
}

static void print_paragraph(const char *title, const char *text)
{
    printf(".SH %s\n", title);
    print_roff(text);
    putchar('\n');
}

static void print_option(const struct cli_option *option, const void *defaults)
{
    char left[CLI_OPTION_TEXT], text[CLI_SENTENCE_TEXT];
    cli_help_option(left, option);
    cli_help_sentence(text, option, defaults);
    fputs(".TP\n.B ", stdout);
    print_roff(left);
    putchar('\n');
    print_roff(text);
    putchar('\n');
}

static void print_examples(const char *examples)
{
    fputs(".SH EXAMPLES\n.nf\n", stdout);
    print_roff(examples);
    fputs(".fi\n", stdout);
}

static int print_command(const struct cli_command *command)
{
    char name[64], synopsis[CLI_SENTENCE_TEXT];
    void *defaults = cli_help_defaults(command);
    if (!defaults)
        return cli_fail_text("out of memory");
    snprintf(name, sizeof name, "tenon-%s", command->name);
    cli_help_synopsis(synopsis, command);
    print_title(name);
    print_roff(name);
    fputs(" \\- ", stdout);
    print_roff(command->summary);
    printf("\n.SH SYNOPSIS\n.B tenon %s\n", command->name);
    print_roff(synopsis);
    putchar('\n');
    print_paragraph("DESCRIPTION", command->about);
    fputs(".SH OPTIONS\n", stdout);
    for (size_t g = 0; command->groups[g]; g++) {
        const struct cli_group *group = command->groups[g];
        printf(".SS %s\n", group->title);
        for (size_t i = 0; i < group->count; i++)
            print_option(&group->options[i], defaults);
    }
    if (command->examples)
        print_examples(command->examples);
    fputs(".SH SEE ALSO\n.BR tenon (1)\n", stdout);
    free(defaults);
    return CLI_DONE;
}

static int print_overview(void)
{
    print_title("tenon");
    fputs(
        "tenon \\- makes one better neural network out of trained ones\n"
        ".SH SYNOPSIS\n.B tenon\n.I COMMAND\n[operands and options]\n"
        ".SH DESCRIPTION\n"
        "Fuses, prunes and assembles neural networks that are already trained, without "
        "training from scratch.\n"
        "Results go to the standard output, progress to the standard error.\n"
        ".SH COMMANDS\n",
        stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        printf(".TP\n.BR tenon\\-%s (1)\n", cli_commands[i]->name);
        print_roff(cli_commands[i]->summary);
        putchar('\n');
    }
    fputs(".SH EXIT STATUS\n0: done. 1: failed. 2: the command line is wrong.\n",
          stdout);
    return CLI_DONE;
}

int cli_manual_print(const struct cli_command *command)
{
    return command ? print_command(command) : print_overview();
}
