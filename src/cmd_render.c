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

static const char HELP[] = "Usage: apical render RUN [FIGURE] [--out DIR]\n\n"
                           "Draws the figures of a run again from its log, without simulating.\n\n"
                           "  RUN         output folder of `apical run`\n"
                           "  FIGURE      one figure by file name or kind; a kind that the circuit does not "
                           "list is drawn with its defaults\n"
                           "              (`apical info figure` lists them)\n"
                           "  --out DIR   folder for the pictures; the run's own when absent\n\n"
                           "Example: apical render runs/association traces --out pictures\n";

int cmd_render(int argc, char **argv)
{
    const char *out = NULL, *argument[CMD_ARGUMENTS];
    const struct cmd_option options[] = {{"--out", CMD_TEXT, &out, 0, NULL}};
    const struct cmd_line line = {
        "render", HELP, options, 1, "which run?", "one RUN and one FIGURE, not also", 2};
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    const char *run = argument[0], *figure = argument[1];
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    code = ap_render(run, figure, out, result, e);
    for (int i = 0; i < result->n_figures; i++)
        printf("figure %s/%s\n", out ? out : run, result->figures[i]);
    code = cmd_errors(e, code);
    ap_err_free(e);
    free(result);
    return code;
}
