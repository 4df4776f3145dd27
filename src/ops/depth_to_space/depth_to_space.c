/* depth_to_space.c - DepthToSpace and SpaceToDepth: channels to blocks of b x b pixels
 * and back; strided copies.
 *
 * Channel of pixel (r, s) of a block: (r b + s) C + c, or (CRD) c b^2 + r b + s, where
 * C is the number of channels of the larger picture.
 */
#include <string.h>

#include "ops/operand.h"
#include "ops/registry.h"
#include "ops/view.h"

/* The larger picture [N, C, H b, W b] and the deeper one [N, C b^2, H, W]. */
typedef struct blocks {
    int64_t b, n, c, h, w;
    bool to_space, crd;
} blocks;

static tn_status read_blocks(blocks *out, const tn__site *site, tn_error *err)
{
    const int64_t *x = site->in[0]->dims;
    blocks k = {.b = tn__node_int(site->node, "blocksize", 0), .n = x[0]};
    k.to_space = strcmp(site->node->type, "DepthToSpace") == 0;
    k.crd = strcmp(tn__node_string(site->node, "mode", "DCR"), "CRD") == 0;
    if (k.b < 1 || k.b > 1 << 15)
        return tn__fail(err, TN_ERROR_FORMAT, "blocksize is %lld", (long long)k.b);
    int64_t depth = k.b * k.b;
    bool fits = k.to_space ? x[1] % depth == 0 : x[2] % k.b == 0 && x[3] % k.b == 0;
    if (!fits)
        return tn__fail(err, TN_ERROR_MISMATCH,
                        "[%lld, %lld, %lld, %lld] has no blocks of %lld",
                        (long long)x[0], (long long)x[1], (long long)x[2],
                        (long long)x[3], (long long)k.b);
    k.c = k.to_space ? x[1] / depth : x[1];
    k.h = k.to_space ? x[2] : x[2] / k.b;
    k.w = k.to_space ? x[3] : x[3] / k.b;
    *out = k;
    return TN_OK;
}

static tn_status blocks_infer(tn__inferred *out, const tn__site *site, tn_error *err)
{
    blocks k;
    tn_status status;
    if ((status = tn__expect_inputs(site, 1, 1, err)) != TN_OK ||
        (status = tn__expect_one_output(site, err)) != TN_OK ||
        (status = tn__expect_rank(site, 0, 4, 4, err)) != TN_OK ||
        (status = read_blocks(&k, site, err)) != TN_OK)
        return status;
    out->dtype = site->in_dtype[0];
    out->shape = k.to_space
                     ? (tn__shape){.rank = 4, .dims = {k.n, k.c, k.h * k.b, k.w * k.b}}
                     : (tn__shape){.rank = 4, .dims = {k.n, k.c * k.b * k.b, k.h, k.w}};
    return TN_OK;
}

static tn_status blocks_couple(tn__coupling *c, const tn__site *site, tn_error *err)
{
    blocks k;
    tn_status status = read_blocks(&k, site, err);
    if (!status)
        status = tn__couple_axes(c, 0, 0, TN__OUT(0), 0, (size_t)k.n, err);
    int large = k.to_space ? TN__OUT(0) : 0, deep = k.to_space ? 0 : TN__OUT(0);
    int64_t depth = k.b * k.b;
    for (int64_t d = 0; d < k.c * depth && !status; d++)
        status =
            c->tie(c, (tn__spot){deep, 1, (size_t)d},
                   (tn__spot){large, 1, (size_t)(k.crd ? d / depth : d % k.c)}, 1, err);
    return status;
}

/* The two pictures as [N, C, H, b, W, b], in that order. */
static void read_views(tn__shape *extent, tn__view *large, tn__view *deep,
                       const blocks *k)
{
    int64_t plane = k->h * k->w, depth = k->b * k->b;
    int64_t channel = k->crd ? depth : 1, block = k->crd ? 1 : k->c;
    *extent = (tn__shape){.rank = 6, .dims = {k->n, k->c, k->h, k->b, k->w, k->b}};
    *large = tn__view_dense(extent);
    *deep = (tn__view){.stride = {k->c * depth * plane, channel * plane, k->w,
                                  k->b * block * plane, 1, block * plane}};
}

static tn_status move(tn__tensor *to, const tn__tensor *from, const tn__site *site,
                      bool to_space, tn_error *err)
{
    blocks k;
    tn__shape extent;
    tn__view large, deep;
    void *data;
    tn_status status = read_blocks(&k, site, err);
    if (!status)
        status = tn__tensor_write(to, &data, err);
    if (status)
        return status;
    read_views(&extent, &large, &deep, &k);
    tn__view_copy(data, to_space ? &large : &deep, tn__tensor_data(from),
                  to_space ? &deep : &large, &extent, tn__dtype_size(from->dtype));
    return TN_OK;
}

static bool goes_to_space(const tn__site *site)
{
    return strcmp(site->node->type, "DepthToSpace") == 0;
}

static tn_status blocks_forward(tn__tensor *const *out, const tn__tensor *const *in,
                                const tn__site *site, tn_error *err)
{
    return move(out[0], in[0], site, goes_to_space(site), err);
}

static tn_status blocks_backward(tn__tensor *const *din, const tn__tensor *const *dout,
                                 const tn__tensor *const *in,
                                 const tn__tensor *const *out, const tn__site *site,
                                 tn_error *err)
{
    (void)in;
    (void)out;
    return din[0] ? move(din[0], dout[0], site, !goes_to_space(site), err) : TN_OK;
}

#define BLOCKS(name)                                                                   \
    {                                                                                  \
        .type = name, .domain = "", .infer = blocks_infer, .couple = blocks_couple,    \
        .joint = true, .forward = blocks_forward, .backward = blocks_backward          \
    }

const tn__op tn__op_depth_to_space = BLOCKS("DepthToSpace");
const tn__op tn__op_space_to_depth = BLOCKS("SpaceToDepth");
