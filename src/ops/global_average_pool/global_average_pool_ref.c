/* global_average_pool_ref.c - the mean of each channel of each image, in double. */
#include "ops/global_average_pool/global_average_pool.h"
#include "ops/operand.h"

/* Elements of one channel of one image. */
static size_t plane_of(const tn__shape *x)
{
    size_t plane = 1;
    for (int k = 2; k < x->rank; k++)
        plane *= (size_t)x->dims[k];
    return plane;
}

tn_status tn__global_average_pool_forward(tn__tensor *const *out,
                                          const tn__tensor *const *in,
                                          const tn__site *site, tn_error *err)
{
    (void)site;
    tn_status status = tn__expect_f32(in[0], err);
    if (status)
        return status;
    size_t plane = plane_of(&in[0]->shape);
    const float *x = tn__tensor_f32_const(in[0]);
    float *y = tn__tensor_f32(out[0]);
    for (size_t i = 0, count = tn__tensor_count(out[0]); i < count; i++) {
        double sum = 0;
        for (size_t p = 0; p < plane; p++)
            sum += (double)*x++;
        y[i] = (float)(sum / (double)plane);
    }
    return TN_OK;
}

tn_status tn__global_average_pool_backward(tn__tensor *const *din,
                                           const tn__tensor *const *dout,
                                           const tn__tensor *const *in,
                                           const tn__tensor *const *out,
                                           const tn__site *site, tn_error *err)
{
    (void)out;
    (void)site;
    (void)err;
    if (!din[0])
        return TN_OK;
    size_t plane = plane_of(&in[0]->shape);
    const float *dy = tn__tensor_f32_const(dout[0]);
    float *dx = tn__tensor_f32(din[0]);
    for (size_t i = 0, count = tn__tensor_count(in[0]); i < count; i++)
        dx[i] = (float)((double)dy[i / plane] / (double)plane);
    return TN_OK;
}
