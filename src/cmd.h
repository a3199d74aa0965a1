/* cmd.h: what the verbs of the command line share. They use the public header only. */
#ifndef AP_CMD_H
#define AP_CMD_H

#include "../include/apical.h"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Prints every diagnostic to stderr, compiler style, and returns the exit code. */
int cmd_errors(const struct ap_err *e, int code);

/* One usage error: prints text and a pointer to the help of the verb; returns AP_EUSAGE. */
int cmd_usage(const char *verb, const char *text, const char *subject);

/* A whole number of an option; 0 and a message when it is not one in [1, max]. */
int cmd_number(const char *verb, const char *option, const char *text, long max, long *out);

enum { CMD_SETS = 64 };

#endif
