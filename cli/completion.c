/* completion.c - what a shell completes, made from the tables of command.h.
 *
 * Commands after `tenon`, options after a command, the names of a choice after its
 * option, file names everywhere else.
 */
#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "command.h"

/* Calls visit() for each option of a command. */
typedef void option_visit(const struct cli_command *command,
                          const struct cli_option *option);

static void visit_options(const struct cli_command *command, option_visit *visit)
{
    for (size_t g = 0; command->groups[g]; g++)
        for (size_t i = 0; i < command->groups[g]->count; i++)
            visit(command, &command->groups[g]->options[i]);
}

static bool takes_value(const struct cli_option *option)
{
    return option->kind != CLI_FLAG && option->kind != CLI_CLEAR;
}

/* Text between single quotes, for bash, zsh and fish alike. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, 0}, stdout);
    putchar('\'');
}

static void print_names(const struct cli_choice *choices)
{
    for (const struct cli_choice *c = choices; c->name; c++)
        printf("%s%s", c == choices ? "" : " ", c->name);
}

/* --- bash ------------------------------------------------------------------------- */

static void bash_option(const struct cli_command *command,
                        const struct cli_option *option)
{
    (void)command;
    printf(" --%s", option->name);
}

static void bash_choice(const struct cli_command *command,
                        const struct cli_option *option)
{
    if (option->kind != CLI_CHOICE)
        return;
    printf("    %s:--%s) words='", command->name, option->name);
    print_names(option->choices);
    printf("' ;;\n");
}

static void print_bash(void)
{
    fputs("# bash completion for tenon\n"
          "_tenon() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
          "words=\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "    words='help",
          stdout);
    for (size_t i = 0; cli_commands[i]; i++)
        printf(" %s", cli_commands[i]->name);
    fputs("'\n  elif case $word in -*) true ;; *) false ;; esac; then\n"
          "    case ${COMP_WORDS[1]} in\n",
          stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        printf("    %s) words='", cli_commands[i]->name);
        visit_options(cli_commands[i], bash_option);
        fputs("' ;;\n", stdout);
    }
    fputs("    esac\n  else\n    case ${COMP_WORDS[1]}:$before in\n", stdout);
    for (size_t i = 0; cli_commands[i]; i++)
        visit_options(cli_commands[i], bash_choice);
    fputs("    esac\n  fi\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "}\n"
          "complete -o default -F _tenon tenon\n",
          stdout);
}

/* --- zsh -------------------------------------------------------------------------- */

static void zsh_option(const struct cli_command *command,
                       const struct cli_option *option)
{
    (void)command;
    printf("      '--%s%s[", option->name, takes_value(option) ? "=" : "");
    for (const char *c = option->help; *c; c++) {
        if (*c == '[' || *c == ']' || *c == ':' || *c == '\\')
            putchar('\\');
        fputs(*c == '\'' ? "'\\''" : (char[]){*c, 0}, stdout);
    }
    putchar(']');
    if (option->kind == CLI_CHOICE) {
        fputs(":name:(", stdout);
        print_names(option->choices);
        putchar(')');
    } else if (takes_value(option)) {
        printf(":%s:%s", option->value ? option->value : "value",
               option->kind == CLI_FILE ? "_files" : "");
    }
    fputs("' \\\n", stdout);
}

static void print_zsh(void)
{
    fputs("#compdef tenon\n# zsh completion for tenon\n"
          "local -a commands=(\n",
          stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s:%s", cli_commands[i]->name,
                 cli_commands[i]->summary);
        fputs("  ", stdout);
        print_quoted(text);
        putchar('\n');
    }
    fputs("  'help:options of a command'\n)\n"
          "if (( CURRENT == 2 )); then\n"
          "  _describe command commands\n"
          "else\n"
          "  case ${words[2]} in\n",
          stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        printf("    %s)\n      _arguments \\\n", cli_commands[i]->name);
        visit_options(cli_commands[i], zsh_option);
        fputs("      '*:file:_files' ;;\n", stdout);
    }
    fputs("  esac\nfi\n", stdout);
}

/* --- fish ------------------------------------------------------------------------- */

static void fish_option(const struct cli_command *command,
                        const struct cli_option *option)
{
    printf("complete -c tenon -n '__fish_seen_subcommand_from %s' -l %s", command->name,
           option->name);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (takes_value(option))
        fputs(" -r", stdout);
    if (option->kind == CLI_CHOICE) {
        fputs(" -f -a '", stdout);
        print_names(option->choices);
        putchar('\'');
    }
    fputs(" -d ", stdout);
    print_quoted(option->help);
    putchar('\n');
}

static void print_fish(void)
{
    fputs("# fish completion for tenon\n", stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        printf("complete -c tenon -n __fish_use_subcommand -a %s -d ",
               cli_commands[i]->name);
        print_quoted(cli_commands[i]->summary);
        putchar('\n');
        visit_options(cli_commands[i], fish_option);
    }
}

bool cli_completion_print(const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < CLI_COUNT(shells); i++) {
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print();
            return true;
        }
    }
    return false;
}
