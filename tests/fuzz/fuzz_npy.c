/* fuzz_npy.c - NumPy's files on any bytes; an array that can be read is written and
 * read again. */
#include "fuzz.h"

#include "npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    struct cli_array array = {0}, again = {0};
    tn_error err = {0};
    fuzz_file(path, "npy", data, size);
    if (cli_npy_read(&array, path, &err) == TN_OK) {
        fuzz_want(!cli_npy_write(&array, path, true, &err) &&
                      !cli_npy_read(&again, path, &err),
                  err.message);
        fuzz_want(again.rank == array.rank && again.count == array.count &&
                      !memcmp(again.dims, array.dims, sizeof array.dims) &&
                      !memcmp(again.values, array.values, array.count * sizeof(float)),
                  "written and read is another array");
    }
    cli_npy_release(&again);
    cli_npy_release(&array);
    (void)unlink(path);
    return 0;
}
