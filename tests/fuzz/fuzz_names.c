/* fuzz_names.c - what options say of groups, nodes and blocks by name, on any text:
 * three lines for pruning (groups, exclude, keep), one for a chain of blocks. */
#include "fuzz.h"

#include "assemble/job.h"
#include "prune/prune.h"

static tn_model *model;
static tn_zoo *zoo;
static tn__groups *groups;

static void set_up(void)
{
    fuzz_want(!tn_model_create(&model, "mlp:4-3-3-2", NULL, 2, 1, NULL) &&
                  !tn__groups_find(&groups, model, NULL) &&
                  !tn_zoo_create(&zoo, NULL) && !tn_zoo_add(zoo, model, NULL, NULL),
              "no model");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    tn__limits limits = {0};
    tn__block blocks[TN__BLOCKS_MAX];
    const char *chain = "",
               **lines[] = {&options.groups, &options.exclude, &options.keep, &chain};
    char *text = fuzz_copy(data, size, true), *at = text;
    size_t count = 0;
    if (!model)
        set_up();
    for (size_t k = 0; k < TN__COUNT(lines); k++) {
        size_t length = strcspn(at, "\n");
        bool more = at[length] != 0;
        *lines[k] = at;
        at[length] = 0;
        at += length + more;
    }
    if (tn__limits_create(&limits, model, groups, &options, NULL) == TN_OK)
        tn__limits_release(&limits);
    (void)!tn__chain_parse(blocks, &count, zoo, chain, NULL);
    free(text);
    return 0;
}
