/* main.c: the command line: one verb, one cmd_*.c.
 *
 * In:   argv.
 * Out:  an exit code (enum ap_code).
 * Invariants:
 *   1. Errors go to stderr, results to stdout; a result that could not be written is an error.
 * Never: knows the engine; verbs use the public header alone.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments, *doc;
} VERBS[] = {
    {"run", cmd_run, "FILE", "simulate a circuit file; leave recordings, weights and figures"},
    {"resume", cmd_resume, "DIR", "go on with a run that was stopped, interrupted or killed"},
    {"check", cmd_check, "FILE", "validate a circuit file; print its explicit form or its size"},
    {"render", cmd_render, "RUN", "draw figures of a finished run again, or others"},
    {"readout", cmd_readout, "RUN", "tables of what dendrites say beyond their somata, from a finished run"},
    {"errors", cmd_error_table, "FILE|RUN",
     "compare apical errors and weight changes with gradients, over learning"},
    {"info", cmd_info, "[THING]", "the manual: cells, transfer functions, signals, rules, stimuli, ..."},
    {"version", cmd_version, "", "version and what it was built with"},
};
enum { N_VERBS = sizeof VERBS / sizeof *VERBS };

static void help(FILE *to)
{
    fprintf(
        to,
        "apical %s: a simulator of dendritic cortical microcircuits\n\nUsage: apical VERB [ARGUMENTS]\n\n",
        ap_version());
    for (int i = 0; i < N_VERBS; i++)
        fprintf(to, "  %-8s %-8s %s\n", VERBS[i].name, VERBS[i].arguments, VERBS[i].doc);
    fprintf(
        to,
        "\n`apical VERB --help` explains one, with an example.\n"
        "Exit codes: 0 ok, 1 internal, 2 bad usage or file, 3 input/output, 4 numerical failure, 5 memory,\n"
        "75 stopped by a signal (`apical resume` goes on), 130 interrupted twice.\n");
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? AP_EUSAGE : AP_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(0, NULL);
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], VERBS[i].name) == 0)
            return VERBS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "apical: there is no verb '%s'\n    hint: one of: ", argv[1]);
    for (int i = 0; i < N_VERBS; i++)
        fprintf(stderr, "%s%s", VERBS[i].name, i + 1 < N_VERBS ? ", " : "\n");
    return AP_EUSAGE;
}

/* Turns of spinning that take about a tenth of a millisecond: one is a pause, 40 cycles of one machine and 140 of another. */
static long turns(void)
{
    enum { TURNS = 2000 };
    double ns = 1e5;
#if defined(__x86_64__)
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int k = 0; k < TURNS; k++)
        __builtin_ia32_pause();
    clock_gettime(CLOCK_MONOTONIC, &to);
    ns = 1e9 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec);
#endif
    long n = (long)(1e5 * TURNS / (ns > 0 ? ns : 1e5));
    return n < TURNS / 4 ? TURNS / 4 : n > 10 * TURNS ? 10 * TURNS : n;
}

/* Threads of libgomp spin for long while they wait; where another program wants the core, a run took 13 times longer. But who
 * sleeps takes some ten microseconds to wake up, as long as there is to do between two barriers of a large circuit: with 500 turns of
 * 50 ns two threads were slower than one (4.9 s, beside 2.9 s), with 2000 they take 2.4 s, and beside another program 7.7 s, with 20000
 * there 29 s. The setting is read before main, so it is made by starting the program once more; whoever makes it himself is left
 * alone. */
static void spin_briefly(char **argv)
{
    char count[24];
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    snprintf(count, sizeof count, "%ld", turns());
    if (setenv("GOMP_SPINCOUNT", count, 1) != 0)
        return;
    execv("/proc/self/exe", argv); /* returns only when there is no such path: then threads spin */
}

int main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "resume") == 0))
        spin_briefly(argv);
    int code = dispatch(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "apical: cannot write to standard output: %s\n", strerror(errno));
    return code ? code : AP_EIO;
}
