/* fuzz_alignment.c - alignments of layers in JSON, on any bytes. */
#include "fuzz.h"

#include "alignment.h"

#define MODELS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    struct cli_given given = {0};
    tn_depth_options options = TN_DEPTH_OPTIONS_INIT;
    tn_error err = {0};
    fuzz_file(path, "alignment", data, size);
    (void)!cli_given_read(&given, &options, path, MODELS, &err);
    cli_given_release(&given);
    (void)unlink(path);
    return 0;
}
