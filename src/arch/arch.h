/* arch.h - built-in architectures, with the tensor names of the public implementations.
 *
 * mlp:784-400-200-100-10[:bias]   fc1.weight ... (bias-free unless told)
 * lenet5                          conv1, conv2, fc1, fc2, fc3
 * vgg11|13|16|19[-bn][xW][:bias]  CIFAR form: features.N, classifier (bias-free unless
 *                                 told)
 * resnet8|14|20|32|44|56|110[a|b][xW]  CIFAR form (He et al. 2016), option A (default)
 * or B
 * resnet18|34[-imagenet][xW]      CIFAR stem, or ImageNet stem
 * mobilenet[xW]                   CIFAR form of Howard et al. 2017
 *
 * xW multiplies every width (resnet20x4, vgg11x0.5).
 */
#ifndef TN_ARCH_ARCH_H
#define TN_ARCH_ARCH_H

#include "base/rng.h"
#include "graph/model.h"

/* Builds the graph with parameters drawn from `seed`. input (channels, height, width)
 * may be NULL, classes 0: the architecture's own. TN_ERROR_ARGUMENT on an unknown name,
 * with what is known. */
tn_status tn__arch_build(tn_model **out, const char *arch, const int64_t *input,
                         int64_t classes, uint64_t seed, tn_error *err) TN_MUST_USE;

/* Fills the parameters of a model with the tensors of a checkpoint, by name; a prefix
 * common to all names ("module.") is dropped. Every float parameter must be found with
 * its shape; tensors left over are an error except num_batches_tracked. f16 and bf16
 * tensors become f32. `name` is the file's, for messages. */
typedef struct tn__named_tensor {
    char *name;
    tn__tensor tensor;
} tn__named_tensor;
tn_status tn__arch_fill(tn_model *model, const tn__named_tensor *tensors, size_t count,
                        const char *name, tn_error *err) TN_MUST_USE;

/* Builds `arch` and fills it with a checkpoint. What the name leaves open the tensors
 * decide: biases, the kind of shortcut, input and classes (0: as they say), and for a
 * bare "mlp" the widths. The layers of an MLP may have other names where their order
 * and shapes tell them. TN_ERROR_ARGUMENT (name), _MISMATCH (tensors do not fit). */
tn_status tn__arch_load(tn_model **out, const char *arch, int64_t classes,
                        const tn__named_tensor *tensors, size_t count, const char *name,
                        tn_error *err) TN_MUST_USE;

/* The model's parameter that each tensor would fill by its name, whatever its shape:
 * parameter[i] [count] is a value, or TN__NONE. */
tn_status tn__arch_match(size_t *parameter, const tn_model *model,
                         const tn__named_tensor *tensors, size_t count,
                         tn_error *err) TN_MUST_USE;

/* Architectures whose names and shapes fit the tensors, as a comma-separated list. */
void tn__arch_suggest(char *text, size_t size, const tn__named_tensor *tensors,
                      size_t count);

#endif
