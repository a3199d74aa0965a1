/* registry.h: the tables of descriptors. Every transfer function, signal, rule, stimulus, intervention, probe, figure and
 * integrator is one row of a table in the file that implements it. Parser, validator, `apical info` and the tests
 * walk the same rows. A row type begins with struct ap_row, so that all tables are read alike. */
#ifndef AP_REGISTRY_H
#define AP_REGISTRY_H

#include "schema.h"

struct ap_row {
    const char *name;
    const char *doc;           /* one line */
    const char *unit;          /* of what it yields: "1", "potential", "1/ms"; "" when it yields nothing */
    const char *source;        /* equation and paper, or "" */
    const struct ap_key *keys; /* what may be set, beyond the keys all rows of the table share */
    int n_keys;
};

struct ap_table {
    const char *thing; /* singular: "signal" */
    const char *doc;
    const void *rows;
    size_t stride;
    int n;
    const struct ap_key *shared; /* keys that all rows share */
    int n_shared;
};

#define AP_TABLE(rows_)  .rows = rows_, .stride = sizeof *(rows_), .n = sizeof(rows_) / sizeof *(rows_)
#define AP_KEYS(keys_)   .keys = keys_, .n_keys = sizeof(keys_) / sizeof *(keys_)
#define AP_SHARED(keys_) .shared = keys_, .n_shared = sizeof(keys_) / sizeof *(keys_)

/* Each is defined in the file named behind it. */
extern const struct ap_table ap_cell_table;         /* cell.c */
extern const struct ap_table ap_transfer_table;     /* transfer.c */
extern const struct ap_table ap_signal_table;       /* signal.c */
extern const struct ap_table ap_rule_table;         /* rule.c */
extern const struct ap_table ap_init_table;         /* weights.c */
extern const struct ap_table ap_stimulus_table;     /* stimulus.c */
extern const struct ap_table ap_integrator_table;   /* integrate.c */
extern const struct ap_table ap_intervention_table; /* intervention.c */
extern const struct ap_table ap_probe_table;        /* probe.c */
extern const struct ap_table ap_observable_table;   /* readout.c */
extern const struct ap_table ap_figure_table;       /* figure.c */

/* The parts of a circuit file, as rows: name, one line, keys. Each list is defined in the file that reads them. */
struct ap_sections {
    const struct ap_row *rows;
    int n;
};
#define AP_SECTIONS(rows_)                                                                                   \
    {                                                                                                        \
        rows_, sizeof(rows_) / sizeof *(rows_)                                                               \
    }
extern const struct ap_sections ap_spec_sections;     /* spec.c */
extern const struct ap_sections ap_expand_sections;   /* expand.c */
extern const struct ap_sections ap_cell_sections;     /* cell.c */
extern const struct ap_sections ap_network_sections;  /* network.c */
extern const struct ap_sections ap_schedule_sections; /* schedule.c */
extern const struct ap_sections ap_output_sections;   /* output.c */
extern const struct ap_sections ap_readout_sections;  /* readout.c */
const struct ap_sections *const *ap_registry_sections(int *n);

/* All of them; n receives the count. */
const struct ap_table *const *ap_registry_tables(int *n);

const struct ap_row *ap_registry_row(const struct ap_table *table, int i);
const struct ap_row *ap_registry_find(const struct ap_table *table, const char *name);

/* As find, but a name that is not there is an error at `at` with a suggestion. */
const struct ap_row *ap_registry_need(struct ap_err *e, const struct ap_table *table,
                                      const struct ap_place *at, const char *what, const char *name);

#endif
