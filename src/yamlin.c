/* yamlin.c: YAML text to a tree of nodes, and back.
 *
 * In:   bytes of a circuit file (libyaml's events; the only file that includes yaml.h).
 * Out:  struct ap_tree; errors with file:line:col.
 * Invariants:
 *   1. Every node and every key carries its place, counted from 1.
 *   2. A map has no key twice; keys are plain scalars of at most AP_YAMLIN_KEY bytes.
 *   3. Limits are enforced while events arrive, so hostile input costs no more than valid input.
 *   4. ap_yamlin_text gives text that parses to an equal tree.
 * Never: interprets a scalar (typing is schema.c's work).
 * Test: tests/unit/test_yamlin.c */
#include "yamlin.h"
#include "io.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct ap_node *ap_yamlin_child(const struct ap_node *map, const char *key)
{
    if (map && map->kind == AP_NODE_MAP)
        for (int i = 0; i < map->n; i++)
            if (strcmp(map->child[i]->key, key) == 0)
                return map->child[i];
    return NULL;
}

static struct ap_node *new_node(struct ap_err *e, struct ap_tree *t, enum ap_node_kind kind,
                                struct ap_place at, bool flow)
{
    struct ap_node *n = ap_mem_arena_take(e, &t->arena, 1, sizeof *n);
    if (n) {
        n->kind = kind;
        n->at = at;
        n->flow = flow;
        n->text = "";
    }
    return n;
}

struct ap_node *ap_yamlin_scalar(struct ap_err *e, struct ap_tree *t, struct ap_place at, const char *format,
                                 ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    struct ap_node *n = new_node(e, t, AP_NODE_SCALAR, at, false);
    char *text = n ? ap_mem_arena_take(e, &t->arena, (size_t)length + 1, 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    if (!text)
        return NULL;
    n->text = text;
    return n;
}

struct ap_node *ap_yamlin_map(struct ap_err *e, struct ap_tree *t, struct ap_place at, bool flow)
{
    return new_node(e, t, AP_NODE_MAP, at, flow);
}

struct ap_node *ap_yamlin_list(struct ap_err *e, struct ap_tree *t, struct ap_place at, bool flow)
{
    return new_node(e, t, AP_NODE_LIST, at, flow);
}

static enum ap_code append(struct ap_err *e, struct ap_tree *t, struct ap_node *parent, struct ap_node *child)
{
    if (parent->n == parent->capacity) {
        int capacity = parent->capacity ? 2 * parent->capacity : 8;
        struct ap_node **larger = ap_mem_arena_take(e, &t->arena, (size_t)capacity, sizeof *larger);
        if (!larger)
            return AP_EMEMORY;
        if (parent->n)
            memcpy(larger, parent->child, (size_t)parent->n * sizeof *larger);
        parent->child = larger;
        parent->capacity = capacity;
    }
    parent->child[parent->n++] = child;
    return AP_OK;
}

enum ap_code ap_yamlin_put(struct ap_err *e, struct ap_tree *t, struct ap_node *parent, const char *key,
                           struct ap_node *child)
{
    if (!child || !parent)
        return AP_EMEMORY;
    if (key) {
        child->key = ap_mem_arena_text(e, &t->arena, key, strlen(key));
        if (!child->key)
            return AP_EMEMORY;
        if (child->key_at.line == 0)
            child->key_at = child->at;
        for (int i = 0; i < parent->n; i++)
            if (strcmp(parent->child[i]->key, key) == 0) {
                child->key_at = parent->child[i]->key_at;
                parent->child[i] = child;
                return AP_OK;
            }
    }
    return append(e, t, parent, child);
}

void ap_yamlin_drop(struct ap_node *map, const char *key)
{
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->child[i]->key, key) == 0) {
            memmove(map->child + i, map->child + i + 1, (size_t)(map->n - i - 1) * sizeof *map->child);
            map->n--;
            return;
        }
}

/* What the event loop carries: the stack of open collections and the key that waits for its value. */
struct reading {
    struct ap_err *e;
    struct ap_tree *t;
    const char *file;
    struct ap_node *open[AP_YAMLIN_DEPTH];
    const char *key[AP_YAMLIN_DEPTH]; /* per open map: the key read last, NULL when a key is expected */
    struct ap_place key_at[AP_YAMLIN_DEPTH];
    int depth, nodes;
};

static struct ap_place mark(const struct reading *r, yaml_mark_t m)
{
    return (struct ap_place){r->file, (int)m.line + 1, (int)m.column + 1};
}

/* Hangs a finished or just opened node into the collection on top of the stack. */
static enum ap_code attach(struct reading *r, struct ap_node *n)
{
    if (r->depth == 0) {
        r->t->root = n;
        return AP_OK;
    }
    struct ap_node *top = r->open[r->depth - 1];
    if (top->kind == AP_NODE_MAP) {
        n->key = r->key[r->depth - 1];
        n->key_at = r->key_at[r->depth - 1];
        r->key[r->depth - 1] = NULL;
    }
    return append(r->e, r->t, top, n);
}

static int by_key_then_place(const void *a, const void *b)
{
    const struct ap_node *x = *(struct ap_node *const *)a, *y = *(struct ap_node *const *)b;
    int order = strcmp(x->key, y->key);
    if (order == 0)
        order = x->key_at.line != y->key_at.line ? x->key_at.line - y->key_at.line
                                                 : x->key_at.col - y->key_at.col;
    return order;
}

/* Refuses a map that is complete and holds a key twice. Sorted, so that a hundred thousand keys are no attack. */
static enum ap_code check_keys(struct reading *r, const struct ap_node *map)
{
    if (map->kind != AP_NODE_MAP || map->n < 2)
        return AP_OK;
    struct ap_node **sorted = ap_mem_array(r->e, (size_t)map->n, sizeof *sorted, "keys of a map");
    if (!sorted)
        return AP_EMEMORY;
    memcpy(sorted, map->child, (size_t)map->n * sizeof *sorted);
    qsort(sorted, (size_t)map->n, sizeof *sorted, by_key_then_place);
    const struct ap_node *twice = NULL, *before = NULL;
    for (int i = 1; i < map->n; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 &&
            (!twice || sorted[i]->key_at.line < twice->key_at.line ||
             (sorted[i]->key_at.line == twice->key_at.line && sorted[i]->key_at.col < twice->key_at.col))) {
            twice = sorted[i];
            before = sorted[i - 1];
        }
    ap_mem_free(sorted);
    if (!twice)
        return AP_OK;
    return ap_err_add(r->e, AP_EUSAGE, &twice->key_at, "remove one of the two",
                      "duplicate key '%s': first given at %d:%d", twice->key, before->key_at.line,
                      before->key_at.col);
}

static enum ap_code take_key(struct reading *r, const yaml_event_t *ev)
{
    struct ap_place at = mark(r, ev->start_mark);
    const char *key = (const char *)ev->data.scalar.value;
    size_t length = ev->data.scalar.length;
    if (length == 0 || length > AP_YAMLIN_KEY || strlen(key) != length)
        return ap_err_add(r->e, AP_EUSAGE, &at, NULL, "a key must have 1 to %d characters, this one has %zu",
                          AP_YAMLIN_KEY, length);
    if (strcmp(key, "<<") == 0)
        return ap_err_add(r->e, AP_EUSAGE, &at, "write the keys out",
                          "merge keys (<<) are not part of a circuit file");
    r->key[r->depth - 1] = ap_mem_arena_text(r->e, &r->t->arena, key, length);
    r->key_at[r->depth - 1] = at;
    return r->key[r->depth - 1] ? AP_OK : AP_EMEMORY;
}

static enum ap_code take_event(struct reading *r, const yaml_event_t *ev)
{
    struct ap_place at = mark(r, ev->start_mark);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    struct ap_node *top = r->depth ? r->open[r->depth - 1] : NULL;
    bool key_expected = top && top->kind == AP_NODE_MAP && !r->key[r->depth - 1];

    if (ev->type == YAML_ALIAS_EVENT)
        return ap_err_add(r->e, AP_EUSAGE, &at, "write the value out",
                          "aliases (*name) are not part of a circuit file");
    if (ev->type == YAML_SCALAR_EVENT)
        anchor = ev->data.scalar.anchor, tag = ev->data.scalar.tag;
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        anchor = ev->data.sequence_start.anchor, tag = ev->data.sequence_start.tag;
    else if (ev->type == YAML_MAPPING_START_EVENT)
        anchor = ev->data.mapping_start.anchor, tag = ev->data.mapping_start.tag;
    if (anchor)
        return ap_err_add(r->e, AP_EUSAGE, &at, "write the value out",
                          "anchors (&name) are not part of a circuit file");
    if (tag)
        return ap_err_add(r->e, AP_EUSAGE, &at, "remove the tag",
                          "tags (!name) are not part of a circuit file");

    switch (ev->type) {
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return check_keys(r, r->open[--r->depth]);
    default:
        return AP_OK;
    }
    if (++r->nodes > AP_YAMLIN_NODES)
        return ap_err_add(r->e, AP_EUSAGE, &at, NULL, "more than %d values in one file", AP_YAMLIN_NODES);
    if (key_expected) {
        if (ev->type != YAML_SCALAR_EVENT)
            return ap_err_add(r->e, AP_EUSAGE, &at, NULL, "a key must be a plain word, not a list or a map");
        return take_key(r, ev);
    }
    if (ev->type == YAML_SCALAR_EVENT) {
        const char *text = (const char *)ev->data.scalar.value;
        if (strlen(text) != ev->data.scalar.length)
            return ap_err_add(r->e, AP_EUSAGE, &at, NULL, "a value holds a zero byte");
        struct ap_node *n = new_node(r->e, r->t, AP_NODE_SCALAR, at, false);
        if (!n || !(n->text = ap_mem_arena_text(r->e, &r->t->arena, text, ev->data.scalar.length)))
            return AP_EMEMORY;
        return attach(r, n);
    }
    if (r->depth == AP_YAMLIN_DEPTH)
        return ap_err_add(r->e, AP_EUSAGE, &at, NULL, "nested deeper than %d levels", AP_YAMLIN_DEPTH);
    bool map = ev->type == YAML_MAPPING_START_EVENT;
    bool flow = map ? ev->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                    : ev->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    struct ap_node *n = new_node(r->e, r->t, map ? AP_NODE_MAP : AP_NODE_LIST, at, flow);
    if (!n)
        return AP_EMEMORY;
    AP_TRY(attach(r, n));
    r->open[r->depth] = n;
    r->key[r->depth] = NULL;
    r->depth++;
    return AP_OK;
}

/* A comma between parentheses belongs to a call, uniform(-1, 1), also where YAML would split [a, b] there. It passes
 * libyaml as one private-use character, which counts as one column, and is put back by unmask. */
static const char MASK[] = "\xEE\x80\x80"; /* U+E000 */

/* With text[0] an opening parenthesis: the distance of the one that closes the call, 0 when there is no call. A call
 * stays on its line and holds neither quotes, brackets nor another call. *seen: how far it looked. */
static size_t call_length(const char *text, size_t size, size_t *seen)
{
    size_t i = 1;
    while (i < size && !strchr("()\"'[]{}\r\n", text[i]) && !(text[i] == '#' && text[i - 1] == ' '))
        i++; /* strchr also stops at a zero byte */
    *seen = i;
    return i < size && text[i] == ')' ? i : 0;
}

/* With text[0] a quote: the distance of the one that ends the scalar on the same line, 0 when there is none. */
static size_t quote_length(const char *text, size_t size)
{
    for (size_t i = 1; i < size && text[i] != '\n'; i++) {
        if (text[i] == '\\' && *text == '"')
            i++;
        else if (text[i] == *text && *text == '\'' && i + 1 < size && text[i + 1] == '\'')
            i++;
        else if (text[i] == *text)
            return i;
    }
    return 0;
}

static bool is_mask(const char *text, size_t size)
{
    return (size >= 3 && memcmp(text, MASK, 3) == 0) || (size >= 6 && strncasecmp(text, "\\ue000", 6) == 0) ||
           (size >= 10 && strncasecmp(text, "\\U0000e000", 10) == 0);
}

static enum ap_code mask_commas(struct ap_err *e, const char *file, const char *text, size_t size,
                                char **masked, size_t *masked_size)
{
    size_t commas = 0;
    struct ap_place at = {file, 1, 1};
    for (size_t i = 0; i < size; i++, at.col += i < size && (text[i] & 0xC0) != 0x80) {
        commas += text[i] == ',';
        if (text[i] == '\n') {
            at.line++;
            at.col = 0;
        }
        if ((text[i] == MASK[0] || text[i] == '\\') && is_mask(text + i, size - i))
            return ap_err_add(e, AP_EUSAGE, &at, NULL, "the character U+E000 is not part of a circuit file");
    }
    char *out = ap_mem_array(e, size + 2 * commas + 1, 1, "circuit file");
    size_t used = 0, call = 0, quiet = 0; /* ends of the call, and of what holds none */
    char before = '\n', earlier = '\n';   /* the last two characters that are no blanks */
    bool blank = false, lead = true;      /* a blank since then; nothing but "- " and "? " on this line yet */
    for (size_t i = 0; out && i < size; i++) {
        char c = text[i];
        if (i >= quiet) {
            bool starts = strchr("\n[{,", before) || (lead && blank) ||
                          (before == ':' && (blank || earlier == '"' || earlier == '\''));
            if ((c == '"' || c == '\'') && starts)
                quiet = i + quote_length(text + i, size - i) + 1;
            else if (c == '#' && (i == 0 || strchr(" \t\n", text[i - 1]))) {
                const char *stop = memchr(text + i, '\n', size - i);
                quiet = stop ? (size_t)(stop - text) : size;
            } else if (c == '(' && i >= call) {
                size_t seen, length = call_length(text + i, size - i, &seen);
                call = i + length;
                quiet = length ? quiet : i + seen;
            }
        }
        if (c == ',' && i < call) {
            memcpy(out + used, MASK, 3);
            used += 3;
        } else
            out[used++] = c;
        blank = c == ' ' || c == '\t' || c == '\r';
        if (!blank) {
            earlier = before;
            before = c;
            lead = c == '\n' || (lead && (c == '-' || c == '?'));
        }
    }
    *masked = out;
    *masked_size = used;
    return out ? AP_OK : AP_EMEMORY;
}

/* Puts the commas back in place; returns the new length. */
static size_t unmask(char *text)
{
    char *to = text;
    for (char *from = text; *from; to++) {
        bool masked = strncmp(from, MASK, 3) == 0;
        *to = masked ? ',' : *from;
        from += masked ? 3 : 1;
    }
    *to = 0;
    return (size_t)(to - text);
}

/* Whether a tab stands in the indentation of that line (counted from 0), or at that column. */
static bool tab_at(const char *text, size_t line, size_t column)
{
    for (; line > 0 && text; line--) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    size_t blank = text ? strspn(text, " \t") : 0;
    return text && (memchr(text, '\t', blank) || (column < strcspn(text, "\n") && text[column] == '\t'));
}

/* libyaml's complaint, with the hint that its commonest causes deserve. */
static enum ap_code not_yaml(const struct reading *r, const yaml_parser_t *p, const char *text, size_t size)
{
    struct ap_place at = mark(r, p->problem_mark), from = mark(r, p->context_mark);
    const char *hint = "check indentation, colons, quotes and brackets near here";
    if (p->error == YAML_READER_ERROR) {
        at = (struct ap_place){r->file, 1, 1};
        for (size_t k = 0; k < size && k < p->problem_offset; k++) {
            at.line += text[k] == '\n';
            at.col = text[k] == '\n' ? 1 : at.col + ((text[k] & 0xC0) != 0x80);
        }
        hint = "save the file as UTF-8 text without control characters";
    } else if (p->problem && strcmp(p->problem, "could not find expected ':'") == 0)
        hint = "write a key, a colon and a space: `key: value`";
    else if (strlen(text) == size && tab_at(text, p->problem_mark.line, p->problem_mark.column))
        hint = "there is a tab here: indent with spaces";
    char begun[48] = "";
    if (p->context && from.line > 0 && from.line != at.line)
        snprintf(begun, sizeof begun, ", which begins at %d:%d", from.line, from.col);
    return ap_err_add(r->e, AP_EUSAGE, &at, hint, "not valid YAML: %s%s%s%s",
                      p->problem ? p->problem : "unreadable", p->context ? ", " : "",
                      p->context ? p->context : "", begun);
}

static enum ap_code parse_masked(struct ap_err *e, struct ap_tree *t, const char *file, const char *text,
                                 size_t size)
{
    struct reading r = {.e = e, .t = t};
    if (!(r.file = ap_mem_arena_text(e, &t->arena, file, strlen(file))))
        return AP_EMEMORY;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return ap_err_add(e, AP_EMEMORY, NULL, NULL, "no memory for the YAML parser");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* else a byte order mark may choose UTF-16 */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    enum ap_code code = AP_OK;
    int documents = 0;
    for (bool end = false; !end && code == AP_OK;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&parser, &ev)) {
            if (parser.error == YAML_MEMORY_ERROR)
                code = ap_err_add(e, AP_EMEMORY, NULL, NULL, "no memory for the YAML parser");
            else
                code = not_yaml(&r, &parser, text, size);
            break;
        }
        end = ev.type == YAML_STREAM_END_EVENT;
        if (ev.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            struct ap_place at = mark(&r, ev.start_mark);
            code = ap_err_add(e, AP_EUSAGE, &at, "one circuit per file", "a second document begins here");
        } else {
            if (ev.type == YAML_SCALAR_EVENT && strlen((char *)ev.data.scalar.value) == ev.data.scalar.length)
                ev.data.scalar.length = unmask((char *)ev.data.scalar.value);
            code = take_event(&r, &ev);
        }
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&parser);
    if (code == AP_OK && (!t->root || t->root->kind != AP_NODE_MAP)) {
        struct ap_place at = {r.file, 1, 1};
        code = ap_err_add(e, AP_EUSAGE, &at, "a circuit file begins with `version: 1`",
                          t->root ? "the file holds no map of keys" : "the file is empty");
    }
    return code;
}

enum ap_code ap_yamlin_parse(struct ap_err *e, struct ap_tree *t, const char *file, const char *text,
                             size_t size)
{
    size_t masked_size = 0;
    char *masked = NULL;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark */
        text += 3;
        size -= 3;
    }
    AP_TRY(mask_commas(e, file, text, size, &masked, &masked_size));
    enum ap_code code = parse_masked(e, t, file, masked, masked_size);
    ap_mem_free(masked);
    return code;
}

enum ap_code ap_yamlin_read(struct ap_err *e, struct ap_tree *t, const char *path)
{
    char *text;
    size_t size;
    int first = e ? e->n : 0;
    enum ap_code found = ap_io_read_start(e, path, AP_YAMLIN_BYTES + 1, &text, &size);
    for (int i = first; e && i < e->n; i++)
        snprintf(e->diag[i].hint, sizeof e->diag[i].hint, "name a circuit file, such as those of circuits/");
    AP_TRY(found);
    enum ap_code code = size > AP_YAMLIN_BYTES
                            ? ap_err_add(e, AP_EUSAGE, &(struct ap_place){path, 0, 0},
                                         "data belong in files of their own: images, weights",
                                         "more than %d bytes", AP_YAMLIN_BYTES)
                            : ap_yamlin_parse(e, t, path, text, size);
    ap_mem_free(text);
    return code;
}

void ap_yamlin_free(struct ap_tree *t)
{
    ap_mem_arena_free(&t->arena);
    t->root = NULL;
}

/* The child that one step of a key path names, or NULL: a key (which may itself hold dots), an index, or a `name`. */
static struct ap_node *path_step(struct ap_node *at, const char **path, int *index)
{
    if (at->kind == AP_NODE_MAP) {
        size_t best = 0;
        struct ap_node *found = NULL;
        for (int i = 0; i < at->n; i++) { /* the longest key that matches: "hidden1.pyr" before "hidden1" */
            size_t length = strlen(at->child[i]->key);
            if (length > best && strncmp(*path, at->child[i]->key, length) == 0 &&
                ((*path)[length] == '.' || (*path)[length] == 0)) {
                best = length;
                found = at->child[i];
            }
        }
        *path += best;
        return found;
    }
    size_t best = 0;
    struct ap_node *found = NULL;
    for (int i = 0; at->kind == AP_NODE_LIST && i < at->n; i++) { /* names may hold dots too: the longest */
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        struct ap_node *name = ap_yamlin_child(at->child[i], "name");
        const char *step[2] = {number, name && name->kind == AP_NODE_SCALAR ? name->text : ""};
        for (int k = 0; k < 2; k++) {
            size_t length = strlen(step[k]);
            if (length > best && strncmp(*path, step[k], length) == 0 &&
                ((*path)[length] == '.' || (*path)[length] == 0)) {
                best = length;
                found = at->child[i];
                *index = i;
            }
        }
    }
    *path += best;
    return found;
}

/* A value of --set has a path and no line. */
static void forget_lines(struct ap_node *n)
{
    n->at.line = n->at.col = n->key_at.line = n->key_at.col = 0;
    for (int i = 0; i < n->n; i++)
        forget_lines(n->child[i]);
}

static enum ap_code no_step(struct ap_err *e, const struct ap_place *at, const char *path,
                            const struct ap_node *parent, const char *step)
{
    char hint[AP_ERR_HINT];
    const char *given = parent->key ? parent->key : "the element";
    if (parent->kind == AP_NODE_SCALAR)
        return ap_err_add(e, AP_EUSAGE, at, "end the path there", "%s: %s is a single value and has no '%s'",
                          path, given, step);
    size_t used =
        (size_t)snprintf(hint, sizeof hint, "elements go by number, 0 to %d, or by name", parent->n - 1);
    for (int i = 0, named = 0; i < parent->n && used < sizeof hint; i++) {
        const struct ap_node *name = ap_yamlin_child(parent->child[i], "name");
        if (name && name->kind == AP_NODE_SCALAR)
            used +=
                (size_t)snprintf(hint + used, sizeof hint - used, "%s%s", named++ ? ", " : ": ", name->text);
    }
    return ap_err_add(e, AP_EUSAGE, at, hint, "%s: the list '%s' has no element '%.*s'", path, given,
                      (int)strcspn(step, "."), step);
}

enum ap_code ap_yamlin_set(struct ap_err *e, struct ap_tree *t, const char *assignment)
{
    struct ap_place at = {"--set", 0, 0};
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return ap_err_add(e, AP_EUSAGE, &at, "for example --set integrator.rtol=1e-8",
                          "'%s' is not key.path=value", assignment);
    char path[AP_ERR_PATH];
    if (equals - assignment >= (long)sizeof path)
        return ap_err_add(e, AP_EUSAGE, &at, NULL, "the key path is too long");
    memcpy(path, assignment, (size_t)(equals - assignment));
    path[equals - assignment] = 0;
    for (const char *step = path; step; step = strchr(step, '.') ? strchr(step, '.') + 1 : NULL) {
        size_t length = strcspn(step, ".");
        if (length == 0 || length > AP_YAMLIN_KEY)
            return ap_err_add(e, AP_EUSAGE, &at, "for example --set integrator.rtol=1e-8",
                              "%s: a key between the dots must have 1 to %d characters", path, AP_YAMLIN_KEY);
    }

    struct ap_tree value = {0};
    char *wrapped = ap_mem_array(e, strlen(equals) + 16, 1, "--set");
    if (!wrapped)
        return AP_EMEMORY;
    sprintf(wrapped, "value: %s", equals + 1);
    char file[AP_ERR_PATH + 8];
    snprintf(file, sizeof file, "--set %s", path);
    int first = e ? e->n : 0;
    enum ap_code code = ap_yamlin_parse(e, &value, file, wrapped, strlen(wrapped));
    for (int i = first; e && i < e->n; i++)
        e->diag[i].line = e->diag[i].col = 0;
    ap_mem_free(wrapped);
    if (code == AP_OK && value.root->n != 1)
        code = ap_err_add(e, AP_EUSAGE, &at, "quote the value", "'%s' is not one value", assignment);
    if (code != AP_OK) {
        ap_yamlin_free(&value);
        return code;
    }
    struct ap_node *fresh = value.root->child[0];
    struct ap_node *parent = t->root;
    forget_lines(fresh);
    for (const char *rest = path;;) {
        const char *before = rest;
        int index = -1;
        struct ap_node *next = path_step(parent, &rest, &index);
        if (next && *rest == '.') {
            rest++;
            parent = next;
            continue;
        }
        if (next && parent->kind == AP_NODE_LIST) {
            parent->child[index] = fresh;
            fresh->key = NULL;
            break;
        }
        if (next || (parent->kind == AP_NODE_MAP && !strchr(before, '.'))) {
            code = ap_yamlin_put(e, t, parent, before, fresh); /* a new key is judged by the schema later */
            fresh->key_at = fresh->at;
            break;
        }
        if (parent->kind == AP_NODE_MAP) {
            char key[AP_ERR_PATH]; /* so is a new map, such as an integrator that the file leaves out */
            size_t length = strcspn(before, ".");
            snprintf(key, sizeof key, "%.*s", (int)length, before);
            next = ap_yamlin_map(e, t, fresh->at, true);
            code = ap_yamlin_put(e, t, parent, key, next);
            if (code != AP_OK)
                break;
            next->key_at = fresh->at;
            rest = before + length + 1;
            parent = next;
            continue;
        }
        code = no_step(e, &at, path, parent, before);
        break;
    }
    if (code != AP_OK) {
        ap_yamlin_free(&value);
        return code;
    }
    ap_mem_arena_adopt(&t->arena, &value.arena); /* t's nodes now point into the value's memory */
    return AP_OK;
}

/* Length of the character at c when it must be written as an escape, 0 when it may stand as it is: controls, the line
 * separators and the byte order mark, which YAML does not read back as themselves. */
static size_t must_escape(const char *c, unsigned *point)
{
    const unsigned char *u = (const unsigned char *)c;
    *point = *u;
    if (*u < 0x20 || *u == 0x7f)
        return 1;
    if (*u == 0xC2 && u[1] >= 0x80 && u[1] < 0xA0)
        return *point = u[1], 2;
    if ((*u & 0xF0) != 0xE0 || !u[1] || !u[2])
        return 0;
    *point = (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
    return *point == 0x2028 || *point == 0x2029 || *point == 0xFEFF || *point >= 0xFFFE ? 3 : 0;
}

/* A scalar, in double quotes when a plain one would read differently. */
static void put_scalar(struct ap_text *x, const char *s, bool in_flow)
{
    size_t size = strlen(s), call = 0, seen = 0; /* end of the call, inside which commas are its own */
    unsigned point;
    bool plain = *s && !strchr(" -?:,[]{}#&*!|>'\"%@`", *s);
    if (*s == '-' && s[1] && s[1] != ' ')
        plain = true;
    if (strncmp(s, "---", 3) == 0 || strncmp(s, "...", 3) == 0)
        plain = false;
    for (size_t i = 0; i < size && plain; i++) {
        if (s[i] == '(' && i >= call && i >= seen) {
            size_t far, length = call_length(s + i, size - i, &far);
            call = i + length;
            seen = i + far;
            plain = length > 0 || !in_flow; /* else a later scalar could close it */
        }
        if (must_escape(s + i, &point) ||
            (s[i] == ':' && (s[i + 1] == ' ' || s[i + 1] == 0 || (in_flow && s[i + 1] == '?'))) ||
            (s[i] == '#' && i > 0 && s[i - 1] == ' ') ||
            (in_flow && strchr(",[]{}", s[i]) && !(s[i] == ',' && i < call)) ||
            (s[i] == ' ' && s[i + 1] == 0))
            plain = false;
    }
    if (plain) {
        ap_text_put(x, s);
        return;
    }
    ap_text_put(x, "\"");
    for (const char *c = s; *c; c++) {
        char piece[16];
        size_t length = must_escape(c, &point);
        if (length)
            snprintf(piece, sizeof piece, point < 0x100 ? "\\x%02x" : "\\u%04x", point);
        else if (*c == '"' || *c == '\\')
            snprintf(piece, sizeof piece, "\\%c", *c);
        else
            snprintf(piece, sizeof piece, "%c", *c);
        c += length ? length - 1 : 0;
        ap_text_put(x, piece);
    }
    ap_text_put(x, "\"");
}

static void put_node(struct ap_text *x, const struct ap_node *n, int indent, bool in_flow)
{
    if (n->kind == AP_NODE_SCALAR) {
        put_scalar(x, n->text, in_flow);
        return;
    }
    bool map = n->kind == AP_NODE_MAP;
    if (n->flow || in_flow || n->n == 0) {
        ap_text_put(x, map ? "{" : "[");
        for (int i = 0; i < n->n; i++) {
            ap_text_put(x, i ? ", " : "");
            if (map) {
                put_scalar(x, n->child[i]->key, true);
                ap_text_put(x, ": ");
            }
            put_node(x, n->child[i], indent, true);
        }
        ap_text_put(x, map ? "}" : "]");
        return;
    }
    for (int i = 0; i < n->n; i++) {
        const struct ap_node *c = n->child[i];
        ap_text_put(x, "\n");
        for (int k = 0; k < indent; k++)
            ap_text_put(x, " ");
        if (map) {
            put_scalar(x, c->key, true); /* what follows on this line may be a flow collection */
            ap_text_put(x, ":");
        } else
            ap_text_put(x, "-");
        ap_text_put(x, c->kind == AP_NODE_SCALAR || c->flow || c->n == 0 ? " " : "");
        put_node(x, c, indent + 2, false);
    }
}

char *ap_yamlin_text(struct ap_err *e, const struct ap_node *root)
{
    struct ap_text x = {.e = e};
    put_node(&x, root, 0, false);
    ap_text_put(&x, "\n");
    char *text = ap_text_take(&x);
    if (text && text[0] == '\n') /* block collections begin with a line break */
        memmove(text, text + 1, x.used);
    return text;
}
