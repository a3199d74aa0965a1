/* schema.h: tables of keys. A table says what a map of the circuit file may hold: name, kind, dimension,
 * default, range, one line of documentation, and where the value goes. Reading, validation, defaults,
 * canonical text and `apical info` walk the same rows. */
#ifndef AP_SCHEMA_H
#define AP_SCHEMA_H

#include "unit.h"
#include "yamlin.h"

#include <float.h>

enum ap_key_kind {
    AP_KEY_NUMBER,   /* double, with dimension */
    AP_KEY_QUANTITY, /* struct ap_quantity: keeps the unit system */
    AP_KEY_PAIR,     /* double[2]: [low, high] */
    AP_KEY_INTEGER,  /* int64_t */
    AP_KEY_SWITCH,   /* bool: on or off */
    AP_KEY_CHOICE,   /* int: index into choices */
    AP_KEY_TEXT,     /* const char * */
    AP_KEY_NAME,     /* const char *: letters, digits, _ - . */
    AP_KEY_NODE,     /* struct ap_node *: read by its own code */
};

/* Range marks: AP_POSITIVE as min means "greater than zero". */
#define AP_POSITIVE DBL_MIN
#define AP_REQUIRED NULL /* as default: the key must be given */
#define AP_ABSENT   ""   /* as default: without it the value stays zero */

struct ap_key {
    const char *name;
    enum ap_key_kind kind;
    enum ap_dim dim;
    size_t offset;              /* of the value in the struct that is filled */
    const char *fallback;       /* default as it would be written, AP_REQUIRED or AP_ABSENT */
    double min, max;            /* of numbers; both 0: any */
    const char *const *choices; /* AP_KEY_CHOICE: names, ending in NULL */
    const char *doc;
};

/* One table and the struct that it fills. */
struct ap_keyset {
    const struct ap_key *keys;
    int n;
    void *out;
};

/* Reads `map` by the tables in sets[n_sets]. `what` names the map in messages ("population hidden1"). Reports
 * every error of the map; writes defaults into the tree, so that the tree becomes canonical. */
enum ap_code ap_schema_read(struct ap_err *e, struct ap_tree *t, struct ap_node *map, const char *what,
                            const struct ap_keyset *sets, int n_sets);

/* Whether the map has no such key, but one that no table knows and that looks like it: then the absence of the key is
 * not worth a message of its own. */
bool ap_schema_misspelt(const struct ap_node *map, const char *key, const char *const *known, int n);

/* Requires a node of a kind. */
enum ap_code ap_schema_expect(struct ap_err *e, const struct ap_node *n, const char *what,
                              enum ap_node_kind kind);

/* A name that may stand for a population, projection or block: [A-Za-z][A-Za-z0-9_.-]*, at most 48 bytes. */
enum ap_code ap_schema_name(struct ap_err *e, const struct ap_place *at, const char *what, const char *name);

/* "did you mean 'x'?" or, when nothing is near, "one of: a, b, c", written into out. */
const char *ap_schema_suggest(const char *word, const char *const *names, int n, char out[AP_ERR_HINT]);

#endif
