/* fuzz_tar.c - tar files of images on any bytes: names become classes, members are
 * decoded. */
#include "fuzz.h"

#include "tenon/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], spec[FUZZ_PATH + 8];
    tn_dataset *set = NULL;
    fuzz_file(path, "tar", data, size);
    (void)snprintf(spec, sizeof spec, "tar:%s", path);
    if (tn_dataset_open(&set, spec, NULL, NULL) == TN_OK)
        tn_dataset_free(set);
    (void)unlink(path);
    return 0;
}
