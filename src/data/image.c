/* image.c - JPEG by libjpeg-turbo, PNG by libpng's simplified interface.
 *
 * Both hand back interleaved pixels; they are turned into planes here. A warning of
 * either library (a file cut short, a bad checksum) is an error: half a picture is not
 * data.
 */
#include "data/image.h"

#include <string.h>

#include <png.h>
#include <turbojpeg.h>

#include "data/dataset.h"

struct tn__decoder {
    tjhandle jpeg;
    uint8_t *mixed, *planes; /* interleaved and planar pixels */
    size_t mixed_size, planes_size;
};

tn_status tn__decoder_create(tn__decoder **out, tn_error *err)
{
    tn__decoder *decoder = tn__alloc(1, sizeof *decoder);
    if (!decoder)
        return tn__fail_memory(err, sizeof *decoder);
    decoder->jpeg = tjInitDecompress();
    if (!decoder->jpeg) {
        tn__free(decoder);
        return tn__fail(err, TN_ERROR_MEMORY, "cannot start the JPEG decoder: %s",
                        tjGetErrorStr2(NULL));
    }
    *out = decoder;
    return TN_OK;
}

void tn__decoder_free(tn__decoder *decoder)
{
    if (!decoder)
        return;
    tjDestroy(decoder->jpeg);
    tn__free(decoder->mixed);
    tn__free(decoder->planes);
    tn__free(decoder);
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static bool is_png(const uint8_t *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static tn_status jpeg_inspect(tn__image *out, tjhandle jpeg, const uint8_t *bytes,
                              size_t size, tn_error *err)
{
    int width = 0, height = 0, sampling = 0, space = 0;
    if (tjDecompressHeader3(jpeg, bytes, size, &width, &height, &sampling, &space) != 0)
        return tn__fail(err, TN_ERROR_FORMAT, "damaged JPEG: %s", tjGetErrorStr2(jpeg));
    if (width < 1 || height < 1)
        return tn__fail(err, TN_ERROR_FORMAT, "damaged JPEG: no picture in it");
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return tn__fail(err, TN_ERROR_UNSUPPORTED,
                        "a CMYK JPEG, expected grey or colour");
    *out = (tn__image){.channels = space == TJCS_GRAY ? 1 : 3,
                       .height = (size_t)height,
                       .width = (size_t)width};
    return TN_OK;
}

static tn_status png_start(tn__image *out, png_image *png, const uint8_t *bytes,
                           size_t size, tn_error *err)
{
    *png = (png_image){.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(png, bytes, size))
        return tn__fail(err, TN_ERROR_FORMAT, "damaged PNG: %s", png->message);
    *out = (tn__image){.channels = png->format & PNG_FORMAT_FLAG_COLOR ? 3 : 1,
                       .height = png->height,
                       .width = png->width};
    return TN_OK;
}

static tn_status check_size(const tn__image *image, tn_error *err)
{
    bool fits = image->height <= TN__IMAGE_SIDE_MAX &&
                image->width <= TN__IMAGE_SIDE_MAX &&
                image->height * image->width <= TN__IMAGE_PIXELS_MAX;
    if (!fits)
        return tn__fail(
            err, TN_ERROR_UNSUPPORTED,
            "%zu x %zu pixels, expected sides of at most %d and at most %zu "
            "pixels",
            image->width, image->height, TN__IMAGE_SIDE_MAX, TN__IMAGE_PIXELS_MAX);
    return TN_OK;
}

tn_status tn__image_inspect(tn__image *out, tn__decoder *decoder, const uint8_t *bytes,
                            size_t size, tn_error *err)
{
    tn__image image = {0};
    tn_status status = TN_OK;
    if (is_jpeg(bytes, size)) {
        status = jpeg_inspect(&image, decoder->jpeg, bytes, size, err);
    } else if (is_png(bytes, size)) {
        png_image png;
        status = png_start(&image, &png, bytes, size, err);
        if (!status)
            png_image_free(&png);
    } else {
        status = tn__fail(err, TN_ERROR_FORMAT, "neither JPEG nor PNG");
    }
    if (!status)
        status = check_size(&image, err);
    if (!status)
        *out = image;
    return status;
}

static tn_status ensure(uint8_t **memory, size_t *capacity, size_t size, tn_error *err)
{
    if (size <= *capacity)
        return TN_OK;
    uint8_t *grown = tn__realloc(*memory, size, 1);
    if (!grown)
        return tn__fail_memory(err, size);
    *memory = grown;
    *capacity = size;
    return TN_OK;
}

/* Interleaved pixels of either kind into decoder->mixed. */
static tn_status decode_mixed(tn__decoder *decoder, const tn__image *image,
                              const uint8_t *bytes, size_t size, tn_error *err)
{
    bool grey = image->channels == 1;
    if (is_jpeg(bytes, size)) {
        if (tjDecompress2(decoder->jpeg, bytes, size, decoder->mixed, (int)image->width,
                          0, (int)image->height, grey ? TJPF_GRAY : TJPF_RGB,
                          TJFLAG_ACCURATEDCT) != 0)
            return tn__fail(err, TN_ERROR_FORMAT, "damaged JPEG: %s",
                            tjGetErrorStr2(decoder->jpeg));
        return TN_OK;
    }
    png_image png;
    tn__image found;
    png_color black = {0, 0, 0};
    tn_status status = png_start(&found, &png, bytes, size, err);
    if (status)
        return status;
    png.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* 16 bits are cut to 8, not corrected */
    if (!png_image_finish_read(&png, &black, decoder->mixed, 0, NULL) ||
        PNG_IMAGE_FAILED(png))
        status = tn__fail(err, TN_ERROR_FORMAT, "damaged PNG: %s", png.message);
    png_image_free(&png);
    return status;
}

tn_status tn__image_decode(const uint8_t **pixels, tn__image *out, tn__decoder *decoder,
                           const uint8_t *bytes, size_t size, size_t channels,
                           tn_error *err)
{
    tn__image image = {0};
    tn_status status = tn__image_inspect(&image, decoder, bytes, size, err);
    if (status)
        return status;
    if (image.channels > channels)
        return tn__fail(err, TN_ERROR_MISMATCH, "a colour image, expected grey");
    image.channels = channels;
    size_t area = image.height * image.width;
    if ((status = ensure(&decoder->mixed, &decoder->mixed_size, area * channels,
                         err)) != TN_OK ||
        (status = ensure(&decoder->planes, &decoder->planes_size, area * channels,
                         err)) != TN_OK ||
        (status = decode_mixed(decoder, &image, bytes, size, err)) != TN_OK)
        return status;
    for (size_t c = 0; c < channels; c++) {
        for (size_t k = 0; k < area; k++)
            decoder->planes[c * area + k] = decoder->mixed[k * channels + c];
    }
    *pixels = decoder->planes;
    *out = image;
    return TN_OK;
}
