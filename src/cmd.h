/* cmd.h: what the verbs of the command line share. They use the public header only. */
#ifndef AP_CMD_H
#define AP_CMD_H

#include "../include/apical.h"

int cmd_run(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_readout(int argc, char **argv);
int cmd_error_table(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Prints every diagnostic to stderr, compiler style, and returns the exit code. */
int cmd_errors(const struct ap_err *e, int code);

/* One usage error: prints text and a pointer to the help of the verb; returns AP_EUSAGE. */
int cmd_usage(const char *verb, const char *text, const char *subject);

int cmd_memory(void); /* prints that memory is out; returns AP_EMEMORY */

/* ---- options ---------------------------------------------------------------------------------------- */

enum { CMD_SETS = 64, CMD_ARGUMENTS = 4, CMD_GO = -1 };

struct cmd_sets {
    const char *text[CMD_SETS];
    int n;
};

enum cmd_kind {
    CMD_SWITCH,  /* int: 1 when given */
    CMD_TEXT,    /* const char * */
    CMD_NUMBER,  /* long in [1, max] */
    CMD_CHOICE,  /* int: index into choices */
    CMD_SECONDS, /* double >= 0; what is given as 0 becomes -1: never */
    CMD_SET,     /* struct cmd_sets: may be repeated */
};

struct cmd_option {
    const char *name; /* "--out" */
    enum cmd_kind kind;
    void *to;
    long max;
    const char *const *choices; /* ending in NULL */
};

/* A verb's command line: options anywhere, `--name value` or `--name=value`; `--` ends them. */
struct cmd_line {
    const char *verb;
    const char *help;
    const struct cmd_option *options;
    int n_options;
    const char *missing; /* what to ask for when there is no argument; NULL: none is needed */
    const char *surplus; /* "one FILE, not also" */
    int n_arguments;     /* at most */
};

/* Fills argument[] (NULL where absent) and the options' values. CMD_GO, or the exit code to leave with. */
int cmd_parse(const struct cmd_line *line, int argc, char **argv, const char *argument[CMD_ARGUMENTS]);

/* ---- verbs that simulate ---------------------------------------------------------------------------- */

struct cmd_display {
    int style;
    double last;  /* wall seconds of the last plain line */
    int bar_open; /* a bar stands on the current line */
};
extern const char *const cmd_styles[]; /* choices of --progress */
extern volatile int cmd_stop;          /* a signal asked to end */

/* Handlers of signals, and progress in a style of cmd_styles. */
void cmd_begin(struct ap_run_options *o, struct cmd_display *d, int style);
/* Errors, the digest, the pictures; returns the exit code. */
int cmd_end(const struct ap_run_options *o, const struct ap_run_result *r, const struct ap_err *e, int code);

#endif
