/* fuzz_plan.c - plans of pruning on any bytes; one that can be read is written and read
 * again. */
#include "fuzz.h"

#include "tenon/prune.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    tn_prune_plan *plan = NULL, *again = NULL;
    tn_error err = {0};
    fuzz_file(path, "plan", data, size);
    if (tn_prune_plan_load(&plan, path, NULL) == TN_OK) {
        const tn_save_options over = {.replace = true};
        if (tn_prune_plan_save(plan, path, NULL, &over, &err) ||
            tn_prune_plan_load(&again, path, &err)) {
            (void)fprintf(stderr, "%s\n", err.message);
            abort();
        }
    }
    tn_prune_plan_free(again);
    tn_prune_plan_free(plan);
    (void)unlink(path);
    return 0;
}
