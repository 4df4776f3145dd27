/* pickle_machine.c - values, stack, marks, memo and stream of the pickle machine, each
 * within the limits of pickle.h, so that memory is bounded by the length of the stream.
 */
#include "format/pickle_machine.h"

#include <string.h>

enum { BLOCK_VALUES = 256 };

typedef struct tn__pickle_block {
    struct tn__pickle_block *next;
    size_t used;
    tn__pickle_value values[BLOCK_VALUES];
} tn__pickle_block;

tn_status tn__machine_fail(tn__machine *m, tn_status code, const char *problem)
{
    return tn__fail(m->err, code,
                    "cannot read '%s': pickle opcode 0x%02x at byte %zu %s", m->r->name,
                    m->r->start[m->opcode_at], m->opcode_at, problem);
}

/* --- values and the stack --------------------------------------------------------- */

tn_status tn__machine_new(tn__machine *m, tn__pickle_value **out, tn__pickle_kind kind)
{
    tn__pickle *p = m->out;
    if (p->value_count >= TN__PICKLE_VALUES_MAX)
        return tn__machine_fail(m, TN_ERROR_UNSUPPORTED,
                                "makes values beyond the limit");
    if (!p->blocks || p->blocks->used == BLOCK_VALUES) {
        tn__pickle_block *block = tn__alloc(1, sizeof *block);
        if (!block)
            return tn__fail_memory(m->err, sizeof *block);
        block->next = p->blocks;
        p->blocks = block;
    }
    tn__pickle_value *value = &p->blocks->values[p->blocks->used++];
    value->kind = kind;
    p->value_count++;
    *out = value;
    return TN_OK;
}

tn_status tn__machine_add_item(tn__machine *m, tn__pickle_value *container,
                               tn__pickle_value *item)
{
    if (m->out->item_count >= TN__PICKLE_ITEMS_MAX)
        return tn__machine_fail(m, TN_ERROR_UNSUPPORTED,
                                "fills containers beyond the limit");
    tn_status status = tn__grow(&container->items.at, &container->items.capacity,
                                container->items.count, sizeof item, m->err);
    if (status)
        return status;
    container->items.at[container->items.count++] = item;
    m->out->item_count++;
    return TN_OK;
}

tn_status tn__machine_push(tn__machine *m, tn__pickle_value *value)
{
    if (m->height >= TN__PICKLE_STACK_MAX)
        return tn__machine_fail(m, TN_ERROR_UNSUPPORTED,
                                "fills the stack beyond the limit");
    tn_status status =
        tn__grow(&m->stack, &m->stack_capacity, m->height, sizeof value, m->err);
    if (status)
        return status;
    m->stack[m->height++] = value;
    return TN_OK;
}

tn_status tn__machine_push_new(tn__machine *m, tn__pickle_value **out,
                               tn__pickle_kind kind)
{
    tn_status status = tn__machine_new(m, out, kind);
    return status ? status : tn__machine_push(m, *out);
}

tn_status tn__machine_pop(tn__machine *m, tn__pickle_value **out)
{
    if (!tn__machine_above_mark(m))
        return tn__machine_fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    *out = m->stack[--m->height];
    return TN_OK;
}

tn_status tn__machine_top(tn__machine *m, tn__pickle_value **out)
{
    if (!tn__machine_above_mark(m))
        return tn__machine_fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    *out = m->stack[m->height - 1];
    return TN_OK;
}

tn_status tn__machine_mark(tn__machine *m)
{
    if (m->mark_count >= TN__PICKLE_STACK_MAX)
        return tn__machine_fail(m, TN_ERROR_UNSUPPORTED,
                                "marks the stack beyond the limit");
    tn_status status =
        tn__grow(&m->marks, &m->mark_capacity, m->mark_count, sizeof *m->marks, m->err);
    if (!status)
        m->marks[m->mark_count++] = m->height;
    return status;
}

tn_status tn__machine_pop_mark(tn__machine *m, size_t *count)
{
    if (!m->mark_count)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "finds no mark on the stack");
    *count = tn__machine_above_mark(m);
    m->height = m->marks[--m->mark_count];
    return TN_OK;
}

tn_status tn__machine_list_of(tn__machine *m, tn__pickle_value **out, size_t count)
{
    tn_status status = tn__machine_new(m, out, TN__PICKLE_LIST);
    for (size_t k = 0; k < count && !status; k++)
        status = tn__machine_add_item(m, *out, m->stack[m->height + k]);
    return status;
}

tn_status tn__machine_drop(tn__machine *m, size_t count)
{
    if (tn__machine_above_mark(m) < count)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    m->height -= count;
    return TN_OK;
}

/* --- what the stream holds -------------------------------------------------------- */

tn_status tn__machine_read_size(tn__machine *m, uint64_t *out, int size)
{
    const uint8_t *bytes = NULL;
    tn_status status =
        tn__read_bytes(m->r, &bytes, (size_t)size, "pickle argument", m->err);
    if (status)
        return status;
    *out = 0;
    for (int k = size - 1; k >= 0; k--)
        *out = *out << 8 | bytes[k];
    return TN_OK;
}

tn_status tn__machine_read_text(tn__machine *m, const char **out, uint64_t length)
{
    const uint8_t *bytes = NULL;
    if (length > tn__reader_left(m->r))
        return tn__machine_fail(m, TN_ERROR_FORMAT, "reads beyond the end");
    tn_status status =
        tn__read_bytes(m->r, &bytes, (size_t)length, "pickle text", m->err);
    if (!status)
        *out = (const char *)bytes;
    return status;
}

tn_status tn__machine_read_line(tn__machine *m, const char **out, size_t *length)
{
    const uint8_t *start = m->r->start + m->r->at;
    const uint8_t *end = memchr(start, '\n', tn__reader_left(m->r));
    if (!end)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "reads a line that does not end");
    *out = (const char *)start;
    *length = (size_t)(end - start);
    m->r->at += *length + 1;
    return TN_OK;
}

/* --- the memo --------------------------------------------------------------------- */

tn_status tn__machine_memo_put(tn__machine *m, uint64_t index)
{
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_top(m, &value);
    if (status)
        return status;
    /* A pickler numbers from 0 on and spends bytes on each, so an index beyond the
     * stream's length is made up. */
    if (index >= TN__PICKLE_MEMO_MAX || index >= m->r->size)
        return tn__machine_fail(m, TN_ERROR_FORMAT,
                                "puts at an index beyond the limit");
    while (m->memo_count <= index) {
        status =
            tn__grow(&m->memo, &m->memo_capacity, m->memo_count, sizeof value, m->err);
        if (status)
            return status;
        m->memo[m->memo_count++] = NULL;
    }
    m->memo[index] = value;
    return TN_OK;
}

tn_status tn__machine_memo_get(tn__machine *m, uint64_t index)
{
    if (index >= m->memo_count || !m->memo[index])
        return tn__machine_fail(m, TN_ERROR_FORMAT, "gets what was never put");
    return tn__machine_push(m, m->memo[index]);
}

/* --- the end ---------------------------------------------------------------------- */

void tn__machine_release(tn__machine *m)
{
    tn__free(m->stack);
    tn__free(m->marks);
    tn__free(m->memo);
}

void tn__pickle_release(tn__pickle *pickle)
{
    while (pickle->blocks) {
        tn__pickle_block *block = pickle->blocks;
        pickle->blocks = block->next;
        for (size_t k = 0; k < block->used; k++) {
            tn__pickle_kind kind = block->values[k].kind;
            if (kind == TN__PICKLE_LIST || kind == TN__PICKLE_DICT)
                tn__free(block->values[k].items.at);
        }
        tn__free(block);
    }
    tn__free(pickle->persistent);
    *pickle = (tn__pickle){0};
}
