/* quick_bf16.c - arrays of bf16 to f32 and back, for kernels that compute in f32. */
#include "ops/quick.h"
#include "tensor/tensor.h"

TN__VECTORS void tn__quick_widen(float *restrict to, const uint16_t *restrict from,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = tn__bf16_to_f32(from[i]);
}

TN__VECTORS void tn__quick_narrow(uint16_t *restrict to, const float *restrict from,
                                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = tn__f32_to_bf16(from[i]);
}
