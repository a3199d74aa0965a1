/* cmd_resume.c: `apical resume DIR`.
 *
 * In:   the output folder of a run that was stopped, interrupted or killed.
 * Out:  what the run would have left; progress on stderr, the digest and the pictures on stdout.
 * Invariants:
 *   1. The output is that of a run that was never interrupted.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_resume.sh */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

static const char HELP[] =
    "Usage: apical resume DIR [OPTIONS]\n\n"
    "Goes on with a run that was stopped, interrupted or killed, from its last checkpoint (from the start "
    "when there is\n"
    "none yet). It ends with the same bytes as a run that was not interrupted. A run that is complete is "
    "left alone.\n\n"
    "  DIR                   output folder of `apical run`\n"
    "  --threads N           threads, or replicates that run at once; the result has the same bits for any "
    "number\n"
    "  --progress STYLE      auto, bar, plain, json or none\n"
    "  --stop-after N        end after N presentations of the whole run; as the run was started when absent\n"
    "  --no-figures          draw nothing\n"
    "  --checkpoint-every S  seconds between checkpoints, 60 when absent; 0: only when stopped by a "
    "signal\n\n"
    "Example: apical resume runs/association\n";

int cmd_resume(int argc, char **argv)
{
    struct ap_run_options o = {0};
    struct cmd_display display;
    long threads = 0, stop_after = 0;
    int style = 0;
    const struct cmd_option options[] = {
        {"--threads", CMD_NUMBER, &threads, 1024, NULL},
        {"--progress", CMD_CHOICE, &style, 0, cmd_styles},
        {"--stop-after", CMD_NUMBER, &stop_after, 1000000000000L, NULL},
        {"--no-figures", CMD_SWITCH, &o.no_figures, 0, NULL},
        {"--checkpoint-every", CMD_SECONDS, &o.checkpoint_every, 0, NULL},
    };
    const struct cmd_line line = {
        "resume", HELP, options, sizeof options / sizeof *options, "which run?", "one DIR, not also", 1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    o.folder = argument[0];
    o.threads = (int)threads;
    o.stop_after = (uint64_t)stop_after;
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    cmd_begin(&o, &display, style);
    code = ap_resume(&o, result, e);
    if (*result->note)
        fprintf(stderr, "apical: one of two checkpoints cannot be used, the other one is: %s\n",
                result->note);
    code = cmd_end(&o, result, e, code);
    ap_err_free(e);
    free(result);
    return code;
}
