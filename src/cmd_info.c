/* cmd_info.c: `apical info [THING]` and `apical version`.
 *
 * In:   nothing, a thing, or thing/name.
 * Out:  the manual on stdout.
 * Invariants:
 *   1. The text is made from the tables that the engine uses.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <stdio.h>

static int print(char *text, struct ap_err *e)
{
    if (text)
        fputs(text, stdout);
    int code = cmd_errors(e, text ? AP_OK : AP_EUSAGE);
    ap_free(text);
    ap_err_free(e);
    return code;
}

int cmd_info(int argc, char **argv)
{
    static const struct cmd_line LINE = {"info",
                                         "Usage: apical info [THING | THING/NAME]\n\n"
                                         "The manual: every cell, transfer function, signal, rule, start of "
                                         "weights, stimulus, integrator, probe and\n"
                                         "figure, with keys, units, defaults and ranges.\n\n"
                                         "Example: apical info rule/apical\n",
                                         NULL,
                                         0,
                                         NULL,
                                         "one THING, not also",
                                         1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&LINE, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    struct ap_err *e = ap_err_create();
    return e ? print(ap_info(argument[0], e), e) : cmd_memory();
}

int cmd_version(int argc, char **argv)
{
    static const struct cmd_line LINE = {"version",
                                         "Usage: apical version\n\nVersion of apical, compiler, flags and "
                                         "libraries.\n\nExample: apical version\n",
                                         NULL,
                                         0,
                                         NULL,
                                         "takes no argument, found",
                                         0};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&LINE, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    struct ap_err *e = ap_err_create();
    return e ? print(ap_version_details(e), e) : cmd_memory();
}
