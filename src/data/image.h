/* image.h - JPEG and PNG files to bytes, and bytes to another size.
 *
 * Decoding takes what PyTorch's loaders take: no EXIF rotation, no colour management,
 * libjpeg's accurate DCT and smooth chroma. Transparent pixels are laid on black.
 */
#ifndef TN_DATA_IMAGE_H
#define TN_DATA_IMAGE_H

#include "base/base.h"

#define TN__IMAGE_PIXELS_MAX ((size_t)1 << 26) /* height times width */

typedef struct tn__image {
    size_t channels; /* 1 or 3 */
    size_t height, width;
} tn__image;

/* Holds the libraries' state and memory between images. */
typedef struct tn__decoder tn__decoder;

tn_status tn__decoder_create(tn__decoder **out, tn_error *err) TN_MUST_USE;
void tn__decoder_free(tn__decoder *decoder); /* takes NULL */

/* Reads the header. Messages do not name the file: the caller puts that in front.
 * TN_ERROR_FORMAT, _UNSUPPORTED (too large, CMYK). */
tn_status tn__image_inspect(tn__image *out, tn__decoder *decoder, const uint8_t *bytes,
                            size_t size, tn_error *err) TN_MUST_USE;
/* Decodes to `channels` (3, or 1 where the file is grey). *pixels [channels, height,
 * width] is borrowed until the next call. */
tn_status tn__image_decode(const uint8_t **pixels, tn__image *out, tn__decoder *decoder,
                           const uint8_t *bytes, size_t size, size_t channels,
                           tn_error *err) TN_MUST_USE;

/* Scales in [channels, height, width] to out [channels, out_height, out_width], axis by
 * axis: the mean over the area of each new pixel where an axis shrinks, linear
 * interpolation of pixel centres where it grows. Rounded to nearest. */
tn_status tn__image_resize(uint8_t *out, size_t out_height, size_t out_width,
                           const uint8_t *in, const tn__image *image,
                           tn_error *err) TN_MUST_USE;

#endif
