/* yamlin.h: a circuit file as a tree of nodes, each with its place. The subset: one document of maps, lists
 * and scalars; no anchors, aliases, tags or merge keys; no duplicate keys; limits on depth, size and count. */
#ifndef AP_YAMLIN_H
#define AP_YAMLIN_H

#include "err.h"
#include "mem.h"

enum ap_node_kind { AP_NODE_SCALAR, AP_NODE_LIST, AP_NODE_MAP };

struct ap_node {
    enum ap_node_kind kind;
    struct ap_place at;
    const char *text; /* scalar: as written, without quotes */
    const char *key;  /* child of a map: its key, and where that is written */
    struct ap_place key_at;
    struct ap_node **child; /* [n] of a map or list, in the order of the file */
    int n, capacity;
    bool flow; /* written as [..] or {..}: printed on one line */
};

/* A tree owns its nodes and texts. */
struct ap_tree {
    struct ap_arena arena;
    struct ap_node *root;
};

enum {
    AP_YAMLIN_BYTES = 1 << 20,
    AP_YAMLIN_DEPTH = 32,
    AP_YAMLIN_NODES = 100000,
    AP_YAMLIN_KEY = 64,
};

/* Parses text (named `file` in messages) into t, which must be zeroed. */
enum ap_code ap_yamlin_parse(struct ap_err *e, struct ap_tree *t, const char *file, const char *text,
                             size_t size);
enum ap_code ap_yamlin_read(struct ap_err *e, struct ap_tree *t, const char *path);
void ap_yamlin_free(struct ap_tree *t);

/* Child of a map by key, or NULL. */
struct ap_node *ap_yamlin_child(const struct ap_node *map, const char *key);

/* New nodes in t's arena; NULL when memory is out. at gives the place that messages will name. */
struct ap_node *ap_yamlin_scalar(struct ap_err *e, struct ap_tree *t, struct ap_place at, const char *format,
                                 ...) __attribute__((format(printf, 4, 5)));
struct ap_node *ap_yamlin_map(struct ap_err *e, struct ap_tree *t, struct ap_place at, bool flow);
struct ap_node *ap_yamlin_list(struct ap_err *e, struct ap_tree *t, struct ap_place at, bool flow);
/* Appends child to a map under key, or to a list (key NULL). Replaces an equal key. A NULL child is AP_EMEMORY. */
enum ap_code ap_yamlin_put(struct ap_err *e, struct ap_tree *t, struct ap_node *parent, const char *key,
                           struct ap_node *child);
void ap_yamlin_drop(struct ap_node *map, const char *key);

/* Applies "key.path=value": list elements by index or by their `name`. The value is YAML. */
enum ap_code ap_yamlin_set(struct ap_err *e, struct ap_tree *t, const char *assignment);

/* The tree as YAML text, freed with ap_mem_free. */
char *ap_yamlin_text(struct ap_err *e, const struct ap_node *root);

#endif
