/* command.h - what a subcommand is: a row of data and one function.
 *
 * Help screens, the parser, the record that goes into written files, and everything
 * else that must know the options of a command read them from here. To add a
 * subcommand, add cmd_NAME.c with its `struct cli_command` and name it in commands.c.
 */
#ifndef TENON_CLI_COMMAND_H
#define TENON_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/dtype.h"

enum cli_kind {
    CLI_FLAG,    /* bool, becomes true */
    CLI_CLEAR,   /* bool, becomes false */
    CLI_SIZE,    /* size_t */
    CLI_U64,     /* uint64_t */
    CLI_DOUBLE,  /* double */
    CLI_STRING,  /* const char *, borrowed from the command line */
    CLI_FILE,    /* the same, a path: its last part goes into records */
    CLI_DATA,    /* the same, kind:path[,key=value...] */
    CLI_CHOICE,  /* an enum, by the names in `choices` */
    CLI_SIZES,   /* size_t[max], ascending, ends at 0 */
    CLI_WEIGHTS, /* struct cli_weights */
};

#define CLI_WEIGHTS_MAX 64
struct cli_weights {
    size_t count;
    double values[CLI_WEIGHTS_MAX];
};

struct cli_choice {
    const char *name; /* NULL ends a list */
    int value;
};

struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    enum cli_kind kind;
    bool recorded;     /* the result depends on it: goes into the files written */
    size_t offset;     /* of its field in the command's arguments */
    const char *value; /* what help calls the value; NULL for flags and choices */
    const char *help;
    const struct cli_choice *choices;
    double min, max; /* both 0: any number; max 0: no upper end */
};

struct cli_group {
    const char *title;
    const struct cli_option *options;
    size_t count;
};

/* A row of an option table; behind its text come its other members, .recorded first. */
#define CLI_OPTION(name_, kind_, at_, value_, help_, ...)                              \
    {                                                                                  \
        .name = (name_), .kind = (kind_), .offset = (at_), .value = (value_),          \
        .help = (help_), __VA_ARGS__                                                   \
    }

#define CLI_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLI_GROUP(title, options)                                                      \
    {                                                                                  \
        title, options, CLI_COUNT(options)                                             \
    }
#define CLI_GROUPS_MAX 10
#define CLI_REQUIRED_MAX 4

struct cli_command {
    const char *name;
    const char *operands; /* "MODEL MODEL..." */
    const char *summary;  /* one line, for the list of commands */
    const char *about;    /* paragraphs; wrapped when shown */
    const char *examples; /* one a line */
    size_t operands_min, operands_max;
    const char *written; /* the option that names the file to write, where that is not
                            --output; "": the last operand does */
    const char *required[CLI_REQUIRED_MAX];         /* options; ends at NULL */
    const struct cli_group *groups[CLI_GROUPS_MAX]; /* ends at NULL */
    size_t size;              /* of its arguments, which begin with struct cli_args */
    void (*init)(void *args); /* sets the defaults in zeroed arguments; may be NULL */
    int (*run)(void *args);   /* returns the exit status */
};

/* The arguments all commands share; those of one command begin with this. */
struct cli_args {
    const struct cli_command *command;
    char **operands; /* [count], borrowed from the command line */
    size_t count;
    bool json, quiet, verbose, help;
    size_t threads;
    const char *output;
    bool force;
    const char *arch, *graph;
    const char *data, *eval_data;
    const char *report;
    bool mpi;
    const struct tn_cluster *cluster; /* that shares evaluations (cluster.h), or NULL */
    tn_precision precision;
};

/* --eval-data of the commands that show accuracies before and after. */
#define CLI_EVAL_DATA_OPTION                                                           \
    CLI_OPTION("eval-data", CLI_DATA, offsetof(struct cli_args, eval_data), "SPEC",    \
               "images for the accuracy before and after; as --data with split=test "  \
               "unless given; 'none' leaves the accuracies out",                       \
               .recorded = false)

/* --mpi of the commands that share work among processes (cluster.h). */
#define CLI_MPI_OPTION(what)                                                           \
    CLI_OPTION("mpi", CLI_FLAG, offsetof(struct cli_args, mpi), NULL,                  \
               "share " what " among the processes that mpirun started; the result "   \
               "is that of one",                                                       \
               .recorded = false)

/* --precision; the offset of a tn_precision. */
extern const struct cli_choice cli_precisions[];
#define CLI_PRECISION_OPTION(at)                                                       \
    CLI_OPTION("precision", CLI_CHOICE, (at), NULL,                                    \
               "convolutions and products in bf16 or f32; 'auto' is bf16 where the "   \
               "CPU has it. Parameters and sums are f32 always",                       \
               .recorded = true, .choices = cli_precisions)

/* Option groups that several commands have. */
extern const struct cli_group cli_group_common; /* --json -q -v --threads -h */
extern const struct cli_group cli_group_output; /* -o -f */
extern const struct cli_group cli_group_models; /* --arch --graph */
extern const struct cli_group cli_group_data;   /* --data, of evaluation */
extern const struct cli_group cli_group_speed;  /* --precision, of evaluation */

/* Every command, in the order of the list that `tenon` prints; ends at NULL. */
extern const struct cli_command *const cli_commands[];

/* The command of that name, or NULL. */
const struct cli_command *cli_command_find(const char *name);

/* The option of that name, or NULL. */
const struct cli_option *cli_option_find(const struct cli_command *command,
                                         const char *name);

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit status */

#endif
