/* cmd_readout.c: `apical readout RUN`.
 *
 * In:   the output folder of a run.
 * Out:  CSV files and a PNG.
 * Invariants:
 *   1. Nothing is simulated: the log holds everything.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_outputs.sh */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

static const char HELP[] =
    "Usage: apical readout RUN [--set KEY.PATH=VALUE] [--out DIR]\n\n"
    "What an experimenter sees: observables (potential, calcium) of soma and dendrite of every cell, "
    "averaged "
    "over a\n"
    "window of each presentation, and the somato-dendritic residual, the dendrite minus its linear "
    "regression "
    "on the\n"
    "soma. Writes readout.NAME.cells.csv (a row per cell: group, means, slope, variances), readout.NAME.csv "
    "(a "
    "row per\n"
    "cell and presentation) and a figure for each of the circuit's `readouts`, without simulating.\n\n"
    "  RUN                   output folder of `apical run`\n"
    "  --set KEY.PATH=VALUE  other readouts, or another value in one; may be repeated\n"
    "  --out DIR             folder for the files; the run's own when absent\n\n"
    "`apical info readout` and `apical info observable` list the keys.\n\n"
    "Example: apical readout runs/association --set 'readouts=[{name: mine, of: hidden1.pyr, kind: "
    "calcium}]' "
    "--out seen\n";

int cmd_readout(int argc, char **argv)
{
    const char *out = NULL, *argument[CMD_ARGUMENTS];
    struct cmd_sets sets = {.n = 0};
    const struct cmd_option options[] = {{"--out", CMD_TEXT, &out, 0, NULL},
                                         {"--set", CMD_SET, &sets, 0, NULL}};
    const struct cmd_line line = {"readout", HELP, options, 2, "which run?", "one RUN, not also", 1};
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    code = ap_readout(argument[0], sets.text, sets.n, out, result, e);
    for (int i = 0; i < result->n_figures; i++)
        printf("file %s/%s\n", out ? out : argument[0], result->figures[i]);
    code = cmd_errors(e, code);
    ap_err_free(e);
    free(result);
    return code;
}
