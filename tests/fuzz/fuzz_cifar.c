/* fuzz_cifar.c - CIFAR-10's binary files, plain or compressed, on any bytes. */
#include "fuzz.h"

#include "tenon/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], spec[FUZZ_PATH + 8];
    tn_dataset *set = NULL;
    fuzz_file(path, "cifar", data, size);
    (void)snprintf(spec, sizeof spec, "cifar10:%s", path);
    if (tn_dataset_open(&set, spec, NULL, NULL) == TN_OK)
        tn_dataset_free(set);
    (void)unlink(path);
    return 0;
}
