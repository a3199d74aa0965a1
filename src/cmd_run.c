/* cmd_run.c: `apical run FILE`.
 *
 * In:   a circuit file and options.
 * Out:  an output folder; progress on stderr, the digest and the pictures on stdout.
 * Invariants:
 *   1. The first SIGINT, SIGTERM or SIGUSR1 ends the run after the current presentation, the second at once.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile int stop;

static void on_signal(int number)
{
    (void)number;
    if (stop)
        _exit(AP_INTERRUPTED);
    stop = 1;
}

enum style { STYLE_AUTO, STYLE_BAR, STYLE_PLAIN, STYLE_JSON, STYLE_NONE };
static const char *const STYLES[] = {"auto", "bar", "plain", "json", "none", NULL};

struct display {
    enum style style;
    double last;  /* wall seconds of the last plain line */
    int bar_open; /* a bar stands on the current line */
};

static void duration_text(double seconds, char out[32])
{
    if (seconds < 0)
        snprintf(out, 32, "--");
    else if (seconds < 100)
        snprintf(out, 32, "%.0f s", seconds);
    else
        snprintf(out, 32, "%.0f min", seconds / 60);
}

static void show(const struct ap_progress *p, void *user)
{
    struct display *d = user;
    double part = p->total_ms > 0 ? p->simulated_ms / p->total_ms : 1;
    char left[32], error[48] = "";
    duration_text(p->eta_seconds, left);
    if (!isnan(p->error))
        snprintf(error, sizeof error, "  error %.3g", p->error);
    if (d->style == STYLE_JSON) {
        fprintf(stderr,
                "{\"presentation\": %llu, \"presentations\": %llu, \"simulated_ms\": %.6g, \"part\": %.4f, "
                "\"eta_s\": %.1f, "
                "\"steps\": %llu, \"block\": \"%s\"",
                (unsigned long long)p->presentation, (unsigned long long)p->presentations, p->simulated_ms,
                part, p->eta_seconds, (unsigned long long)p->steps, p->block);
        if (!isnan(p->error))
            fprintf(stderr, ", \"error\": %.6g", p->error);
        if (p->summary)
            fprintf(stderr, ", \"summary\": \"%s\"", p->summary);
        fprintf(stderr, "}\n");
        return;
    }
    if (d->style == STYLE_BAR) {
        struct winsize w = {.ws_col = 80};
        ioctl(STDERR_FILENO, TIOCGWINSZ, &w);
        int cells = w.ws_col > 90 ? 30 : 15, full = (int)(part * cells);
        if (p->block_ended && p->summary)
            fprintf(stderr, "\r\033[K%s\n", p->summary);
        fprintf(stderr, "\r\033[K[");
        for (int i = 0; i < cells; i++)
            fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %3.0f %%  %s  %.0f ms  %llu steps  left %s%s", 100 * part, p->block,
                p->simulated_ms, (unsigned long long)p->steps, left, error);
        if (p->presentation == p->presentations)
            fprintf(stderr, "\r\033[K");
        fflush(stderr);
        return;
    }
    if (p->block_ended && p->summary)
        fprintf(stderr, "%s\n", p->summary);
    else if (p->wall_seconds - d->last >= 5) {
        d->last = p->wall_seconds;
        fprintf(stderr, "%5.1f %%  %s  %.0f ms  %llu steps  left %s%s\n", 100 * part, p->block,
                p->simulated_ms, (unsigned long long)p->steps, left, error);
    }
}

static const char HELP[] =
    "Usage: apical run FILE [OPTIONS]\n\n"
    "Simulates a circuit file. The output folder receives manifest.json, circuit.yaml (explicit form), "
    "run.log,\n"
    "SONATA reports, weights and probes in HDF5, and the figures as PNG.\n\n"
    "  --out DIR             output folder; runs/NAME when absent; must be empty or new\n"
    "  --overwrite           replace an earlier run in it (only files that the run wrote)\n"
    "  --set KEY.PATH=VALUE  override a value of the file, e.g. --set integrator.rtol=1e-8; may be repeated\n"
    "  --threads N           threads; the result has the same bits for any number\n"
    "  --progress STYLE      auto, bar, plain, json or none\n"
    "  --stop-after N        end after N presentations\n"
    "  --no-figures          draw nothing\n\n"
    "Example: apical run circuits/association.yaml --out runs/mine --set seed=2\n";

int cmd_run(int argc, char **argv)
{
    struct ap_run_options o = {.stop = &stop};
    struct display display = {STYLE_AUTO, 0, 0};
    struct cmd_sets sets = {.n = 0};
    long threads = 0, stop_after = 0;
    int style = STYLE_AUTO;
    const struct cmd_option options[] = {
        {"--out", CMD_TEXT, &o.folder, 0, NULL},
        {"--overwrite", CMD_SWITCH, &o.overwrite, 0, NULL},
        {"--set", CMD_SET, &sets, 0, NULL},
        {"--threads", CMD_NUMBER, &threads, 1024, NULL},
        {"--progress", CMD_CHOICE, &style, 0, STYLES},
        {"--stop-after", CMD_NUMBER, &stop_after, 1000000000000L, NULL},
        {"--no-figures", CMD_SWITCH, &o.no_figures, 0, NULL},
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
    display.style = (enum style)style;
    if (display.style == STYLE_AUTO)
        display.style = isatty(STDERR_FILENO) ? STYLE_BAR : STYLE_PLAIN;
    if (display.style != STYLE_NONE) {
        o.progress = show;
        o.user = &display;
    }
    struct ap_err *e = ap_err_create();
    struct ap_run_result *result = calloc(1, sizeof *result);
    if (!e || !result)
        return cmd_memory();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    code = AP_EUSAGE;
    struct ap_spec *spec = ap_spec_read(argument[0], sets.text, sets.n, e);
    char folder[512];
    if (spec) {
        snprintf(folder, sizeof folder, "runs/%s", ap_spec_name(spec));
        if (!o.folder)
            o.folder = folder;
        code = ap_run(spec, &o, result, e);
    }
    code = cmd_errors(e, code);
    if (result->digest[0]) {
        fprintf(stderr, "%llu presentations, %llu steps, %llu evaluations, %.2f s\n",
                (unsigned long long)result->presentations, (unsigned long long)result->steps,
                (unsigned long long)result->evaluations, result->wall_seconds);
        printf("digest %s\n", result->digest);
        for (int i = 0; i < result->n_figures; i++)
            printf("figure %s/%s\n", o.folder, result->figures[i]);
    }
    if (code == AP_STOPPED)
        fprintf(stderr, "stopped after the current presentation; %s holds what was recorded\n", o.folder);
    ap_spec_free(spec);
    ap_err_free(e);
    free(result);
    return code;
}
