/* cmd_errors.c: `apical errors FILE`.
 *
 * In:   a circuit file and options.
 * Out:  a folder with errors.csv, errors.h5 and figures; a table of means on stdout.
 * Invariants:
 *   1. The first SIGINT or SIGTERM ends after the current presentation; what there is then is written.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_errors.sh */
#include "cmd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;

static void on_signal(int number)
{
    (void)number;
    if (stop)
        _exit(AP_INTERRUPTED);
    stop = 1;
}

static void show(uint64_t done, uint64_t of, void *user)
{
    time_t *last = user, now = time(NULL);
    if (now - *last < 5)
        return;
    *last = now;
    fprintf(stderr, "%5.1f %%  presentation %llu of %llu\n", 100 * (double)done / (double)of,
            (unsigned long long)done, (unsigned long long)of);
}

static const char HELP[] =
    "Usage: apical errors FILE [OPTIONS]\n\n"
    "Simulates a circuit and compares, at the end of each presentation, the apical potential of every "
    "hidden\n"
    "layer with what backprop on the same feedforward weights asks for: W^T delta of the layer above. "
    "Writes\n"
    "errors.csv (a row per presentation and layer), errors.h5 (the same, and per neuron: apical potential, "
    "its\n"
    "top-down and lateral parts, the first-order prediction, W^T delta, delta) and two figures. "
    "Presentations\n"
    "without teacher have no error: their angles are nan. One analysis costs about two right-hand sides.\n\n"
    "  --block NAME          simulate this block alone, with the initial weights\n"
    "  --presentations N     simulate N presentations; of a block also more than the schedule says\n"
    "  --every N             analyse every Nth presentation\n"
    "  --out DIR             output folder; runs/NAME-errors when absent; must be empty or new\n"
    "  --overwrite           replace errors.* in a folder that is not empty\n"
    "  --set KEY.PATH=VALUE  override a value of the file; may be repeated\n"
    "  --threads N           threads; the result has the same bits for any number\n"
    "  --no-figures          draw nothing\n\n"
    "Example: apical errors circuits/association.yaml --block learning --presentations 50 --out "
    "runs/beside\n";

static void print(const struct ap_errors_options *o, const struct ap_errors_result *r)
{
    printf("means over %llu presentations with teacher, of %llu analysed, of %llu\n",
           (unsigned long long)r->taught, (unsigned long long)r->analysed,
           (unsigned long long)r->presentations);
    printf("%-16s %12s %10s %10s %10s %12s %12s %12s\n", "layer", "apical angle", "first", "last", "ratio",
           "formula err", "feedback", "gradient");
    for (int k = 0; k < r->n_layers; k++) {
        const struct ap_errors_layer *l = &r->layer[k];
        printf("%-16s %12.4g %10.4g %10.4g %10.4g %12.4g %12.4g %12.4g\n", l->name, l->apical_angle,
               l->apical_angle_first, l->apical_angle_last, l->apical_ratio, l->formula_error,
               l->feedback_angle, l->gradient_angle);
    }
    printf("digest %s\n", r->digest);
    for (int i = 0; i < r->n_files; i++)
        printf("file %s/%s\n", o->folder, r->files[i]);
}

int cmd_error_table(int argc, char **argv)
{
    time_t last = time(NULL);
    struct ap_errors_options o = {.stop = &stop, .progress = show, .user = &last};
    struct cmd_sets sets = {.n = 0};
    long threads = 0, presentations = 0, every = 0;
    const struct cmd_option options[] = {
        {"--block", CMD_TEXT, &o.block, 0, NULL},
        {"--presentations", CMD_NUMBER, &presentations, 1000000000000L, NULL},
        {"--every", CMD_NUMBER, &every, 1000000000000L, NULL},
        {"--out", CMD_TEXT, &o.folder, 0, NULL},
        {"--overwrite", CMD_SWITCH, &o.overwrite, 0, NULL},
        {"--set", CMD_SET, &sets, 0, NULL},
        {"--threads", CMD_NUMBER, &threads, 1024, NULL},
        {"--no-figures", CMD_SWITCH, &o.no_figures, 0, NULL},
    };
    const struct cmd_line line = {"errors",
                                  HELP,
                                  options,
                                  sizeof options / sizeof *options,
                                  "which circuit file?",
                                  "one FILE, not also",
                                  1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    o.threads = (int)threads;
    o.presentations = (uint64_t)presentations;
    o.every = (uint64_t)every;
    struct ap_err *e = ap_err_create();
    struct ap_errors_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    code = AP_EUSAGE;
    struct ap_spec *spec = ap_spec_read(argument[0], sets.text, sets.n, e);
    char folder[512];
    if (spec) {
        snprintf(folder, sizeof folder, "runs/%s-errors", ap_spec_name(spec));
        if (!o.folder)
            o.folder = folder;
        code = ap_errors(spec, &o, result, e);
    }
    code = cmd_errors(e, code);
    if (result->n_files)
        print(&o, result);
    ap_spec_free(spec);
    ap_err_free(e);
    free(result);
    return code;
}
