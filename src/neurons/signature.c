/* signature.c - what tells one neuron from another.
 *
 * Two classes may be exchanged iff exchanging them cell by cell maps the ties of the
 * graph onto themselves. Cells of a class on one slot are numbered in ascending order;
 * the signature is the multiset of all ties of the class written in these numbers, so
 * that equal signatures mean that the exchange is such an automorphism: this is already
 * the stable colouring that refinement would reach, since no tie leaves its class. What
 * ties do not say is added to the multiset:
 *   - the cell of a block that a cell lies in: of a frozen block which one it is, else
 *     only where in the block's class (blocks change places with everything inside);
 *   - the content of constants that are not learned (masks, tables);
 *   - the offsets between cells of one class on one slot (pixels of a flattened map),
 *     since the frozen positions that they stand for are not tied.
 * The multiset is hashed as the sum of 128-bit hashes of its members.
 */
#include "neurons/signature.h"

#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
    /* Finaliser of splitmix64 (Steele, Lea and Flood, 2014). */
    uint64_t z = (hash ^ word) + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

enum member { TIE = 1, PLACE, OFFSET, INSIDE, CONTENT, INNER };

static tn__signature hash_member(enum member kind, size_t count, const uint64_t *words)
{
    tn__signature hash = {{0x243f6a8885a308d3u, 0x13198a2e03707344u}};
    for (int s = 0; s < 2; s++) {
        hash.word[s] = mix(hash.word[s], (uint64_t)kind);
        for (size_t k = 0; k < count; k++)
            hash.word[s] = mix(hash.word[s], words[k]);
    }
    return hash;
}

static void add_hash(tn__signature *signature, const tn__signature *hash)
{
    for (int s = 0; s < 2; s++)
        signature->word[s] += hash->word[s];
}

static void add_member(tn__signature *signature, enum member kind, size_t count,
                       const uint64_t *words)
{
    const tn__signature hash = hash_member(kind, count, words);
    add_hash(signature, &hash);
}

void tn__signature_nest(tn__signature *block, const tn__signature *inner)
{
    add_member(block, INNER, 2, inner->word);
}

int tn__signature_compare(const tn__signature *a, const tn__signature *b)
{
    for (int s = 0; s < 2; s++)
        if (a->word[s] != b->word[s])
            return a->word[s] < b->word[s] ? -1 : 1;
    return 0;
}

/* --- the classes ------------------------------------------------------------------ */

static tn_status allocate(tn__classes *classes, size_t cells, tn_error *err)
{
    classes->of = tn__alloc(cells, sizeof *classes->of);
    classes->cell = tn__alloc(cells, sizeof *classes->cell);
    classes->slot = tn__alloc(cells, sizeof *classes->slot);
    classes->place = tn__alloc(cells, sizeof *classes->place);
    if (!classes->of || !classes->cell || !classes->slot || !classes->place)
        return tn__fail_memory(err, cells * sizeof *classes->cell);
    return TN_OK;
}

/* Numbers the classes in order of their smallest cells. */
static tn_status number_classes(tn__classes *classes, tn__cells *cells, tn_error *err)
{
    uint32_t *number =
        tn__alloc(cells->count, sizeof *number); /* 1 + class, of roots */
    if (!number)
        return tn__fail_memory(err, cells->count * sizeof *number);
    for (size_t c = 0; c < cells->count; c++) {
        uint32_t root = tn__cells_find(cells, (uint32_t)c);
        if (!number[root])
            number[root] = (uint32_t)++classes->count;
        classes->of[c] = number[root] - 1;
    }
    tn__free(number);
    return TN_OK;
}

/* Counting sort of the cells by class, stable in the cells' order. */
static tn_status gather_classes(tn__classes *classes, const tn__cells *cells,
                                tn_error *err)
{
    classes->first = tn__alloc(classes->count + 2, sizeof *classes->first);
    classes->signature = tn__alloc(classes->count, sizeof *classes->signature);
    classes->block = tn__alloc(classes->count, sizeof *classes->block);
    if (!classes->first || !classes->signature || !classes->block)
        return tn__fail_memory(err, classes->count * sizeof *classes->signature);
    /* next[k] goes from the beginning of class k to its end, which is first[k + 1]. */
    size_t *next = classes->first + 1;
    for (size_t c = 0; c < cells->count; c++)
        next[classes->of[c] + 1]++;
    for (size_t k = 1; k <= classes->count; k++)
        next[k] += next[k - 1];
    for (size_t s = 0; s < cells->slot_count; s++) {
        for (uint32_t c = cells->first_cell[s]; c < cells->first_cell[s + 1]; c++) {
            classes->slot[c] = (uint32_t)s;
            classes->cell[next[classes->of[c]]++] = c;
        }
    }
    for (size_t k = 0; k < classes->count; k++) {
        for (size_t i = classes->first[k] + 1; i < classes->first[k + 1]; i++) {
            uint32_t c = classes->cell[i], before = classes->cell[i - 1];
            if (classes->slot[c] == classes->slot[before])
                classes->place[c] = classes->place[before] + 1;
        }
    }
    return TN_OK;
}

/* --- the members of the multiset -------------------------------------------------- */

/* Cells of a run mostly have the same places, and then the same hash. */
static void hash_tie(tn__classes *classes, const tn__tie *tie)
{
    const uint32_t *from = &classes->place[tie->cell[0]];
    const uint32_t *to = &classes->place[tie->cell[1]];
    const uint32_t *of = &classes->of[tie->cell[0]];
    tn__signature hash = {0};
    for (uint32_t i = 0; i < tie->count; i++) {
        if (i == 0 || from[i] != from[i - 1] || to[i] != to[i - 1]) {
            const uint64_t words[] = {
                tie->node, (uint64_t)(int64_t)tie->operand[0], tie->slot[0],
                from[i],   (uint64_t)(int64_t)tie->operand[1], tie->slot[1],
                to[i]};
            hash = hash_member(TIE, TN__COUNT(words), words);
        }
        add_hash(&classes->signature[of[i]], &hash);
    }
}

/* What cells are by themselves; most on one slot are alike. */
static void hash_places(tn__classes *classes, const tn__cells *cells)
{
    tn__signature hash = {0};
    for (size_t c = 0; c < cells->count; c++) {
        if (c == 0 || classes->slot[c] != classes->slot[c - 1] ||
            classes->place[c] != classes->place[c - 1]) {
            const uint64_t words[] = {classes->slot[c], classes->place[c]};
            hash = hash_member(PLACE, TN__COUNT(words), words);
        }
        add_hash(&classes->signature[classes->of[c]], &hash);
    }
}

static void hash_offsets(tn__classes *classes)
{
    for (size_t k = 0; k < classes->count; k++) {
        uint32_t start = 0; /* the class's first cell on this slot */
        for (size_t i = classes->first[k]; i < classes->first[k + 1]; i++) {
            uint32_t c = classes->cell[i];
            if (classes->place[c] == 0) {
                start = c;
                continue;
            }
            const uint64_t words[] = {classes->slot[c], classes->place[c], c - start};
            add_member(&classes->signature[k], OFFSET, TN__COUNT(words), words);
        }
    }
}

static void hash_inside(tn__classes *classes, tn__cells *cells)
{
    for (size_t r = 0; r < cells->inside_count; r++) {
        const tn__inside *in = &cells->inside[r];
        uint32_t first = cells->first_cell[in->slot];
        for (uint32_t c = first; c < cells->first_cell[in->slot + 1]; c++) {
            uint32_t outer =
                cells->first_cell[in->outer] + (c - first) / in->divide % in->modulo;
            uint32_t class = classes->of[c];
            if (class == classes->of[outer])
                continue;
            bool held = tn__cells_reason(cells, outer) != NULL;
            const uint64_t words[] = {r, classes->place[c], classes->place[outer],
                                      held ? 1 + (uint64_t)outer : 0};
            add_member(&classes->signature[class], INSIDE, 4, words);
        }
    }
}

/* Hashes what a constant holds at each index of one of its axes. */
static tn_status hash_content(tn__classes *classes, const tn__cells *cells,
                              const tn__tensor *constant, size_t slot, int axis,
                              tn_error *err)
{
    uint32_t begin = cells->first_cell[slot];
    size_t extent = cells->first_cell[slot + 1] - begin, inner = 1;
    for (int a = axis + 1; a < constant->shape.rank; a++)
        inner *= (size_t)constant->shape.dims[a];
    uint64_t *hash = tn__alloc(extent, sizeof *hash);
    if (!hash)
        return tn__fail_memory(err, extent * sizeof *hash);
    const unsigned char *bytes = tn__tensor_data(constant);
    size_t size = tn__dtype_size(constant->dtype), count = tn__tensor_count(constant);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        memcpy(&word, bytes + i * size, size);
        size_t index = i / inner % extent;
        hash[index] = mix(hash[index], word);
    }
    for (size_t i = 0; i < extent; i++) {
        uint32_t c = begin + (uint32_t)i;
        const uint64_t words[] = {slot, classes->place[c], hash[i]};
        add_member(&classes->signature[classes->of[c]], CONTENT, 3, words);
    }
    tn__free(hash);
    return TN_OK;
}

static tn_status hash_values(tn__classes *classes, const tn__cells *cells,
                             const tn__shapes *shapes, tn_error *err)
{
    for (size_t v = 0; v < cells->value_count; v++) {
        const tn__tensor *constant = &shapes->constant[v];
        if (cells->nature[v] != TN__FIXED || constant->dtype == TN_UNDEFINED)
            continue;
        for (int a = 0; a < constant->shape.rank; a++) {
            tn_status status = hash_content(classes, cells, constant,
                                            cells->first_slot[v] + (size_t)a, a, err);
            if (status)
                return status;
        }
    }
    return TN_OK;
}

tn_status tn__classes_create(tn__classes *out, tn__cells *cells,
                             const tn__shapes *shapes, tn_error *err)
{
    tn__classes classes = {0};
    tn_status status = allocate(&classes, cells->count, err);
    if (status || (status = number_classes(&classes, cells, err)) != TN_OK ||
        (status = gather_classes(&classes, cells, err)) != TN_OK)
        goto done;
    if ((status = tn__classes_nest(&classes, cells, err)) != TN_OK)
        goto done;
    hash_places(&classes, cells);
    hash_offsets(&classes);
    hash_inside(&classes, cells);
    if ((status = hash_values(&classes, cells, shapes, err)) != TN_OK)
        goto done;
    for (size_t k = 0; k < cells->tie_count; k++)
        hash_tie(&classes, &cells->ties[k]);
    *out = classes;
    classes = (tn__classes){0};
done:
    tn__classes_release(&classes);
    return status;
}

void tn__classes_release(tn__classes *classes)
{
    tn__free(classes->first);
    tn__free(classes->cell);
    tn__free(classes->of);
    tn__free(classes->slot);
    tn__free(classes->place);
    tn__free(classes->signature);
    tn__free(classes->block);
    *classes = (tn__classes){0};
}
