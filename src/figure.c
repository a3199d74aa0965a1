/* figure.c: the table of figures, and drawing those that a run asks for.
 *
 * In:   a run read back from its log; the figures that its circuit lists.
 * Out:  PNG files.
 * Invariants:
 *   1. A figure is a function of the log alone: rendering again gives the same pixels.
 * Never: simulates.
 * Test: tests/unit/test_figure.c */
#include "figure.h"
#include "drawing.h"

#include <math.h>
#include <string.h>

#define N(keys) ((int)(sizeof keys / sizeof *keys))

/* ---- the table ------------------------------------------------------------------------------------- */

#define OF(field) offsetof(struct ap_figure_spec, field)
#define DURING                                                                                               \
    {                                                                                                        \
        "during", AP_KEY_NODE, AP_DIM_NONE, OF(during_node), AP_ABSENT, 0, 0, NULL,                          \
            "block, or list of blocks; all when absent"                                                      \
    }
#define LIMIT                                                                                                \
    {                                                                                                        \
        "limit", AP_KEY_INTEGER, AP_DIM_NONE, OF(limit), "0", 0, 1e9, NULL,                                  \
            "presentations drawn per block; 0: all recorded"                                                 \
    }
#define RANGE                                                                                                \
    {                                                                                                        \
        "range", AP_KEY_NUMBER, AP_DIM_NONE, OF(range), "0", 0, INFINITY, NULL,                              \
            "symmetric colour limit; 0: from the data"                                                       \
    }
#define PROJECTIONS(doc)                                                                                     \
    {                                                                                                        \
        "projections", AP_KEY_NODE, AP_DIM_NONE, OF(proj_node), AP_ABSENT, 0, 0, NULL, doc                   \
    }
#define PROBES(doc)                                                                                          \
    {                                                                                                        \
        "probes", AP_KEY_NODE, AP_DIM_NONE, OF(probe_node), AP_ABSENT, 0, 0, NULL, doc                       \
    }
#define POPULATIONS(doc)                                                                                     \
    {                                                                                                        \
        "of", AP_KEY_NODE, AP_DIM_NONE, OF(of_node), AP_REQUIRED, 0, 0, NULL, doc                            \
    }

static const struct ap_key WEIGHTS_KEYS[] = {PROJECTIONS("list of projections; all when absent"), RANGE};
static const struct ap_key FIELDS_KEYS[] = {
    PROJECTIONS("the projection from a square population; the first when absent"),
    {"tiles", AP_KEY_INTEGER, AP_DIM_NONE, OF(tiles), "100", 1, 400, NULL, "neurons drawn at most"},
    RANGE,
};
static const struct ap_key VOLTAGE_KEYS[] = {
    POPULATIONS("population, or list; /compartment and [first:last] select"), DURING, LIMIT};
static const struct ap_key APICAL_KEYS[] = {
    POPULATIONS("population, or list; its compartment `apical`, or population/compartment"), DURING, LIMIT,
    RANGE};
static const struct ap_key TRACES_KEYS[] = {
    POPULATIONS("population[first:last], or list; three neurons when not selected"), DURING, LIMIT};
static const struct ap_key CANCELLATION_KEYS[] = {
    POPULATIONS("hidden population, or list; [first:last] selects; two neurons when not selected"), DURING,
    LIMIT};
static const struct ap_key CURVE_KEYS[] = {
    PROBES("list of probes, by name; all when absent"),
    DURING,
    {"log", AP_KEY_SWITCH, AP_DIM_NONE, OF(log_scale), "off", 0, 0, NULL, "logarithmic y axes"},
    {"average", AP_KEY_INTEGER, AP_DIM_NONE, OF(average), "0", 0, 1e9, NULL,
     "presentations per point; 0: so that about 200 points remain"},
};
static const struct ap_key RESIDUAL_KEYS[] = {
    {"readouts", AP_KEY_NODE, AP_DIM_NONE, OF(readout_node), AP_ABSENT, 0, 0, NULL,
     "list of readouts, by name; all when absent"},
    RANGE,
};
static const struct ap_key CONFUSION_KEYS[] = {PROBES("a class-error probe; the first when absent"), DURING};

/* Draws one figure with memory of its own. */
static enum ap_code draw_figure(struct ap_err *e, const struct ap_run *run, const struct ap_figure_spec *f,
                                const char *path)
{
    struct ap_drawing *d = ap_mem_array(e, 1, sizeof *d, "figure");
    if (!d)
        return AP_EMEMORY;
    d->e = e;
    d->run = run;
    d->s = run->spec;
    d->f = f;
    enum ap_code code = f->row->draw(d, path);
    ap_mem_arena_free(&d->arena);
    ap_mem_free(d);
    return code;
}

static const struct ap_figure_row FIGURES[] = {
    {{"weights", "weights at the start and at the end: rows postsynaptic, columns presynaptic", "", "",
      WEIGHTS_KEYS, N(WEIGHTS_KEYS)},
     NULL,
     ap_matrixfig_weights},
    {{"receptive-fields", "final weights from a square population, one image per neuron", "", "", FIELDS_KEYS,
      N(FIELDS_KEYS)},
     ap_matrixfig_check_fields,
     ap_matrixfig_fields},
    {{"voltage", "potential of every neuron over time, one row per compartment, one column per block", "", "",
      VOLTAGE_KEYS, N(VOLTAGE_KEYS)},
     NULL,
     ap_timefig_voltage},
    {{"apical-error", "apical potential minus rest of every neuron over time, one column per block", "", "",
      APICAL_KEYS, N(APICAL_KEYS)},
     ap_timefig_check_apical,
     ap_timefig_apical},
    {{"traces", "compartments of single neurons over time, with target and teacher", "", "", TRACES_KEYS,
      N(TRACES_KEYS)},
     NULL,
     ap_timefig_traces},
    {{"cancellation",
      "top-down feedback onto single apical dendrites, the lateral inhibition that predicts it, and their "
      "difference, below an output cell with its target; needs the soma of the cells that send the feedback "
      "among the recorded ones",
      "", "Sacramento et al. 2018, Fig. 1B", CANCELLATION_KEYS, N(CANCELLATION_KEYS)},
     ap_timefig_check_cancellation,
     ap_timefig_cancellation},
    {{"learning-curve", "probes over presentations", "", "", CURVE_KEYS, N(CURVE_KEYS)},
     NULL,
     ap_learnfig_curve},
    {{"residual", "residuals of a readout, cells over presentations, and means of its groups", "", "",
      RESIDUAL_KEYS, N(RESIDUAL_KEYS)},
     NULL,
     ap_readoutfig_residual},
    {{"confusion", "classes against answers in the last test", "", "", CONFUSION_KEYS, N(CONFUSION_KEYS)},
     ap_learnfig_check_confusion,
     ap_learnfig_confusion},
};

const struct ap_table ap_figure_table = {
    .thing = "figure",
    .doc = "pictures drawn from a run",
    AP_TABLE(FIGURES),
};

/* ---- public ---------------------------------------------------------------------------------------- */

static enum ap_code draw_one(struct ap_err *e, const struct ap_run *run, const struct ap_figure_spec *f,
                             const char *folder, struct ap_file_list *files)
{
    char name[128], path[AP_ERR_PATH];
    snprintf(name, sizeof name, "%.100s.png", f->name);
    AP_TRY(ap_io_join(e, path, sizeof path, folder, name));
    AP_TRY(draw_figure(e, run, f, path));
    return ap_export_note(e, files, name);
}

/* Whether the run ended before its schedule did. */
static bool cut_short(const struct ap_run *run)
{
    uint64_t n = 0;
    for (int i = 0; i < run->spec->n_program; i++)
        n += (uint64_t)run->spec->block[run->spec->program[i]].presentations;
    return run->n_presented < n;
}

enum ap_code ap_figure_draw(struct ap_err *e, const struct ap_run *run, const char *figure,
                            const char *folder, struct ap_file_list *files)
{
    const struct ap_spec *s = run->spec;
    enum ap_code code = AP_OK;
    int drawn = 0;
    for (int i = 0; i < s->n_figure; i++) {
        if (figure && strcmp(figure, s->figure[i].name) != 0 &&
            strcmp(figure, s->figure[i].row->row.name) != 0)
            continue;
        drawn++;
        int before = e ? e->n : 0;
        enum ap_code one = draw_one(e, run, &s->figure[i], folder, files);
        if (one == AP_EUSAGE && !figure && cut_short(run)) { /* it did not come to what this one shows */
            one = AP_OK;
            if (e)
                e->n = before;
        }
        code = one != AP_OK ? one : code;
    }
    if (!figure || drawn)
        return code;
    const struct ap_figure_row *row =
        (const struct ap_figure_row *)ap_registry_need(e, &ap_figure_table, NULL, "render", figure);
    if (!row)
        return AP_EUSAGE;
    /* Not listed: its defaults, for every recorded population that it can show. */
    struct ap_selection of[AP_SPEC_POPS];
    bool during[256];
    memset(during, true, sizeof during);
    struct ap_figure_spec f = {.name = row->row.name, .row = row, .of = of, .during = during, .tiles = 100};
    for (int r = 0; r < s->n_report; r++)
        for (int i = 0; i < s->report[r].n_of && f.n_of < AP_SPEC_POPS; i++) {
            struct ap_figure_spec one = f;
            one.of = &s->report[r].of[i];
            one.n_of = 1;
            if (!row->check || row->check(NULL, s, &one) == AP_OK) /* what it can be drawn of */
                of[f.n_of++] = s->report[r].of[i];
        }
    if (row->check)
        AP_TRY(row->check(e, s, &f));
    return draw_one(e, run, &f, folder, files);
}
