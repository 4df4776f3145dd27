/* fuzz_torch.c - both readers of PyTorch files on any bytes, and the pickle machine on
 * what is neither. */
#include "fuzz.h"

#include "format/checkpoint.h"
#include "format/pickle.h"

static void read_file(tn__buffer *file)
{
    tn__checkpoint checkpoint = {0};
    if (!tn__torch_is(file)) {
        tn__pickle pickle = {0};
        tn__reader r;
        tn__reader_init(&r, "fuzz.pkl", tn__buffer_bytes(file), tn__buffer_size(file));
        if (tn__pickle_read(&pickle, &r, NULL) == TN_OK)
            tn__pickle_release(&pickle);
    } else if (tn__torch_read(&checkpoint, file, "fuzz.pt", NULL) == TN_OK) {
        for (size_t k = 0; k < checkpoint.count; k++)
            fuzz_touch(tn__tensor_data(&checkpoint.tensors[k].tensor),
                       tn__tensor_bytes(&checkpoint.tensors[k].tensor));
        tn__checkpoint_release(&checkpoint);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_buffer(data, size, read_file);
}
