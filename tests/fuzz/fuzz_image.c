/* fuzz_image.c - JPEG and PNG files on any bytes: what the header promises is what is
 * decoded, and scales to another size. */
#include "fuzz.h"

#include "data/image.h"

#define PIXELS_MAX 65536 /* larger ones only cost time */
#define SIDE 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn__decoder *decoder = NULL;
    tn__image promised, image;
    const uint8_t *pixels;
    uint8_t scaled[3 * SIDE * SIDE];
    if (tn__decoder_create(&decoder, NULL))
        return 0;
    if (tn__image_inspect(&promised, decoder, data, size, NULL) == TN_OK &&
        promised.height * promised.width <= PIXELS_MAX &&
        tn__image_decode(&pixels, &image, decoder, data, size, promised.channels,
                         NULL) == TN_OK) {
        if (image.height != promised.height || image.width != promised.width)
            abort();
        (void)!tn__image_resize(scaled, SIDE, SIDE, pixels, &image, NULL);
    }
    tn__decoder_free(decoder);
    return 0;
}
