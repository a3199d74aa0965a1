/* cmd_errors.c: `apical errors FILE|RUN`.
 *
 * In:   a circuit file, or the output folder of a run, and options.
 * Out:  a folder with errors.csv, errors.h5 and figures; a table of means on stdout.
 * Invariants:
 *   1. The first SIGINT or SIGTERM ends after the current presentation; what there is then is written.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_errors.sh */
#include "cmd.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    "Usage: apical errors FILE|RUN [OPTIONS]\n\n"
    "Simulates a circuit, or repeats a run from its folder, and compares at the end of presentations the "
    "apical\n"
    "potential of every hidden layer with what backprop on the same feedforward weights asks for, W^T delta "
    "of\n"
    "the layer above; and what each presentation did to each forward matrix with minus the gradient of "
    "backprop and\n"
    "of the circuit's own differential equations (CVODES, adjoint). Writes errors.csv (a row per "
    "presentation and\n"
    "layer), errors.h5 (the same; per neuron: apical potential, its top-down and lateral parts, the "
    "first-order\n"
    "prediction, W^T delta, delta; gradients of the last one) and figures. Presentations without teacher "
    "have no\n"
    "error: their angles are nan. An analysis costs about two right-hand sides, with the adjoint about ten\n"
    "presentations.\n\n"
    "  --weights LABEL       of a RUN: start from these weights of its log, final or initial, in its last "
    "block\n"
    "                        with teacher or in --block; without it the run is repeated and its digest "
    "compared\n"
    "  --block NAME          simulate this block alone, with the initial weights\n"
    "  --presentations N     simulate N presentations; of a block also more than the schedule says\n"
    "  --every N             analyse every Nth presentation; when absent all, of many about 1,000\n"
    "  --no-adjoint          leave out the gradient of the differential equations\n"
    "  --out DIR             output folder; runs/NAME-errors when absent; must be empty or new\n"
    "  --overwrite           replace errors.* in a folder that is not empty\n"
    "  --set KEY.PATH=VALUE  override a value of the file; may be repeated\n"
    "  --threads N           threads; the result has the same bits for any number\n"
    "  --no-figures          draw nothing\n\n"
    "Examples: apical errors circuits/association.yaml --block learning --presentations 50 --out "
    "runs/beside\n"
    "          apical errors runs/association --weights final --presentations 20\n";

static void print(const struct ap_errors_options *o, const struct ap_errors_result *r)
{
    printf("means over %llu presentations with teacher, of %llu analysed, of %llu\n",
           (unsigned long long)r->taught, (unsigned long long)r->analysed,
           (unsigned long long)r->presentations);
    printf("%-16s %12s %10s %10s %10s %12s %10s %10s %10s %10s %10s\n", "layer", "apical angle", "first",
           "last", "ratio", "formula err", "feedback", "ngrad", "gradient", "change", "adjoint");
    for (int k = 0; k < r->n_layers; k++) {
        const struct ap_errors_layer *l = &r->layer[k];
        printf("%-16s %12.4g %10.4g %10.4g %10.4g %12.4g %10.4g %10.4g %10.4g %10.4g %10.4g\n", l->name,
               l->apical_angle, l->apical_angle_first, l->apical_angle_last, l->apical_ratio,
               l->formula_error, l->feedback_angle, l->ngrad_angle, l->gradient_angle, l->change_angle,
               l->adjoint_angle);
    }
    printf("digest %s%s\n", r->digest,
           !*r->run_digest                         ? ""
           : strcmp(r->digest, r->run_digest) == 0 ? ", that of the run"
                                                   : "");
    if (*r->run_digest && strcmp(r->digest, r->run_digest) != 0)
        fprintf(stderr, "warning: %s has the digest %s: overrides, another version or another build ran it\n",
                o->run, r->run_digest);
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
        {"--weights", CMD_TEXT, &o.weights, 0, NULL},
        {"--block", CMD_TEXT, &o.block, 0, NULL},
        {"--presentations", CMD_NUMBER, &presentations, 1000000000000L, NULL},
        {"--every", CMD_NUMBER, &every, 1000000000000L, NULL},
        {"--out", CMD_TEXT, &o.folder, 0, NULL},
        {"--overwrite", CMD_SWITCH, &o.overwrite, 0, NULL},
        {"--set", CMD_SET, &sets, 0, NULL},
        {"--threads", CMD_NUMBER, &threads, 1024, NULL},
        {"--no-adjoint", CMD_SWITCH, &o.no_adjoint, 0, NULL},
        {"--no-figures", CMD_SWITCH, &o.no_figures, 0, NULL},
    };
    const struct cmd_line line = {"errors",
                                  HELP,
                                  options,
                                  sizeof options / sizeof *options,
                                  "which circuit file, or which run?",
                                  "one FILE or RUN, not also",
                                  1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    o.threads = (int)threads;
    o.presentations = (uint64_t)presentations;
    o.every = (uint64_t)every;
    char file[1024], folder[512];
    struct stat about;
    bool run = stat(argument[0], &about) == 0 && S_ISDIR(about.st_mode);
    if (o.weights && !run)
        return cmd_usage("errors", "--weights needs the folder of a run, not", argument[0]);
    struct ap_err *e = ap_err_create();
    struct ap_errors_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    code = AP_EUSAGE;
    snprintf(file, sizeof file, run ? "%s/circuit.yaml" : "%s", argument[0]);
    o.run = run ? argument[0] : NULL;
    struct ap_spec *spec = ap_spec_read(file, sets.text, sets.n, e);
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
