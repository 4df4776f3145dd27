/* test_image.c - decoding pictures made here. */
#include "made.h"

#include "data/image.h"

static const uint8_t *decode(tn__image *image, tn__decoder *decoder, const bytes *b,
                             size_t channels)
{
    const uint8_t *pixels = NULL;
    assert_ok(tn__image_decode(&pixels, image, decoder, b->at, b->size, channels, err));
    return pixels;
}

static int set_up(void **state)
{
    tn__decoder *decoder = NULL;
    assert_ok(tn__decoder_create(&decoder, err));
    *state = decoder;
    return 0;
}

static int tear_down(void **state)
{
    tn__decoder_free(*state);
    return 0;
}

static void png_pixels_come_back_exactly(void **state)
{
    static bytes b;
    tn__image image;
    png_picture(&b, 3, 5, 7, 200, 100, 3);
    const uint8_t *pixels = decode(&image, *state, &b, 3);
    assert_int_equal(image.height, 5);
    assert_int_equal(image.width, 7);
    for (size_t k = 0; k < 35; k++) {
        assert_int_equal(pixels[k], 200);
        assert_int_equal(pixels[35 + k], 100);
        assert_int_equal(pixels[70 + k], 3);
    }
}

static void grey_becomes_colour_where_asked(void **state)
{
    static bytes b;
    tn__image image;
    for (int jpeg = 0; jpeg < 2; jpeg++) {
        if (jpeg)
            jpeg_picture(&b, 1, 8, 8, 77);
        else
            png_picture(&b, 1, 8, 8, 77, 0, 0);
        assert_ok(tn__image_inspect(&image, *state, b.at, b.size, err));
        assert_int_equal(image.channels, 1);
        const uint8_t *pixels = decode(&image, *state, &b, 3);
        for (size_t k = 0; k < 3 * 64; k++)
            assert_int_equal(pixels[k], 77);
        pixels = decode(&image, *state, &b, 1);
        assert_int_equal(image.channels, 1);
        assert_int_equal(pixels[63], 77);
    }
}

static void jpeg_pixels_come_back_nearly(void **state)
{
    static bytes b;
    tn__image image;
    jpeg_picture(&b, 3, 9, 20, 130);
    const uint8_t *pixels = decode(&image, *state, &b, 3);
    assert_int_equal(image.height, 9);
    assert_int_equal(image.width, 20);
    for (size_t k = 0; k < 3 * 180; k++)
        assert_in_range(pixels[k], 129, 131);
}

static void damaged_pictures_are_refused(void **state)
{
    static bytes b;
    tn__image image;
    const uint8_t *pixels = NULL;
    tn__decoder *decoder = *state;
    jpeg_picture(&b, 3, 64, 64, 130);
    assert_fails(
        tn__image_decode(&pixels, &image, decoder, b.at, b.size * 9 / 10, 3, err),
        TN_ERROR_FORMAT, "damaged JPEG: ");
    assert_fails(tn__image_decode(&pixels, &image, decoder, b.at, 12, 3, err),
                 TN_ERROR_FORMAT, "damaged JPEG: ");
    assert_fails(tn__image_decode(&pixels, &image, decoder, b.at, b.size, 1, err),
                 TN_ERROR_MISMATCH, "expected grey");
    png_picture(&b, 3, 40, 40, 1, 2, 3);
    assert_fails(tn__image_decode(&pixels, &image, decoder, b.at, b.size - 30, 3, err),
                 TN_ERROR_FORMAT, "damaged PNG: ");
    assert_fails(tn__image_decode(&pixels, &image, decoder, b.at, 20, 3, err),
                 TN_ERROR_FORMAT, "damaged PNG: ");
    b.at[20] ^= 1; /* the height: the checksum does not fit */
    assert_fails(tn__image_decode(&pixels, &image, decoder, b.at, b.size, 3, err),
                 TN_ERROR_FORMAT, "damaged PNG: ");
    assert_fails(
        tn__image_decode(&pixels, &image, decoder, b.at + 1, b.size - 1, 3, err),
        TN_ERROR_FORMAT, "neither JPEG nor PNG");
    assert_fails(tn__image_inspect(&image, decoder, b.at, 0, err), TN_ERROR_FORMAT,
                 "neither JPEG nor PNG");
    assert_null(pixels);
}

static void too_large_pictures_are_refused(void **state)
{
    static bytes b;
    tn__image image;
    png_picture(&b, 1, 1, 16385, 5, 0, 0);
    assert_fails(tn__image_inspect(&image, *state, b.at, b.size, err),
                 TN_ERROR_UNSUPPORTED, "16385 x 1 pixels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_pixels_come_back_exactly),
        cmocka_unit_test(grey_becomes_colour_where_asked),
        cmocka_unit_test(jpeg_pixels_come_back_nearly),
        cmocka_unit_test(damaged_pictures_are_refused),
        cmocka_unit_test(too_large_pictures_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
