/* cmd_progress.c: what the verbs that simulate share: progress on the screen, signals, the closing lines.
 *
 * In:   progress and results of the public header.
 * Out:  lines on stderr and stdout.
 * Invariants:
 *   1. The first SIGINT, SIGTERM or SIGUSR1 ends the run after the current presentation, the second at once.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh, tests/cli/test_resume.sh */
#include "cmd.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

volatile int cmd_stop;

static void on_signal(int number)
{
    (void)number;
    if (cmd_stop)
        _exit(AP_INTERRUPTED);
    cmd_stop = 1;
}

enum style { STYLE_AUTO, STYLE_BAR, STYLE_PLAIN, STYLE_JSON, STYLE_NONE };
const char *const cmd_styles[] = {"auto", "bar", "plain", "json", "none", NULL};

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
    struct cmd_display *d = user;
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

void cmd_begin(struct ap_run_options *o, struct cmd_display *d, int style)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    *d = (struct cmd_display){.style = style};
    if (style == STYLE_AUTO)
        d->style = isatty(STDERR_FILENO) ? STYLE_BAR : STYLE_PLAIN;
    if (d->style != STYLE_NONE) {
        o->progress = show;
        o->user = d;
    }
    o->stop = &cmd_stop;
}

int cmd_end(const struct ap_run_options *o, const struct ap_run_result *r, const struct ap_err *e, int code)
{
    code = cmd_errors(e, code);
    if (r->was_complete)
        fprintf(stderr, "%s: the run is complete; nothing to do\n", o->folder);
    else if (r->digest[0])
        fprintf(stderr, "%llu presentations, %llu steps, %llu evaluations, %.2f s\n",
                (unsigned long long)r->presentations, (unsigned long long)r->steps,
                (unsigned long long)r->evaluations, r->wall_seconds);
    double total = 0;
    for (int i = 0; i < r->n_spent; i++)
        total += r->spent[i].seconds;
    for (int i = 0; i < r->n_spent; i++)
        fprintf(stderr, "%10.3f s %5.1f %%  %s\n", r->spent[i].seconds, 100 * r->spent[i].seconds / total,
                r->spent[i].on);
    for (int i = 0; i < r->n_replicates; i++)
        if (r->replicate[i].digest[0])
            printf("replicate seed-%lld %s\n", r->replicate[i].seed, r->replicate[i].digest);
    if (r->digest[0])
        printf("digest %s\n", r->digest);
    for (int i = 0; i < r->n_figures; i++)
        printf("figure %s/%s\n", o->folder, r->figures[i]);
    if (code == AP_STOPPED)
        fprintf(stderr, "stopped after the current presentation; `apical resume %s` goes on\n", o->folder);
    return code;
}
