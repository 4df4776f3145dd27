/* fuzz_spec.c - what `--data` says, on any text. */
#include "fuzz.h"

#include "data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn__data_spec spec = {0};
    char *text = fuzz_copy(data, size, true);
    if (tn__data_spec_parse(&spec, text, NULL) == TN_OK)
        tn__data_spec_release(&spec);
    free(text);
    return 0;
}
