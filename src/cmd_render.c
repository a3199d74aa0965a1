/* cmd_render.c: `apical render RUN`.
 *
 * In:   the output folder of a run.
 * Out:  PNG files.
 * Invariants:
 *   1. Nothing is simulated: the log holds everything.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(void)
{
    printf("Usage: apical render RUN [FIGURE] [--out DIR]\n\n"
           "Draws the figures of a run again from its log, without simulating.\n\n"
           "  RUN         output folder of `apical run`\n"
           "  FIGURE      one figure by file name or kind; a kind that the circuit does not list is drawn "
           "with its defaults\n"
           "              (`apical info figure` lists them)\n"
           "  --out DIR   folder for the pictures; the run's own when absent\n\n"
           "Example: apical render runs/association traces --out pictures\n");
}

int cmd_render(int argc, char **argv)
{
    const char *run = NULL, *figure = NULL, *out = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
            return AP_OK;
        }
        if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            out = argv[++i];
        else if (strncmp(argv[i], "--out=", 6) == 0)
            out = argv[i] + 6;
        else if (argv[i][0] == '-' && argv[i][1])
            return cmd_usage("render", "unknown or incomplete option", argv[i]);
        else if (!run)
            run = argv[i];
        else if (!figure)
            figure = argv[i];
        else
            return cmd_usage("render", "one RUN and one FIGURE, not also", argv[i]);
    }
    if (!run)
        return cmd_usage("render", "which run?", "");
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result) {
        fprintf(stderr, "apical: out of memory\n");
        return AP_EMEMORY;
    }
    int code = ap_render(run, figure, out, result, e);
    for (int i = 0; i < result->n_figures; i++)
        printf("figure %s/%s\n", out ? out : run, result->figures[i]);
    code = cmd_errors(e, code);
    ap_err_free(e);
    free(result);
    return code;
}
