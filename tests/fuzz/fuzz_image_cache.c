/* fuzz_image_cache.c - entries of the cache of decoded images on any bytes: the first
 * says whether the spec scales images, the others are the file. */
#include "fuzz.h"

#include "data/image_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH], kind[] = "tar", archive[] = "a.tar";
    tn__data_spec spec = {.kind = kind, .path = archive, .seed = 1};
    bool found = false;
    tn_dataset *set = tn__alloc(1, sizeof *set);
    if (size > 0 && set) {
        spec.size = data[0] & 1 ? 2 : 0;
        fuzz_file(path, "images", data + 1, size - 1);
        if (tn__image_cache_load(&found, set, &spec, path, NULL) == TN_OK && found)
            (void)!tn__dataset_finish(set, &spec, NULL);
        (void)unlink(path);
    }
    tn_dataset_free(set);
    return 0;
}
