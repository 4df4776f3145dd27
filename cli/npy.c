/* npy.c - see npy.h. The header is untrusted text: it is read by a parser that knows
 * the three keys and nothing else of Python, and the element count it claims must fit
 * the size of the file before memory is asked for.
 */
#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define HEADER_MAX 65536
#define CHUNK 4096 /* elements converted at once */

struct npy_header {
    char kind;   /* f, i or u */
    size_t size; /* bytes of an element */
    int rank;
    int64_t dims[CLI_NPY_RANK_MAX];
    size_t count;
};

struct npy_parser {
    const char *path, *at;
    tn_error *err;
};

static tn_status fail(tn_error *err, tn_status code, const char *path,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
static tn_status fail(tn_error *err, tn_status code, const char *path,
                      const char *format, ...)
{
    char what[TN_ERROR_MESSAGE_MAX / 2];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(err->message, sizeof err->message, "cannot read '%.200s': %s", path, what);
    return err->code = code;
}

static tn_status fail_header(struct npy_parser *p, const char *wanted)
{
    return fail(p->err, TN_ERROR_FORMAT, p->path,
                "the header has '%.16s', wanted is %s", p->at, wanted);
}

static void skip_blanks(struct npy_parser *p)
{
    p->at += strspn(p->at, " \t\n");
}

static bool take(struct npy_parser *p, const char *token)
{
    skip_blanks(p);
    if (strncmp(p->at, token, strlen(token)) != 0)
        return false;
    p->at += strlen(token);
    return true;
}

static tn_status parse_type(struct npy_header *h, struct npy_parser *p)
{
    char order, kind, digit;
    skip_blanks(p);
    if (sscanf(p->at, "'%c%c%c'", &order, &kind, &digit) != 3 || p->at[4] != '\'')
        return fail_header(p, "a type like '<f4'");
    size_t size = (size_t)(digit - '0');
    bool known = (kind == 'f' && (size == 4 || size == 8)) ||
                 ((kind == 'i' || kind == 'u') &&
                  (size == 1 || size == 2 || size == 4 || size == 8));
    if (!known || (order != '<' && !(order == '|' && size == 1)))
        return fail(p->err, TN_ERROR_UNSUPPORTED, p->path,
                    "its type is %.5s, wanted are little-endian f4, f8, or integers",
                    p->at);
    h->kind = kind;
    h->size = size;
    p->at += 5;
    return TN_OK;
}

static tn_status parse_shape(struct npy_header *h, struct npy_parser *p)
{
    if (!take(p, "("))
        return fail_header(p, "a shape like (2, 3)");
    h->rank = 0;
    h->count = 1;
    while (!take(p, ")")) {
        char *end = NULL;
        errno = 0;
        skip_blanks(p);
        long long dim = strtoll(p->at, &end, 10);
        if (end == p->at || errno || dim < 0)
            return fail_header(p, "the length of an axis");
        if (h->rank == CLI_NPY_RANK_MAX)
            return fail(p->err, TN_ERROR_UNSUPPORTED, p->path,
                        "it has more than %d axes", CLI_NPY_RANK_MAX);
        if (__builtin_mul_overflow(h->count, (size_t)dim, &h->count))
            return fail_header(p, "a shape that fits in memory");
        h->dims[h->rank++] = dim;
        p->at = end;
        if (!take(p, ",") && (skip_blanks(p), *p->at != ')'))
            return fail_header(p, "a comma or the end of the shape");
    }
    return TN_OK;
}

static tn_status parse_header(struct npy_header *h, struct npy_parser *p)
{
    bool type = false, order = false, shape = false;
    if (!take(p, "{"))
        return fail_header(p, "a dict");
    while (!take(p, "}")) {
        tn_status status = TN_OK;
        if (!type && take(p, "'descr':")) {
            status = parse_type(h, p);
            type = true;
        } else if (!shape && take(p, "'shape':")) {
            status = parse_shape(h, p);
            shape = true;
        } else if (!order && take(p, "'fortran_order':")) {
            order = take(p, "False");
            if (!order)
                return fail(p->err, TN_ERROR_UNSUPPORTED, p->path,
                            "its elements are not in C order");
        } else {
            return fail_header(p, "the keys descr, fortran_order and shape, each once");
        }
        if (status != TN_OK)
            return status;
        take(p, ",");
    }
    if (!type || !order || !shape)
        return fail(p->err, TN_ERROR_FORMAT, p->path,
                    "the header lacks descr, fortran_order or shape");
    return TN_OK;
}

/* Reads up to the first element. */
static tn_status read_header(struct npy_header *h, FILE *file, const char *path,
                             tn_error *err)
{
    unsigned char start[12];
    size_t length, field;
    if (fread(start, 1, 8, file) != 8 || memcmp(start, "\x93NUMPY", 6) != 0)
        return fail(err, TN_ERROR_FORMAT, path,
                    "it does not begin as an .npy file does");
    if (start[6] != 1 && start[6] != 2)
        return fail(err, TN_ERROR_UNSUPPORTED, path,
                    "it is of .npy version %d, wanted is 1 or 2", start[6]);
    field = start[6] == 1 ? 2 : 4;
    if (fread(start + 8, 1, field, file) != field)
        return fail(err, TN_ERROR_FORMAT, path, "it ends within the header length");
    length = (size_t)start[8] | (size_t)start[9] << 8;
    if (field == 4)
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    if (length > HEADER_MAX)
        return fail(err, TN_ERROR_FORMAT, path,
                    "a header of %zu bytes, at most %d wanted", length, HEADER_MAX);
    char *text = calloc(length + 1, 1);
    if (!text)
        return fail(err, TN_ERROR_MEMORY, path, "out of memory");
    tn_status status = TN_OK;
    if (fread(text, 1, length, file) != length) {
        status = fail(err, TN_ERROR_FORMAT, path,
                      "it ends within the header of %zu bytes", length);
    } else {
        struct npy_parser parser = {path, text, err};
        status = parse_header(h, &parser);
    }
    free(text);
    return status;
}

/* Little-endian bytes, whatever the machine's order. */
static uint64_t load_bits(const unsigned char *bytes, size_t size)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)bytes[i] << (8 * i);
    return bits;
}

static float element(const unsigned char *bytes, const struct npy_header *h)
{
    uint64_t bits = load_bits(bytes, h->size);
    if (h->kind == 'f' && h->size == 4) {
        uint32_t word = (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        return value;
    }
    if (h->kind == 'f') {
        double value;
        memcpy(&value, &bits, sizeof value);
        return (float)value;
    }
    if (h->kind == 'u')
        return (float)bits;
    uint64_t sign = (uint64_t)1 << (8 * h->size - 1);
    return (float)(int64_t)((bits ^ sign) - sign);
}

static tn_status read_elements(float *values, const struct npy_header *h, FILE *file,
                               const char *path, tn_error *err)
{
    unsigned char bytes[CHUNK * 8];
    for (size_t at = 0; at < h->count;) {
        size_t n = h->count - at < CHUNK ? h->count - at : CHUNK;
        if (fread(bytes, h->size, n, file) != n)
            return fail(err, TN_ERROR_IO, path, "%s", strerror(errno));
        for (size_t i = 0; i < n; i++)
            values[at + i] = element(bytes + i * h->size, h);
        at += n;
    }
    return TN_OK;
}

static tn_status check_size(const struct npy_header *h, FILE *file, const char *path,
                            tn_error *err)
{
    struct stat info;
    size_t bytes, wanted;
    long at = ftell(file);
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode) || at < 0)
        return fail(err, TN_ERROR_IO, path, "it is not a regular file");
    if (__builtin_mul_overflow(h->count, h->size, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)at, &wanted) ||
        wanted != (size_t)info.st_size)
        return fail(err, TN_ERROR_FORMAT, path,
                    "it has %lld bytes, %zu elements of %zu bytes from byte %ld wanted",
                    (long long)info.st_size, h->count, h->size, at);
    return TN_OK;
}

tn_status cli_npy_read(struct cli_array *out, const char *path, tn_error *err)
{
    struct npy_header h = {0};
    float *values = NULL;
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(err, TN_ERROR_IO, path, "%s", strerror(errno));
    tn_status status = read_header(&h, file, path, err);
    if (status == TN_OK)
        status = check_size(&h, file, path, err);
    if (status == TN_OK) {
        values = calloc(h.count ? h.count : 1, sizeof *values);
        status = values ? read_elements(values, &h, file, path, err)
                        : fail(err, TN_ERROR_MEMORY, path, "out of memory");
    }
    fclose(file);
    if (status != TN_OK) {
        free(values);
        return status;
    }
    *out = (struct cli_array){.rank = h.rank, .count = h.count, .values = values};
    memcpy(out->dims, h.dims, sizeof out->dims);
    return TN_OK;
}

void cli_npy_release(struct cli_array *array)
{
    free(array->values);
    *array = (struct cli_array){0};
}

/* The header, padded so that the elements begin at a multiple of 64 bytes. */
static size_t make_header(char text[512], const struct cli_array *array)
{
    int used = snprintf(text + 10, 400,
                        "{'descr': '<f4', 'fortran_order': False, "
                        "'shape': (");
    for (int i = 0; i < array->rank; i++)
        used += snprintf(text + 10 + used, 400 - (size_t)used, "%lld,%s",
                         (long long)array->dims[i], i + 1 < array->rank ? " " : "");
    used += snprintf(text + 10 + used, 400 - (size_t)used, "), }");
    size_t total = ((size_t)used + 11 + 63) / 64 * 64;
    memset(text + 10 + used, ' ', total - 11 - (size_t)used);
    text[total - 1] = '\n';
    memcpy(text, "\x93NUMPY\x01\x00", 8);
    text[8] = (char)((total - 10) & 255);
    text[9] = (char)((total - 10) >> 8);
    return total;
}

static bool write_elements(FILE *file, const struct cli_array *array)
{
    unsigned char bytes[CHUNK * 4];
    for (size_t at = 0; at < array->count;) {
        size_t n = array->count - at < CHUNK ? array->count - at : CHUNK;
        for (size_t i = 0; i < n; i++) {
            uint32_t word;
            memcpy(&word, &array->values[at + i], sizeof word);
            for (size_t b = 0; b < 4; b++)
                bytes[4 * i + b] = (unsigned char)(word >> (8 * b));
        }
        if (fwrite(bytes, 4, n, file) != n)
            return false;
        at += n;
    }
    return true;
}

struct npy_file {
    const struct cli_array *array;
    char header[512];
    size_t length;
};

static bool write_file(FILE *file, const void *user)
{
    const struct npy_file *npy = user;
    return fwrite(npy->header, 1, npy->length, file) == npy->length &&
           write_elements(file, npy->array);
}

tn_status cli_npy_write(const struct cli_array *array, const char *path, bool replace,
                        tn_error *err)
{
    struct npy_file npy = {.array = array};
    npy.length = make_header(npy.header, array);
    return cli_file_write(path, replace, write_file, &npy, err);
}
