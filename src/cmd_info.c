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
#include <string.h>

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
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        printf("Usage: apical info [THING | THING/NAME]\n\n"
               "The manual: every cell, transfer function, signal, rule, start of weights, stimulus, "
               "integrator, probe and\n"
               "figure, with keys, units, defaults and ranges.\n\n"
               "Example: apical info rule/apical\n");
        return AP_OK;
    }
    if (argc > 2)
        return cmd_usage("info", "one THING, not also", argv[2]);
    struct ap_err *e = ap_err_create();
    return e ? print(ap_info(argc > 1 ? argv[1] : NULL, e), e) : AP_EMEMORY;
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        printf("Usage: apical version\n\nVersion of apical, compiler, flags and libraries.\n\nExample: "
               "apical version\n");
        return AP_OK;
    }
    if (argc > 1)
        return cmd_usage("version", "takes no argument, found", argv[1]);
    struct ap_err *e = ap_err_create();
    return e ? print(ap_version_details(e), e) : AP_EMEMORY;
}
