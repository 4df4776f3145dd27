/* mlp_names.c - the layers of a perceptron under other names, told by shape and order.
 *
 * Where an MLP is asked for and there is no "fc1.weight", the matrices of the
 * checkpoint, in file order, are its layers if each reads what the one before makes and
 * every other tensor is the bias that stands beside one of them ("level1.1.weight",
 * "level1.1.bias").
 */
#include <string.h>

#include "arch/arch_family.h"

/* The length of a name up to its last dot. */
static size_t stem(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

static bool same_stem(const char *a, const char *b)
{
    size_t n = stem(a);
    return n > 0 && n == stem(b) && strncmp(a, b, n) == 0;
}

/* layer_of [count]: which layer each tensor is of, from 1; false where they are none.
 */
static bool order_layers(size_t *layer_of, const tn__named_tensor *tensors,
                         size_t count)
{
    size_t layers = 0, last = TN__NONE;
    for (size_t i = 0; i < count; i++) {
        const tn__shape *shape = &tensors[i].tensor.shape;
        if (shape->rank != 2)
            continue;
        if (last != TN__NONE && shape->dims[1] != tensors[last].tensor.shape.dims[0])
            return false;
        layer_of[i] = ++layers;
        last = i;
    }
    for (size_t i = 0; i < count; i++) {
        const tn__shape *shape = &tensors[i].tensor.shape;
        for (size_t k = 0; k < count && shape->rank == 1; k++)
            if (tensors[k].tensor.shape.rank == 2 &&
                tensors[k].tensor.shape.dims[0] == shape->dims[0] &&
                same_stem(tensors[i].name, tensors[k].name))
                layer_of[i] = layer_of[k];
        if (layer_of[i] == 0)
            return false;
    }
    return layers > 0;
}

void tn__mlp_names_free(tn__named_tensor *tensors, size_t count)
{
    for (size_t i = 0; tensors && i < count; i++) {
        tn__free(tensors[i].name);
        tn__tensor_release(&tensors[i].tensor);
    }
    tn__free(tensors);
}

tn_status tn__mlp_names(tn__named_tensor **out, const tn__named_tensor *tensors,
                        size_t count, tn_error *err)
{
    tn__names names = tn__names_of(tensors, count);
    size_t *layer_of = tn__alloc(count, sizeof *layer_of);
    tn__named_tensor *made = tn__alloc(count, sizeof *made);
    tn_status status =
        layer_of && made ? TN_OK : tn__fail_memory(err, count * sizeof *made);
    bool other = status == TN_OK && !tn__names_has(&names, "fc1.weight") &&
                 order_layers(layer_of, tensors, count);
    for (size_t i = 0; other && i < count && status == TN_OK; i++) {
        bool bias = tensors[i].tensor.shape.rank == 1;
        made[i].name = tn__format("fc%zu.%s", layer_of[i], bias ? "bias" : "weight");
        made[i].tensor = tn__tensor_ref(&tensors[i].tensor);
        if (!made[i].name)
            status = tn__fail_memory(err, sizeof "fc.weight");
    }
    tn__free(layer_of);
    if (!other || status != TN_OK) {
        tn__mlp_names_free(made, count);
        made = NULL;
    }
    *out = made;
    return status;
}
