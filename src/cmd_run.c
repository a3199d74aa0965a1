/* cmd_run.c: `apical run FILE`.
 *
 * In:   a circuit file and options.
 * Out:  an output folder; progress on stderr, the digest and the pictures on stdout.
 * Invariants:
 *   1. A run that was stopped by a signal can be resumed.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

static const char HELP[] =
    "Usage: apical run FILE [OPTIONS]\n\n"
    "Simulates a circuit file. The output folder receives manifest.json, circuit.yaml (explicit form), "
    "run.log,\n"
    "SONATA reports, weights and probes in HDF5, and the figures as PNG.\n\n"
    "  --out DIR             output folder; runs/NAME when absent; must be empty or new\n"
    "  --overwrite           replace an earlier run in it (only files that the run wrote)\n"
    "  --set KEY.PATH=VALUE  override a value of the file, e.g. --set integrator.rtol=1e-8; may be repeated\n"
    "  --threads N           threads, or replicates that run at once; the result has the same bits for any "
    "number\n"
    "  --progress STYLE      auto, bar, plain, json or none\n"
    "  --stop-after N        end after N presentations, and the rest of their batch\n"
    "  --checkpoint-every S  seconds between checkpoints, 60 when absent; 0: only when stopped by a signal\n"
    "  --no-figures          draw nothing\n"
    "  --profile             print where the time went, from rates and weighted sums to figures\n\n"
    "SIGINT, SIGTERM and SIGUSR1 end a run after the current presentation; `apical resume DIR` goes on with "
    "it.\n\n"
    "Example: apical run circuits/association.yaml --out runs/mine --set seed=2\n";

int cmd_run(int argc, char **argv)
{
    struct ap_run_options o = {0};
    struct cmd_display display;
    struct cmd_sets sets = {.n = 0};
    long threads = 0, stop_after = 0;
    int style = 0;
    const struct cmd_option options[] = {
        {"--out", CMD_TEXT, &o.folder, 0, NULL},
        {"--overwrite", CMD_SWITCH, &o.overwrite, 0, NULL},
        {"--set", CMD_SET, &sets, 0, NULL},
        {"--threads", CMD_NUMBER, &threads, 1024, NULL},
        {"--progress", CMD_CHOICE, &style, 0, cmd_styles},
        {"--stop-after", CMD_NUMBER, &stop_after, 1000000000000L, NULL},
        {"--no-figures", CMD_SWITCH, &o.no_figures, 0, NULL},
        {"--profile", CMD_SWITCH, &o.profile, 0, NULL},
        {"--checkpoint-every", CMD_SECONDS, &o.checkpoint_every, 0, NULL},
    };
    const struct cmd_line line = {
        "run", HELP, options, sizeof options / sizeof *options, "which circuit file?", "one FILE, not also",
        1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    o.threads = (int)threads;
    o.stop_after = (uint64_t)stop_after;
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    cmd_begin(&o, &display, style);
    code = AP_EUSAGE;
    struct ap_spec *spec = ap_spec_read(argument[0], sets.text, sets.n, e);
    char folder[512];
    if (spec) {
        snprintf(folder, sizeof folder, "runs/%s", ap_spec_name(spec));
        if (!o.folder)
            o.folder = folder;
        code = ap_run(spec, &o, result, e);
    }
    code = cmd_end(&o, result, e, code);
    ap_spec_free(spec);
    ap_err_free(e);
    free(result);
    return code;
}
