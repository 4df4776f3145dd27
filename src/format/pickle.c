/* pickle.c - the pickle machine: a stack, marks, a memo, and one handler per opcode.
 *
 * The table at the end maps opcodes to handlers. Every handler takes what it needs from
 * the stack or the stream and pushes at most one value, so memory is bounded by the
 * limits of pickle.h and the length of the stream. Values may form cycles and share
 * parts; whoever walks them must bound the walk.
 */
#include "format/pickle.h"

#include <string.h>

enum { BLOCK_VALUES = 256 };

typedef struct tn__pickle_block {
    struct tn__pickle_block *next;
    size_t used;
    tn__pickle_value values[BLOCK_VALUES];
} tn__pickle_block;

typedef struct machine {
    tn__reader *r;
    size_t opcode_at; /* of the opcode being run, for messages */
    tn__pickle *out;
    tn__pickle_value **stack;
    size_t height, stack_capacity;
    size_t *marks; /* stack heights */
    size_t mark_count, mark_capacity;
    tn__pickle_value **memo; /* NULL where nothing was put */
    size_t memo_count, memo_capacity;
    tn_error *err;
    bool stopped;
} machine;

static tn_status fail(machine *m, tn_status code, const char *problem)
{
    return tn__fail(m->err, code,
                    "cannot read '%s': pickle opcode 0x%02x at byte %zu %s", m->r->name,
                    m->r->start[m->opcode_at], m->opcode_at, problem);
}

/* --- values ----------------------------------------------------------------------- */

static tn_status new_value(machine *m, tn__pickle_value **out, tn__pickle_kind kind)
{
    tn__pickle *p = m->out;
    if (p->value_count >= TN__PICKLE_VALUES_MAX)
        return fail(m, TN_ERROR_UNSUPPORTED, "makes values beyond the limit");
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

/* Appends to a LIST or DICT. */
static tn_status add_item(machine *m, tn__pickle_value *container,
                          tn__pickle_value *item)
{
    if (m->out->item_count >= TN__PICKLE_ITEMS_MAX)
        return fail(m, TN_ERROR_UNSUPPORTED, "fills containers beyond the limit");
    tn_status status = tn__grow(&container->items.at, &container->items.capacity,
                                container->items.count, sizeof item, m->err);
    if (status)
        return status;
    container->items.at[container->items.count++] = item;
    m->out->item_count++;
    return TN_OK;
}

static tn_status push(machine *m, tn__pickle_value *value)
{
    if (m->height >= TN__PICKLE_STACK_MAX)
        return fail(m, TN_ERROR_UNSUPPORTED, "fills the stack beyond the limit");
    tn_status status =
        tn__grow(&m->stack, &m->stack_capacity, m->height, sizeof value, m->err);
    if (status)
        return status;
    m->stack[m->height++] = value;
    return TN_OK;
}

static tn_status push_new(machine *m, tn__pickle_value **out, tn__pickle_kind kind)
{
    tn_status status = new_value(m, out, kind);
    return status ? status : push(m, *out);
}

/* Values above the last mark. */
static size_t above_mark(const machine *m)
{
    return m->height - (m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

static tn_status pop(machine *m, tn__pickle_value **out)
{
    if (!above_mark(m))
        return fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    *out = m->stack[--m->height];
    return TN_OK;
}

static tn_status top(machine *m, tn__pickle_value **out)
{
    if (!above_mark(m))
        return fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    *out = m->stack[m->height - 1];
    return TN_OK;
}

/* Takes everything above the last mark off the stack; it stays valid at stack[height].
 */
static tn_status pop_mark(machine *m, size_t *count)
{
    if (!m->mark_count)
        return fail(m, TN_ERROR_FORMAT, "finds no mark on the stack");
    *count = above_mark(m);
    m->height = m->marks[--m->mark_count];
    return TN_OK;
}

/* A LIST of the `count` values at stack[height]. */
static tn_status list_of(machine *m, tn__pickle_value **out, size_t count)
{
    tn_status status = new_value(m, out, TN__PICKLE_LIST);
    for (size_t k = 0; k < count && !status; k++)
        status = add_item(m, *out, m->stack[m->height + k]);
    return status;
}

/* --- what the stream holds -------------------------------------------------------- */

/* Little-endian unsigned number of `size` bytes. */
static tn_status read_size(machine *m, uint64_t *out, int size)
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

static tn_status read_text(machine *m, const char **out, uint64_t length)
{
    const uint8_t *bytes = NULL;
    if (length > tn__reader_left(m->r))
        return fail(m, TN_ERROR_FORMAT, "reads beyond the end");
    tn_status status =
        tn__read_bytes(m->r, &bytes, (size_t)length, "pickle text", m->err);
    if (!status)
        *out = (const char *)bytes;
    return status;
}

/* The rest of the line, without its end. */
static tn_status read_line(machine *m, const char **out, size_t *length)
{
    const uint8_t *start = m->r->start + m->r->at;
    const uint8_t *end = memchr(start, '\n', tn__reader_left(m->r));
    if (!end)
        return fail(m, TN_ERROR_FORMAT, "reads a line that does not end");
    *out = (const char *)start;
    *length = (size_t)(end - start);
    m->r->at += *length + 1;
    return TN_OK;
}

static tn_status push_text(machine *m, tn__pickle_kind kind, const char *text,
                           size_t length)
{
    tn__pickle_value *value = NULL;
    tn_status status = push_new(m, &value, kind);
    if (!status) {
        value->text.bytes = text;
        value->text.length = length;
    }
    return status;
}

static tn_status push_integer(machine *m, tn__pickle_kind kind, int64_t integer)
{
    tn__pickle_value *value = NULL;
    tn_status status = push_new(m, &value, kind);
    if (!status)
        value->integer = integer;
    return status;
}

/* Decimal text; false where it is none or does not fit. */
static bool parse_integer(int64_t *out, const char *text, size_t length)
{
    bool negative = length && *text == '-';
    size_t k = length && (*text == '-' || *text == '+');
    int64_t value = 0;
    if (k == length)
        return false;
    for (; k < length; k++) {
        int digit = text[k] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    return negative ? (*out = value, true) : !__builtin_sub_overflow(0, value, out);
}

/* --- opcodes: constants and text ---------------------------------------------------
 */

static tn_status op_none(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    return push_new(m, &value, TN__PICKLE_NONE);
}

static tn_status op_bool(machine *m, int value)
{
    return push_integer(m, TN__PICKLE_BOOL, value);
}

/* BININT1, BININT2: unsigned. */
static tn_status op_unsigned(machine *m, int size)
{
    uint64_t value = 0;
    tn_status status = read_size(m, &value, size);
    return status ? status : push_integer(m, TN__PICKLE_INT, (int64_t)value);
}

static tn_status op_binint(machine *m, int size)
{
    uint64_t value = 0;
    tn_status status = read_size(m, &value, size);
    return status ? status : push_integer(m, TN__PICKLE_INT, (int32_t)(uint32_t)value);
}

/* LONG1, LONG4: two's complement, little-endian, any length. */
static tn_status op_long(machine *m, int size)
{
    uint64_t length = 0, value = 0;
    const char *bytes = NULL;
    tn_status status = read_size(m, &length, size);
    if (!status)
        status = read_text(m, &bytes, length);
    if (status)
        return status;
    if (length > sizeof value)
        return push_text(m, TN__PICKLE_NUMBER, bytes, (size_t)length);
    if (length && (bytes[length - 1] & 0x80))
        value = UINT64_MAX;
    for (size_t k = (size_t)length; k-- > 0;)
        value = value << 8 | (uint8_t)bytes[k];
    return push_integer(m, TN__PICKLE_INT, (int64_t)value);
}

/* INT, LONG: a decimal line; INT's "00" and "01" are booleans, LONG's may end in L. */
static tn_status op_decimal(machine *m, int is_long)
{
    const char *text = NULL;
    size_t length = 0;
    int64_t value = 0;
    tn_status status = read_line(m, &text, &length);
    if (status)
        return status;
    if (is_long && length && text[length - 1] == 'L')
        length--;
    if (!parse_integer(&value, text, length))
        return push_text(m, TN__PICKLE_NUMBER, text, length);
    bool boolean = !is_long && length == 2 && text[0] == '0' && value <= 1;
    return push_integer(m, boolean ? TN__PICKLE_BOOL : TN__PICKLE_INT, value);
}

static tn_status op_binfloat(machine *m, int size)
{
    const char *bytes = NULL;
    tn_status status = read_text(m, &bytes, (uint64_t)size);
    return status ? status : push_text(m, TN__PICKLE_NUMBER, bytes, (size_t)size);
}

static tn_status op_float(machine *m, int unused)
{
    (void)unused;
    const char *text = NULL;
    size_t length = 0;
    tn_status status = read_line(m, &text, &length);
    return status ? status : push_text(m, TN__PICKLE_NUMBER, text, length);
}

/* Text whose length stands before it in `size` bytes. */
static tn_status op_text(machine *m, int size)
{
    uint64_t length = 0;
    const char *text = NULL;
    tn_status status = read_size(m, &length, size);
    if (!status)
        status = read_text(m, &text, length);
    return status ? status : push_text(m, TN__PICKLE_TEXT, text, (size_t)length);
}

/* STRING (quoted) and UNICODE: text to the end of the line. */
static tn_status op_line(machine *m, int quoted)
{
    const char *text = NULL;
    size_t length = 0;
    tn_status status = read_line(m, &text, &length);
    if (status)
        return status;
    if (quoted) {
        if (length < 2 || text[0] != text[length - 1])
            return fail(m, TN_ERROR_FORMAT, "reads a string without quotes");
        text++;
        length -= 2;
    }
    return push_text(m, TN__PICKLE_TEXT, text, length);
}

/* --- opcodes: containers -----------------------------------------------------------
 */

static tn_status op_empty(machine *m, int kind)
{
    tn__pickle_value *value = NULL;
    return push_new(m, &value, (tn__pickle_kind)kind);
}

/* TUPLE1, TUPLE2, TUPLE3. */
static tn_status op_tuple(machine *m, int count)
{
    tn__pickle_value *list = NULL;
    if (above_mark(m) < (size_t)count)
        return fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    m->height -= (size_t)count;
    tn_status status = list_of(m, &list, (size_t)count);
    return status ? status : push(m, list);
}

/* LIST, TUPLE, FROZENSET. */
static tn_status op_list(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *list = NULL;
    tn_status status = pop_mark(m, &count);
    if (!status)
        status = list_of(m, &list, count);
    return status ? status : push(m, list);
}

/* Appends the `count` values at stack[height] to the container on top. What a subclass
 * of list holds beside its state is not kept. */
static tn_status append(machine *m, size_t count)
{
    tn__pickle_value *container = NULL;
    size_t first = m->height;
    tn_status status = top(m, &container);
    if (status)
        return status;
    if (container->kind == TN__PICKLE_OBJECT)
        return TN_OK;
    if (container->kind != TN__PICKLE_LIST)
        return fail(m, TN_ERROR_FORMAT, "appends to what is no list");
    for (size_t k = 0; k < count && !status; k++)
        status = add_item(m, container, m->stack[first + k]);
    return status;
}

static tn_status op_append(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    tn_status status = pop(m, &value);
    return status ? status : append(m, 1);
}

static tn_status op_appends(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn_status status = pop_mark(m, &count);
    return status ? status : append(m, count);
}

/* Sets the `count` keys and values at stack[height] on the dict, or object, on top. */
static tn_status set_items(machine *m, size_t count)
{
    tn__pickle_value *dict = NULL;
    size_t first = m->height;
    tn_status status = top(m, &dict);
    if (status)
        return status;
    if (dict->kind == TN__PICKLE_OBJECT) {
        if (!dict->object.entries)
            status = new_value(m, &dict->object.entries, TN__PICKLE_DICT);
        dict = dict->object.entries;
    } else if (dict->kind != TN__PICKLE_DICT) {
        return fail(m, TN_ERROR_FORMAT, "sets items of what is no dict");
    }
    if (count % 2)
        return fail(m, TN_ERROR_FORMAT, "sets a key without value");
    for (size_t k = 0; k < count && !status; k++)
        status = add_item(m, dict, m->stack[first + k]);
    return status;
}

static tn_status op_setitem(machine *m, int unused)
{
    (void)unused;
    if (above_mark(m) < 2)
        return fail(m, TN_ERROR_FORMAT, "finds the stack empty");
    m->height -= 2;
    return set_items(m, 2);
}

static tn_status op_setitems(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn_status status = pop_mark(m, &count);
    return status ? status : set_items(m, count);
}

static tn_status op_dict(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *dict = NULL;
    tn_status status = pop_mark(m, &count);
    if (status)
        return status;
    if (count % 2)
        return fail(m, TN_ERROR_FORMAT, "sets a key without value");
    status = new_value(m, &dict, TN__PICKLE_DICT);
    for (size_t k = 0; k < count && !status; k++)
        status = add_item(m, dict, m->stack[m->height + k]);
    return status ? status : push(m, dict);
}

/* --- opcodes: stack and memo -------------------------------------------------------
 */

static tn_status op_mark(machine *m, int unused)
{
    (void)unused;
    if (m->mark_count >= TN__PICKLE_STACK_MAX)
        return fail(m, TN_ERROR_UNSUPPORTED, "marks the stack beyond the limit");
    tn_status status =
        tn__grow(&m->marks, &m->mark_capacity, m->mark_count, sizeof *m->marks, m->err);
    if (!status)
        m->marks[m->mark_count++] = m->height;
    return status;
}

/* POP takes a mark where that is what is on top. */
static tn_status op_pop(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    if (m->mark_count && !above_mark(m)) {
        m->mark_count--;
        return TN_OK;
    }
    return pop(m, &value);
}

static tn_status op_pop_mark(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    return pop_mark(m, &count);
}

static tn_status op_dup(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    tn_status status = top(m, &value);
    return status ? status : push(m, value);
}

static tn_status memo_put(machine *m, uint64_t index)
{
    tn__pickle_value *value = NULL;
    tn_status status = top(m, &value);
    if (status)
        return status;
    /* A pickler numbers from 0 on and spends bytes on each, so an index beyond the
     * stream's length is made up. */
    if (index >= TN__PICKLE_MEMO_MAX || index >= m->r->size)
        return fail(m, TN_ERROR_FORMAT, "puts at an index beyond the limit");
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

static tn_status memo_get(machine *m, uint64_t index)
{
    if (index >= m->memo_count || !m->memo[index])
        return fail(m, TN_ERROR_FORMAT, "gets what was never put");
    return push(m, m->memo[index]);
}

/* The index of PUT and GET: a decimal line (size 0) or `size` bytes. */
static tn_status read_index(machine *m, uint64_t *out, int size)
{
    const char *text = NULL;
    size_t length = 0;
    int64_t index = 0;
    if (size)
        return read_size(m, out, size);
    tn_status status = read_line(m, &text, &length);
    if (status)
        return status;
    if (!parse_integer(&index, text, length) || index < 0)
        return fail(m, TN_ERROR_FORMAT, "reads an index that is no number");
    *out = (uint64_t)index;
    return TN_OK;
}

static tn_status op_put(machine *m, int size)
{
    uint64_t index = 0;
    tn_status status = read_index(m, &index, size);
    return status ? status : memo_put(m, index);
}

static tn_status op_get(machine *m, int size)
{
    uint64_t index = 0;
    tn_status status = read_index(m, &index, size);
    return status ? status : memo_get(m, index);
}

static tn_status op_memoize(machine *m, int unused)
{
    (void)unused;
    return memo_put(m, m->memo_count);
}

/* --- opcodes: classes and objects --------------------------------------------------
 */

static bool class_is_any(const tn__pickle_value *callee, const char *const names[][2],
                         size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (tn__pickle_class_is(callee, names[k][0], names[k][1]))
            return true;
    return false;
}

/* A dict, filled from a list of pairs where that is the first argument. */
static tn_status push_dict(machine *m, const tn__pickle_value *args)
{
    tn__pickle_value *dict = NULL;
    tn_status status = push_new(m, &dict, TN__PICKLE_DICT);
    if (status || !args->items.count || args->items.at[0]->kind != TN__PICKLE_LIST)
        return status;
    const tn__pickle_value *pairs = args->items.at[0];
    for (size_t k = 0; k < pairs->items.count && !status; k++) {
        const tn__pickle_value *pair = pairs->items.at[k];
        if (pair->kind != TN__PICKLE_LIST || pair->items.count != 2)
            return fail(m, TN_ERROR_FORMAT, "makes a dict of what is no pair");
        status = add_item(m, dict, pair->items.at[0]);
        if (!status)
            status = add_item(m, dict, pair->items.at[1]);
    }
    return status;
}

/* What callee(*args) gives: a plain container, or an object that holds both. */
static tn_status push_made(machine *m, const tn__pickle_value *callee,
                           tn__pickle_value *args)
{
    static const char *const dicts[][2] = {{"collections", "OrderedDict"},
                                           {"collections", "defaultdict"},
                                           {"builtins", "dict"},
                                           {"__builtin__", "dict"}};
    static const char *const lists[][2] = {
        {"builtins", "set"},       {"__builtin__", "set"},
        {"builtins", "frozenset"}, {"__builtin__", "frozenset"},
        {"builtins", "list"},      {"__builtin__", "list"},
        {"builtins", "tuple"},     {"__builtin__", "tuple"}};
    if (args->kind != TN__PICKLE_LIST)
        return fail(m, TN_ERROR_FORMAT, "calls with what is no tuple");
    if (class_is_any(callee, dicts, TN__COUNT(dicts)))
        return push_dict(m, args);
    if (class_is_any(callee, lists, TN__COUNT(lists)) && args->items.count == 1 &&
        args->items.at[0]->kind == TN__PICKLE_LIST)
        return push(m, args->items.at[0]);
    tn__pickle_value *object = NULL;
    tn_status status = push_new(m, &object, TN__PICKLE_OBJECT);
    if (!status) {
        object->object.callee = callee;
        object->object.args = args;
    }
    return status;
}

static tn_status make_class(machine *m, tn__pickle_value **out,
                            tn__pickle_value *module, tn__pickle_value *name)
{
    if (module->kind != TN__PICKLE_TEXT || name->kind != TN__PICKLE_TEXT)
        return fail(m, TN_ERROR_FORMAT, "names a class by what is no text");
    tn_status status = new_value(m, out, TN__PICKLE_CLASS);
    if (!status) {
        (*out)->class.module = module;
        (*out)->class.name = name;
    }
    return status;
}

/* Two lines: module, name. */
static tn_status read_class(machine *m, tn__pickle_value **out)
{
    tn__pickle_value *part[2] = {0};
    tn_status status = TN_OK;
    for (int k = 0; k < 2 && !status; k++) {
        status = new_value(m, &part[k], TN__PICKLE_TEXT);
        if (!status)
            status = read_line(m, &part[k]->text.bytes, &part[k]->text.length);
    }
    return status ? status : make_class(m, out, part[0], part[1]);
}

static tn_status op_global(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *class = NULL;
    tn_status status = read_class(m, &class);
    return status ? status : push(m, class);
}

static tn_status op_stack_global(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *class = NULL, *module = NULL, *name = NULL;
    tn_status status = pop(m, &name);
    if (!status)
        status = pop(m, &module);
    if (!status)
        status = make_class(m, &class, module, name);
    return status ? status : push(m, class);
}

/* REDUCE, NEWOBJ: callee, args; NEWOBJ_EX has keywords on top, which are dropped. */
static tn_status op_make(machine *m, int keywords)
{
    tn__pickle_value *callee = NULL, *args = NULL;
    tn_status status = keywords ? pop(m, &args) : TN_OK;
    if (!status)
        status = pop(m, &args);
    if (!status)
        status = pop(m, &callee);
    return status ? status : push_made(m, callee, args);
}

/* INST: the class in the stream, its arguments above the mark. */
static tn_status op_inst(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *class = NULL, *args = NULL;
    tn_status status = read_class(m, &class);
    if (!status)
        status = pop_mark(m, &count);
    if (!status)
        status = list_of(m, &args, count);
    return status ? status : push_made(m, class, args);
}

/* OBJ: the class and its arguments above the mark. */
static tn_status op_obj(machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *args = NULL;
    tn_status status = pop_mark(m, &count);
    if (status)
        return status;
    if (!count)
        return fail(m, TN_ERROR_FORMAT, "finds no class above the mark");
    tn__pickle_value *class = m->stack[m->height];
    m->height++;
    status = list_of(m, &args, count - 1);
    m->height--;
    return status ? status : push_made(m, class, args);
}

/* State given to a plain container (an OrderedDict's attributes) is dropped. */
static tn_status op_build(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *state = NULL, *object = NULL;
    tn_status status = pop(m, &state);
    if (!status)
        status = top(m, &object);
    if (status)
        return status;
    if (object->kind == TN__PICKLE_OBJECT)
        object->object.state = state;
    else if (object->kind != TN__PICKLE_DICT && object->kind != TN__PICKLE_LIST)
        return fail(m, TN_ERROR_FORMAT, "gives state to what is no object");
    return TN_OK;
}

static tn_status push_persistent(machine *m, const tn__pickle_value *id)
{
    tn__pickle *p = m->out;
    tn__pickle_value *value = NULL;
    tn_status status = push_new(m, &value, TN__PICKLE_PERSISTENT);
    if (!status)
        status = tn__grow(&p->persistent, &p->persistent_capacity, p->persistent_count,
                          sizeof *p->persistent, m->err);
    if (status)
        return status;
    value->id = id;
    p->persistent[p->persistent_count++] = value;
    return TN_OK;
}

static tn_status op_binpersid(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *id = NULL;
    tn_status status = pop(m, &id);
    return status ? status : push_persistent(m, id);
}

static tn_status op_persid(machine *m, int unused)
{
    tn__pickle_value *id = NULL;
    tn_status status = op_line(m, unused);
    if (!status)
        status = pop(m, &id);
    return status ? status : push_persistent(m, id);
}

/* --- the machine -------------------------------------------------------------------
 */

static tn_status op_proto(machine *m, int size)
{
    uint64_t protocol = 0;
    tn_status status = read_size(m, &protocol, size);
    if (!status && protocol > 5)
        return fail(m, TN_ERROR_UNSUPPORTED, "asks for a protocol above 5");
    return status;
}

/* Frames only tell a reader how much to fetch. */
static tn_status op_frame(machine *m, int size)
{
    uint64_t length = 0;
    return read_size(m, &length, size);
}

static tn_status op_stop(machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *root = NULL;
    tn_status status = pop(m, &root);
    if (status)
        return status;
    m->out->root = root;
    m->stopped = true;
    return TN_OK;
}

static tn_status op_refused(machine *m, int unused)
{
    (void)unused;
    return fail(m, TN_ERROR_UNSUPPORTED, "(extension code or buffer) is not supported");
}

static const struct opcode {
    tn_status (*run)(machine *m, int argument);
    int argument;
} opcodes[256] = {
    ['('] = {op_mark, 0},
    ['.'] = {op_stop, 0},
    ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_dup, 0},
    ['F'] = {op_float, 0},
    ['I'] = {op_decimal, 0},
    ['J'] = {op_binint, 4},
    ['K'] = {op_unsigned, 1},
    ['L'] = {op_decimal, 1},
    ['M'] = {op_unsigned, 2},
    ['N'] = {op_none, 0},
    ['P'] = {op_persid, 0},
    ['Q'] = {op_binpersid, 0},
    ['R'] = {op_make, 0},
    ['S'] = {op_line, 1},
    ['T'] = {op_text, 4},
    ['U'] = {op_text, 1},
    ['V'] = {op_line, 0},
    ['X'] = {op_text, 4},
    ['a'] = {op_append, 0},
    ['b'] = {op_build, 0},
    ['c'] = {op_global, 0},
    ['d'] = {op_dict, 0},
    ['}'] = {op_empty, TN__PICKLE_DICT},
    ['e'] = {op_appends, 0},
    ['g'] = {op_get, 0},
    ['h'] = {op_get, 1},
    ['i'] = {op_inst, 0},
    ['j'] = {op_get, 4},
    ['l'] = {op_list, 0},
    [']'] = {op_empty, TN__PICKLE_LIST},
    ['o'] = {op_obj, 0},
    ['p'] = {op_put, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['s'] = {op_setitem, 0},
    ['t'] = {op_list, 0},
    [')'] = {op_empty, TN__PICKLE_LIST},
    ['u'] = {op_setitems, 0},
    ['G'] = {op_binfloat, 8},
    ['B'] = {op_text, 4},
    ['C'] = {op_text, 1},
    [0x80] = {op_proto, 1},
    [0x81] = {op_make, 0},
    [0x82] = {op_refused, 0},
    [0x83] = {op_refused, 0},
    [0x84] = {op_refused, 0},
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    [0x8c] = {op_text, 1},
    [0x8d] = {op_text, 8},
    [0x8e] = {op_text, 8},
    [0x8f] = {op_empty, TN__PICKLE_LIST},
    [0x90] = {op_appends, 0},
    [0x91] = {op_list, 0},
    [0x92] = {op_make, 1},
    [0x93] = {op_stack_global, 0},
    [0x94] = {op_memoize, 0},
    [0x95] = {op_frame, 8},
    [0x96] = {op_text, 8},
    [0x97] = {op_refused, 0},
    [0x98] = {op_refused, 0},
};

tn_status tn__pickle_read(tn__pickle *out, tn__reader *r, tn_error *err)
{
    tn__pickle pickle = {0};
    machine m = {.r = r, .out = &pickle, .err = err};
    tn_status status = TN_OK;
    while (!status && !m.stopped) {
        uint8_t code = 0;
        m.opcode_at = r->at;
        status = tn__read_u8(r, &code, "pickle opcode", err);
        if (status)
            break;
        status = opcodes[code].run ? opcodes[code].run(&m, opcodes[code].argument)
                                   : fail(&m, TN_ERROR_FORMAT, "is not known");
    }
    tn__free(m.stack);
    tn__free(m.marks);
    tn__free(m.memo);
    if (status)
        tn__pickle_release(&pickle);
    else
        *out = pickle;
    return status;
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

/* --- questions about values --------------------------------------------------------
 */

bool tn__pickle_text_is(const tn__pickle_value *value, const char *text)
{
    return value->kind == TN__PICKLE_TEXT && value->text.length == strlen(text) &&
           memcmp(value->text.bytes, text, value->text.length) == 0;
}

bool tn__pickle_class_is(const tn__pickle_value *value, const char *module,
                         const char *name)
{
    return value->kind == TN__PICKLE_CLASS &&
           tn__pickle_text_is(value->class.module, module) &&
           tn__pickle_text_is(value->class.name, name);
}

const tn__pickle_value *tn__pickle_get(const tn__pickle_value *dict, const char *key)
{
    for (size_t k = dict->items.count; k >= 2; k -= 2)
        if (tn__pickle_text_is(dict->items.at[k - 2], key))
            return dict->items.at[k - 1];
    return NULL;
}
