/* fuzz_arch.c - names of architectures, on any text: one that is known is printed as a
 * name that is known, and built where it is small. */
#include "fuzz.h"

#include "arch/arch_family.h"

#define ELEMENTS_MAX ((size_t)1 << 20) /* larger ones only cost time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size, true), name[TN__ARCH_NAME_TEXT];
    tn__arch_spec spec, again;
    tn_model *model = NULL;
    if (tn__arch_parse(&spec, text, NULL) == TN_OK) {
        if (tn__arch_build_spec(&model, &spec, 0, ELEMENTS_MAX, NULL) == TN_OK)
            tn_model_free(model);
        spec.family->print(name, sizeof name, &spec);
        fuzz_want(strlen(name) + 1 == sizeof name || spec.width < 1e-4 ||
                      tn__arch_parse(&again, name, NULL) == TN_OK,
                  name);
    }
    free(text);
    return 0;
}
