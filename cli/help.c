/* help.c - prints the tables as help.
 *
 * Defaults are read from the argument struct after the command's init, which takes them
 * from the option structs of the public headers: they cannot go stale.
 */
#include "help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"
#include "tenon/model.h"

#define WIDTH 80
#define HELP_COLUMN 26

static const char data_topic[] =
    "SPEC names labelled images: kind:path[,key=value...]\n"
    "\n"
    "  idx:DIR|FILE       MNIST's files, plain, .gz or .zst\n"
    "  cifar10:DIR|FILE   CIFAR-10 binary records, plain, .gz or .zst\n"
    "  images:DIR         one folder a class, DIR/[SPLIT/]CLASS/ with .jpg or .png\n"
    "  tar:FILE           the same inside .tar, .tar.gz or .tar.zst\n"
    "  fashion-mnist      Debian's package dataset-fashion-mnist\n"
    "  random:CxHxW       standard normal images with random labels, for tests\n"
    "\n"
    "Keys, with lists written a/b/c:\n"
    "\n"
    "  split=train|test|val  which part\n"
    "  only=0-4/7            images of these classes\n"
    "  part=K/N              the Kth of N disjoint parts, which share the images of\n"
    "                        each class: alike, or in the proportions shares=a/b/c,\n"
    "                        or as drawn from a Dirichlet distribution, the less\n"
    "                        alike the smaller dirichlet=A; special=0-4/7: classes\n"
    "                        that the first part alone has\n"
    "  limit=N, skip=N       N images of these; all but the first N\n"
    "  mean=a/b/c, std=a/b/c of the pixels in 0..1, one for each channel; unless\n"
    "                        given those of MNIST, Fashion-MNIST, CIFAR-10 or\n"
    "                        ImageNet, by the kind and the size of the images\n"
    "  size=N                scale images to NxN\n"
    "  classes=N             number of classes\n"
    "  cache=DIR             of a tar: keep its images decoded in DIR, by content\n"
    "  seed=N                of random images; of the order of folders and tars;\n"
    "                        of parts\n"
    "\n"
    "Example:\n"
    "  "
    "cifar10:data_batch.bin,limit=1000,mean=0.485/0.456/0.406,std=0.229/0.224/0.225\n";

void cli_help_overview(void)
{
    fputs("tenon makes one better neural network out of networks that are already\n"
          "trained, without training from scratch.\n\n"
          "Usage: tenon COMMAND [operands and options]\n\n"
          "Commands:\n",
          stdout);
    for (size_t i = 0; cli_commands[i]; i++)
        printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fputs("\n"
          "A model is an .onnx file, or .safetensors, .pt, .pth, .th or .checkpoint\n"
          "weights with --arch NAME. Images are named kind:path[,key=value...].\n\n"
          "  tenon help COMMAND   the options of a command, with their defaults\n"
          "  tenon help data      how images are named\n"
          "  tenon help arch      built-in architectures\n"
          "  tenon help man, tenon help completion bash|zsh|fish\n"
          "                       manual pages; what a shell completes\n"
          "  tenon --version      the version\n\n"
          "Results go to stdout, progress to stderr. Exit status: 0 done, 1 failed,\n"
          "2 usage.\n",
          stdout);
}

/* Prints text between column `indent` and WIDTH; the cursor stands at `column`. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column > indent && column + 1 + word > WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word;
        if (*text == '\n') {
            printf("\n%*s", text[1] == '\n' ? 0 : (int)indent, "");
            column = indent;
        }
        if (*text)
            text++;
    }
    putchar('\n');
}

void cli_help_option(char text[CLI_OPTION_TEXT], const struct cli_option *option)
{
    const char *value = option->value                ? option->value
                        : option->kind == CLI_CHOICE ? "NAME"
                                                     : "";
    int used = 0;
    if (option->letter)
        used = snprintf(text, CLI_OPTION_TEXT, "-%c, ", option->letter);
    snprintf(text + used, CLI_OPTION_TEXT - (size_t)used, "--%s%s%s", option->name,
             value[0] ? " " : "", value);
}

void cli_help_sentence(char text[CLI_SENTENCE_TEXT], const struct cli_option *option,
                       const void *defaults)
{
    char value[CLI_VALUE_TEXT];
    size_t size = CLI_SENTENCE_TEXT;
    size_t used = (size_t)snprintf(text, size, "%s", option->help);
    if (option->kind == CLI_CHOICE) {
        for (const struct cli_choice *c = option->choices; c->name && used < size;
             c++) {
            const char *glue = c == option->choices ? " (" : c[1].name ? ", " : " or ";
            used += (size_t)snprintf(text + used, size - used, "%s%s%s", glue, c->name,
                                     c[1].name ? "" : ")");
        }
    }
    cli_option_text(value, option, defaults);
    if (value[0] && used < size)
        snprintf(text + used, size - used, " [%s]", value);
}

void cli_help_synopsis(char text[CLI_SENTENCE_TEXT], const struct cli_command *command)
{
    size_t size = CLI_SENTENCE_TEXT;
    size_t used = (size_t)snprintf(text, size, "%s ", command->operands);
    for (size_t i = 0; i < CLI_REQUIRED_MAX && command->required[i]; i++) {
        const struct cli_option *option =
            cli_option_find(command, command->required[i]);
        char letter[] = {'-', option->letter, 0};
        const char *dashes = option->letter ? "" : "--";
        used += (size_t)snprintf(text + used, size - used, "%s%s %s ", dashes,
                                 option->letter ? letter : option->name, option->value);
    }
    snprintf(text + used, size - used, "[options]");
}

void *cli_help_defaults(const struct cli_command *command)
{
    void *defaults = calloc(1, command->size);
    if (defaults && command->init)
        command->init(defaults);
    return defaults;
}

static void print_option(const struct cli_option *option, const void *defaults)
{
    char left[CLI_OPTION_TEXT], text[CLI_SENTENCE_TEXT];
    cli_help_option(left, option);
    size_t width = 2 + strlen(left);
    printf("  %s", left);
    if (width + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", (int)(HELP_COLUMN - width), "");
    cli_help_sentence(text, option, defaults);
    print_wrapped(text, HELP_COLUMN, HELP_COLUMN);
}

int cli_help_command(const struct cli_command *command)
{
    char synopsis[CLI_SENTENCE_TEXT];
    void *defaults = cli_help_defaults(command);
    if (!defaults)
        return cli_fail_text("out of memory");
    cli_help_synopsis(synopsis, command);
    printf("Usage: tenon %s %s\n\n", command->name, synopsis);
    print_wrapped(command->about, 0, 0);
    for (size_t g = 0; command->groups[g]; g++) {
        const struct cli_group *group = command->groups[g];
        printf("\n%s:\n", group->title);
        for (size_t i = 0; i < group->count; i++)
            print_option(&group->options[i], defaults);
    }
    if (command->examples)
        printf("\nExamples:\n%s", command->examples);
    free(defaults);
    return CLI_DONE;
}

bool cli_help_topic(const char *topic)
{
    if (strcmp(topic, "data") == 0) {
        fputs(data_topic, stdout);
    } else if (strcmp(topic, "arch") == 0) {
        const char *text = tn_arch_help();
        fputs(text, stdout);
        if (*text && text[strlen(text) - 1] != '\n')
            putchar('\n');
    } else {
        return false;
    }
    return true;
}
