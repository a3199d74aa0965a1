/* registry.c: look-ups in the tables of descriptors.
 *
 * In:   tables defined by the files that implement their rows.
 * Out:  rows by name or index.
 * Invariants:
 *   1. A table is constant data; names are unique within it (tests/unit/test_registry.c).
 * Never: knows what a row does.
 * Test: tests/unit/test_registry.c */
#include "registry.h"

#include <string.h>

const struct ap_table *const *ap_registry_tables(int *n)
{
    static const struct ap_table *const TABLES[] = {
        &ap_cell_table,  &ap_transfer_table,   &ap_signal_table,     &ap_rule_table,
        &ap_init_table,  &ap_stimulus_table,   &ap_integrator_table, &ap_intervention_table,
        &ap_probe_table, &ap_observable_table, &ap_figure_table,
    };
    *n = sizeof TABLES / sizeof *TABLES;
    return TABLES;
}

const struct ap_sections *const *ap_registry_sections(int *n)
{
    static const struct ap_sections *const SECTIONS[] = {
        &ap_spec_sections,     &ap_expand_sections, &ap_cell_sections,    &ap_network_sections,
        &ap_schedule_sections, &ap_output_sections, &ap_readout_sections,
    };
    *n = sizeof SECTIONS / sizeof *SECTIONS;
    return SECTIONS;
}

const struct ap_row *ap_registry_row(const struct ap_table *table, int i)
{
    return (const struct ap_row *)((const char *)table->rows + (size_t)i * table->stride);
}

const struct ap_row *ap_registry_find(const struct ap_table *table, const char *name)
{
    for (int i = 0; i < table->n; i++)
        if (strcmp(ap_registry_row(table, i)->name, name) == 0)
            return ap_registry_row(table, i);
    return NULL;
}

const struct ap_row *ap_registry_need(struct ap_err *e, const struct ap_table *table,
                                      const struct ap_place *at, const char *what, const char *name)
{
    const struct ap_row *row = ap_registry_find(table, name);
    if (row)
        return row;
    const char *names[64];
    int n = 0;
    for (; n < table->n && n < 64; n++)
        names[n] = ap_registry_row(table, n)->name;
    char hint[AP_ERR_HINT];
    const char *thing = table == &ap_transfer_table ? "transfer function"
                        : table == &ap_init_table   ? "start of weights"
                                                    : table->thing;
    bool by_kind = table == &ap_rule_table || table == &ap_stimulus_table || table == &ap_integrator_table ||
                   table == &ap_probe_table || table == &ap_intervention_table ||
                   table == &ap_figure_table; /* stimuli, probes and figures have names too */
    ap_err_add(e, AP_EUSAGE, at, ap_schema_suggest(name, names, n, hint), "%s: there is no %s%s '%s'", what,
               by_kind ? "kind of " : "", thing, name);
    return NULL;
}
