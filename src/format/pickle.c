/* pickle.c - pickle's opcodes: the table at the end maps each to its handler.
 *
 * A handler takes what it needs from the stack or the stream and pushes at most one
 * value. Values may form cycles and share parts; whoever walks them must bound the
 * walk.
 */
#include "format/pickle_machine.h"

#include <string.h>

/* --- pushing ---------------------------------------------------------------------- */

static tn_status push_text(tn__machine *m, tn__pickle_kind kind, const char *text,
                           size_t length)
{
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_push_new(m, &value, kind);
    if (!status) {
        value->text.bytes = text;
        value->text.length = length;
    }
    return status;
}

static tn_status push_integer(tn__machine *m, tn__pickle_kind kind, int64_t integer)
{
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_push_new(m, &value, kind);
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

/* --- opcodes: constants and text -------------------------------------------------- */

static tn_status op_none(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    return tn__machine_push_new(m, &value, TN__PICKLE_NONE);
}

static tn_status op_bool(tn__machine *m, int value)
{
    return push_integer(m, TN__PICKLE_BOOL, value);
}

/* BININT1, BININT2: unsigned. */
static tn_status op_unsigned(tn__machine *m, int size)
{
    uint64_t value = 0;
    tn_status status = tn__machine_read_size(m, &value, size);
    return status ? status : push_integer(m, TN__PICKLE_INT, (int64_t)value);
}

static tn_status op_binint(tn__machine *m, int size)
{
    uint64_t value = 0;
    tn_status status = tn__machine_read_size(m, &value, size);
    return status ? status : push_integer(m, TN__PICKLE_INT, (int32_t)(uint32_t)value);
}

/* LONG1, LONG4: two's complement, little-endian, any length. */
static tn_status op_long(tn__machine *m, int size)
{
    uint64_t length = 0, value = 0;
    const char *bytes = NULL;
    tn_status status = tn__machine_read_size(m, &length, size);
    if (!status)
        status = tn__machine_read_text(m, &bytes, length);
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
static tn_status op_decimal(tn__machine *m, int is_long)
{
    const char *text = NULL;
    size_t length = 0;
    int64_t value = 0;
    tn_status status = tn__machine_read_line(m, &text, &length);
    if (status)
        return status;
    if (is_long && length && text[length - 1] == 'L')
        length--;
    if (!parse_integer(&value, text, length))
        return push_text(m, TN__PICKLE_NUMBER, text, length);
    bool boolean = !is_long && length == 2 && text[0] == '0' && value <= 1;
    return push_integer(m, boolean ? TN__PICKLE_BOOL : TN__PICKLE_INT, value);
}

static tn_status op_binfloat(tn__machine *m, int size)
{
    const char *bytes = NULL;
    tn_status status = tn__machine_read_text(m, &bytes, (uint64_t)size);
    return status ? status : push_text(m, TN__PICKLE_NUMBER, bytes, (size_t)size);
}

static tn_status op_float(tn__machine *m, int unused)
{
    (void)unused;
    const char *text = NULL;
    size_t length = 0;
    tn_status status = tn__machine_read_line(m, &text, &length);
    return status ? status : push_text(m, TN__PICKLE_NUMBER, text, length);
}

/* Text whose length stands before it in `size` bytes. */
static tn_status op_text(tn__machine *m, int size)
{
    uint64_t length = 0;
    const char *text = NULL;
    tn_status status = tn__machine_read_size(m, &length, size);
    if (!status)
        status = tn__machine_read_text(m, &text, length);
    return status ? status : push_text(m, TN__PICKLE_TEXT, text, (size_t)length);
}

/* STRING (quoted) and UNICODE: text to the end of the line. */
static tn_status op_line(tn__machine *m, int quoted)
{
    const char *text = NULL;
    size_t length = 0;
    tn_status status = tn__machine_read_line(m, &text, &length);
    if (status)
        return status;
    if (quoted) {
        if (length < 2 || text[0] != text[length - 1])
            return tn__machine_fail(m, TN_ERROR_FORMAT,
                                    "reads a string without quotes");
        text++;
        length -= 2;
    }
    return push_text(m, TN__PICKLE_TEXT, text, length);
}

/* --- opcodes: containers ---------------------------------------------------------- */

static tn_status op_empty(tn__machine *m, int kind)
{
    tn__pickle_value *value = NULL;
    return tn__machine_push_new(m, &value, (tn__pickle_kind)kind);
}

/* TUPLE1, TUPLE2, TUPLE3. */
static tn_status op_tuple(tn__machine *m, int count)
{
    tn__pickle_value *list = NULL;
    tn_status status = tn__machine_drop(m, (size_t)count);
    if (!status)
        status = tn__machine_list_of(m, &list, (size_t)count);
    return status ? status : tn__machine_push(m, list);
}

/* LIST, TUPLE, FROZENSET. */
static tn_status op_list(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *list = NULL;
    tn_status status = tn__machine_pop_mark(m, &count);
    if (!status)
        status = tn__machine_list_of(m, &list, count);
    return status ? status : tn__machine_push(m, list);
}

/* Appends the `count` values at stack[height] to the container on top. What a subclass
 * of list holds beside its state is not kept. */
static tn_status append(tn__machine *m, size_t count)
{
    tn__pickle_value *container = NULL;
    size_t first = m->height;
    tn_status status = tn__machine_top(m, &container);
    if (status)
        return status;
    if (container->kind == TN__PICKLE_OBJECT)
        return TN_OK;
    if (container->kind != TN__PICKLE_LIST)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "appends to what is no list");
    for (size_t k = 0; k < count && !status; k++)
        status = tn__machine_add_item(m, container, m->stack[first + k]);
    return status;
}

static tn_status op_append(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_pop(m, &value);
    return status ? status : append(m, 1);
}

static tn_status op_appends(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn_status status = tn__machine_pop_mark(m, &count);
    return status ? status : append(m, count);
}

/* Sets the `count` keys and values at stack[height] on the dict, or object, on top. */
static tn_status set_items(tn__machine *m, size_t count)
{
    tn__pickle_value *dict = NULL;
    size_t first = m->height;
    tn_status status = tn__machine_top(m, &dict);
    if (status)
        return status;
    if (dict->kind == TN__PICKLE_OBJECT) {
        if (!dict->object.entries)
            status = tn__machine_new(m, &dict->object.entries, TN__PICKLE_DICT);
        dict = dict->object.entries;
    } else if (dict->kind != TN__PICKLE_DICT) {
        return tn__machine_fail(m, TN_ERROR_FORMAT, "sets items of what is no dict");
    }
    if (count % 2)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "sets a key without value");
    for (size_t k = 0; k < count && !status; k++)
        status = tn__machine_add_item(m, dict, m->stack[first + k]);
    return status;
}

static tn_status op_setitem(tn__machine *m, int unused)
{
    (void)unused;
    tn_status status = tn__machine_drop(m, 2);
    return status ? status : set_items(m, 2);
}

static tn_status op_setitems(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn_status status = tn__machine_pop_mark(m, &count);
    return status ? status : set_items(m, count);
}

static tn_status op_dict(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *dict = NULL;
    tn_status status = tn__machine_pop_mark(m, &count);
    if (status)
        return status;
    if (count % 2)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "sets a key without value");
    status = tn__machine_new(m, &dict, TN__PICKLE_DICT);
    for (size_t k = 0; k < count && !status; k++)
        status = tn__machine_add_item(m, dict, m->stack[m->height + k]);
    return status ? status : tn__machine_push(m, dict);
}

/* --- opcodes: stack and memo ------------------------------------------------------ */

static tn_status op_mark(tn__machine *m, int unused)
{
    (void)unused;
    return tn__machine_mark(m);
}

/* POP takes a mark where that is what is on top. */
static tn_status op_pop(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    if (m->mark_count && !tn__machine_above_mark(m)) {
        m->mark_count--;
        return TN_OK;
    }
    return tn__machine_pop(m, &value);
}

static tn_status op_pop_mark(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    return tn__machine_pop_mark(m, &count);
}

static tn_status op_dup(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_top(m, &value);
    return status ? status : tn__machine_push(m, value);
}

/* The index of PUT and GET: a decimal line (size 0) or `size` bytes. */
static tn_status read_index(tn__machine *m, uint64_t *out, int size)
{
    const char *text = NULL;
    size_t length = 0;
    int64_t index = 0;
    if (size)
        return tn__machine_read_size(m, out, size);
    tn_status status = tn__machine_read_line(m, &text, &length);
    if (status)
        return status;
    if (!parse_integer(&index, text, length) || index < 0)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "reads an index that is no number");
    *out = (uint64_t)index;
    return TN_OK;
}

static tn_status op_put(tn__machine *m, int size)
{
    uint64_t index = 0;
    tn_status status = read_index(m, &index, size);
    return status ? status : tn__machine_memo_put(m, index);
}

static tn_status op_get(tn__machine *m, int size)
{
    uint64_t index = 0;
    tn_status status = read_index(m, &index, size);
    return status ? status : tn__machine_memo_get(m, index);
}

static tn_status op_memoize(tn__machine *m, int unused)
{
    (void)unused;
    return tn__machine_memo_put(m, m->memo_count);
}

/* --- opcodes: classes and objects ------------------------------------------------- */

static bool class_is_any(const tn__pickle_value *callee, const char *const names[][2],
                         size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (tn__pickle_class_is(callee, names[k][0], names[k][1]))
            return true;
    return false;
}

/* A dict, filled from a list of pairs where that is the first argument. */
static tn_status push_dict(tn__machine *m, const tn__pickle_value *args)
{
    tn__pickle_value *dict = NULL;
    tn_status status = tn__machine_push_new(m, &dict, TN__PICKLE_DICT);
    if (status || !args->items.count || args->items.at[0]->kind != TN__PICKLE_LIST)
        return status;
    const tn__pickle_value *pairs = args->items.at[0];
    for (size_t k = 0; k < pairs->items.count && !status; k++) {
        const tn__pickle_value *pair = pairs->items.at[k];
        if (pair->kind != TN__PICKLE_LIST || pair->items.count != 2)
            return tn__machine_fail(m, TN_ERROR_FORMAT,
                                    "makes a dict of what is no pair");
        status = tn__machine_add_item(m, dict, pair->items.at[0]);
        if (!status)
            status = tn__machine_add_item(m, dict, pair->items.at[1]);
    }
    return status;
}

/* What callee(*args) gives: a plain container, or an object that holds both. */
static tn_status push_made(tn__machine *m, const tn__pickle_value *callee,
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
        return tn__machine_fail(m, TN_ERROR_FORMAT, "calls with what is no tuple");
    if (class_is_any(callee, dicts, TN__COUNT(dicts)))
        return push_dict(m, args);
    if (class_is_any(callee, lists, TN__COUNT(lists)) && args->items.count == 1 &&
        args->items.at[0]->kind == TN__PICKLE_LIST)
        return tn__machine_push(m, args->items.at[0]);
    tn__pickle_value *object = NULL;
    tn_status status = tn__machine_push_new(m, &object, TN__PICKLE_OBJECT);
    if (!status) {
        object->object.callee = callee;
        object->object.args = args;
    }
    return status;
}

static tn_status make_class(tn__machine *m, tn__pickle_value **out,
                            tn__pickle_value *module, tn__pickle_value *name)
{
    if (module->kind != TN__PICKLE_TEXT || name->kind != TN__PICKLE_TEXT)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "names a class by what is no text");
    tn_status status = tn__machine_new(m, out, TN__PICKLE_CLASS);
    if (!status) {
        (*out)->class.module = module;
        (*out)->class.name = name;
    }
    return status;
}

/* Two lines: module, name. */
static tn_status read_class(tn__machine *m, tn__pickle_value **out)
{
    tn__pickle_value *part[2] = {0};
    tn_status status = TN_OK;
    for (int k = 0; k < 2 && !status; k++) {
        status = tn__machine_new(m, &part[k], TN__PICKLE_TEXT);
        if (!status)
            status =
                tn__machine_read_line(m, &part[k]->text.bytes, &part[k]->text.length);
    }
    return status ? status : make_class(m, out, part[0], part[1]);
}

static tn_status op_global(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *class = NULL;
    tn_status status = read_class(m, &class);
    return status ? status : tn__machine_push(m, class);
}

static tn_status op_stack_global(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *class = NULL, *module = NULL, *name = NULL;
    tn_status status = tn__machine_pop(m, &name);
    if (!status)
        status = tn__machine_pop(m, &module);
    if (!status)
        status = make_class(m, &class, module, name);
    return status ? status : tn__machine_push(m, class);
}

/* REDUCE, NEWOBJ: callee, args; NEWOBJ_EX has keywords on top, which are dropped. */
static tn_status op_make(tn__machine *m, int keywords)
{
    tn__pickle_value *callee = NULL, *args = NULL;
    tn_status status = keywords ? tn__machine_pop(m, &args) : TN_OK;
    if (!status)
        status = tn__machine_pop(m, &args);
    if (!status)
        status = tn__machine_pop(m, &callee);
    return status ? status : push_made(m, callee, args);
}

/* INST: the class in the stream, its arguments above the mark. */
static tn_status op_inst(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *class = NULL, *args = NULL;
    tn_status status = read_class(m, &class);
    if (!status)
        status = tn__machine_pop_mark(m, &count);
    if (!status)
        status = tn__machine_list_of(m, &args, count);
    return status ? status : push_made(m, class, args);
}

/* OBJ: the class and its arguments above the mark. */
static tn_status op_obj(tn__machine *m, int unused)
{
    (void)unused;
    size_t count = 0;
    tn__pickle_value *args = NULL;
    tn_status status = tn__machine_pop_mark(m, &count);
    if (status)
        return status;
    if (!count)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "finds no class above the mark");
    tn__pickle_value *class = m->stack[m->height];
    m->height++;
    status = tn__machine_list_of(m, &args, count - 1);
    m->height--;
    return status ? status : push_made(m, class, args);
}

/* State given to a plain container (an OrderedDict's attributes) is dropped. */
static tn_status op_build(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *state = NULL, *object = NULL;
    tn_status status = tn__machine_pop(m, &state);
    if (!status)
        status = tn__machine_top(m, &object);
    if (status)
        return status;
    if (object->kind == TN__PICKLE_OBJECT)
        object->object.state = state;
    else if (object->kind != TN__PICKLE_DICT && object->kind != TN__PICKLE_LIST)
        return tn__machine_fail(m, TN_ERROR_FORMAT, "gives state to what is no object");
    return TN_OK;
}

static tn_status push_persistent(tn__machine *m, const tn__pickle_value *id)
{
    tn__pickle *p = m->out;
    tn__pickle_value *value = NULL;
    tn_status status = tn__machine_push_new(m, &value, TN__PICKLE_PERSISTENT);
    if (!status)
        status = tn__grow(&p->persistent, &p->persistent_capacity, p->persistent_count,
                          sizeof *p->persistent, m->err);
    if (status)
        return status;
    value->id = id;
    p->persistent[p->persistent_count++] = value;
    return TN_OK;
}

static tn_status op_binpersid(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *id = NULL;
    tn_status status = tn__machine_pop(m, &id);
    return status ? status : push_persistent(m, id);
}

static tn_status op_persid(tn__machine *m, int unused)
{
    tn__pickle_value *id = NULL;
    tn_status status = op_line(m, unused);
    if (!status)
        status = tn__machine_pop(m, &id);
    return status ? status : push_persistent(m, id);
}

/* --- the machine ------------------------------------------------------------------ */

static tn_status op_proto(tn__machine *m, int size)
{
    uint64_t protocol = 0;
    tn_status status = tn__machine_read_size(m, &protocol, size);
    if (!status && protocol > 5)
        return tn__machine_fail(m, TN_ERROR_UNSUPPORTED, "asks for a protocol above 5");
    return status;
}

/* Frames only tell a reader how much to fetch. */
static tn_status op_frame(tn__machine *m, int size)
{
    uint64_t length = 0;
    return tn__machine_read_size(m, &length, size);
}

static tn_status op_stop(tn__machine *m, int unused)
{
    (void)unused;
    tn__pickle_value *root = NULL;
    tn_status status = tn__machine_pop(m, &root);
    if (status)
        return status;
    m->out->root = root;
    m->stopped = true;
    return TN_OK;
}

static tn_status op_refused(tn__machine *m, int unused)
{
    (void)unused;
    return tn__machine_fail(m, TN_ERROR_UNSUPPORTED,
                            "(extension code or buffer) is not supported");
}

/* clang-format off */
static const struct opcode {
    tn_status (*run)(tn__machine *m, int argument);
    int argument;
} opcodes[256] = {
    ['('] = {op_mark, 0},                       [')'] = {op_empty, TN__PICKLE_LIST},
    ['.'] = {op_stop, 0},                       ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},                   ['2'] = {op_dup, 0},
    ['B'] = {op_text, 4},                       ['C'] = {op_text, 1},
    ['F'] = {op_float, 0},                      ['G'] = {op_binfloat, 8},
    ['I'] = {op_decimal, 0},                    ['J'] = {op_binint, 4},
    ['K'] = {op_unsigned, 1},                   ['L'] = {op_decimal, 1},
    ['M'] = {op_unsigned, 2},                   ['N'] = {op_none, 0},
    ['P'] = {op_persid, 0},                     ['Q'] = {op_binpersid, 0},
    ['R'] = {op_make, 0},                       ['S'] = {op_line, 1},
    ['T'] = {op_text, 4},                       ['U'] = {op_text, 1},
    ['V'] = {op_line, 0},                       ['X'] = {op_text, 4},
    [']'] = {op_empty, TN__PICKLE_LIST},        ['a'] = {op_append, 0},
    ['b'] = {op_build, 0},                      ['c'] = {op_global, 0},
    ['d'] = {op_dict, 0},                       ['e'] = {op_appends, 0},
    ['g'] = {op_get, 0},                        ['h'] = {op_get, 1},
    ['i'] = {op_inst, 0},                       ['j'] = {op_get, 4},
    ['l'] = {op_list, 0},                       ['o'] = {op_obj, 0},
    ['p'] = {op_put, 0},                        ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},                        ['s'] = {op_setitem, 0},
    ['t'] = {op_list, 0},                       ['u'] = {op_setitems, 0},
    ['}'] = {op_empty, TN__PICKLE_DICT},        [0x80] = {op_proto, 1},
    [0x81] = {op_make, 0},                      [0x82] = {op_refused, 0},
    [0x83] = {op_refused, 0},                   [0x84] = {op_refused, 0},
    [0x85] = {op_tuple, 1},                     [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},                     [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},                      [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},                      [0x8c] = {op_text, 1},
    [0x8d] = {op_text, 8},                      [0x8e] = {op_text, 8},
    [0x8f] = {op_empty, TN__PICKLE_LIST},       [0x90] = {op_appends, 0},
    [0x91] = {op_list, 0},                      [0x92] = {op_make, 1},
    [0x93] = {op_stack_global, 0},              [0x94] = {op_memoize, 0},
    [0x95] = {op_frame, 8},                     [0x96] = {op_text, 8},
    [0x97] = {op_refused, 0},                   [0x98] = {op_refused, 0},
};
/* clang-format on */

tn_status tn__pickle_read(tn__pickle *out, tn__reader *r, tn_error *err)
{
    tn__pickle pickle = {0};
    tn__machine m = {.r = r, .out = &pickle, .err = err};
    tn_status status = TN_OK;
    while (!status && !m.stopped) {
        uint8_t code = 0;
        m.opcode_at = r->at;
        status = tn__read_u8(r, &code, "pickle opcode", err);
        if (status)
            break;
        status = opcodes[code].run
                     ? opcodes[code].run(&m, opcodes[code].argument)
                     : tn__machine_fail(&m, TN_ERROR_FORMAT, "is not known");
    }
    tn__machine_release(&m);
    if (status)
        tn__pickle_release(&pickle);
    else
        *out = pickle;
    return status;
}

/* --- questions about values ------------------------------------------------------- */

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
