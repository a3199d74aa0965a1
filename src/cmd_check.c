/* cmd_check.c: `apical check FILE`.
 *
 * In:   a circuit file.
 * Out:  on stdout its size or its explicit form; on stderr all its errors.
 * Invariants:
 *   1. Nothing is written to disk.
 * Never: uses anything but the public header.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <stdio.h>

static const char HELP[] =
    "Usage: apical check FILE [--expand | --dry-run] [--set KEY.PATH=VALUE ...]\n\n"
    "Validates a circuit file, its data files and sizes, and reports every error at once. Writes nothing.\n\n"
    "  --expand    print the circuit in its explicit form (cells, populations, projections, stimuli, "
    "schedule),\n"
    "              with all defaults; the output is a valid circuit file\n"
    "  --dry-run   print what a run would take: neurons, compartments, synapses, bytes, steps\n"
    "  --set KEY.PATH=VALUE  override a value of the file; may be repeated\n\n"
    "Example: apical check circuits/association.yaml --expand > my_circuit.yaml\n";

int cmd_check(int argc, char **argv)
{
    int expand = 0, dry = 0;
    struct cmd_sets sets = {.n = 0};
    const struct cmd_option options[] = {
        {"--expand", CMD_SWITCH, &expand, 0, NULL},
        {"--dry-run", CMD_SWITCH, &dry, 0, NULL},
        {"--set", CMD_SET, &sets, 0, NULL},
    };
    const struct cmd_line line = {"check", HELP, options, 3, "which circuit file?", "one FILE, not also", 1};
    const char *argument[CMD_ARGUMENTS];
    int code = cmd_parse(&line, argc, argv, argument);
    if (code != CMD_GO)
        return code;
    if (expand && dry)
        return cmd_usage("check", "--expand or --dry-run, not both", "");
    const char *file = argument[0];
    struct ap_err *e = ap_err_create();
    if (!e)
        return cmd_memory();
    struct ap_spec *spec = ap_spec_read(file, sets.text, sets.n, e);
    code = spec ? AP_OK : AP_EUSAGE;
    struct ap_estimate size;
    if (spec && (code = ap_spec_try(spec, e)) == AP_OK &&
        (code = ap_spec_estimate(spec, &size, e)) == AP_OK) {
        if (expand)
            fputs(ap_spec_text(spec), stdout);
        else if (dry)
            printf("neurons        %llu\ncompartments   %llu\nsynapses       %llu\nplastic        "
                   "%llu\nstate          %llu\n"
                   "memory         %.3g MB\npresentations  %llu\nsimulated      %.6g ms\nsteps          "
                   "about %llu\n",
                   (unsigned long long)size.neurons, (unsigned long long)size.compartments,
                   (unsigned long long)size.synapses, (unsigned long long)size.plastic_synapses,
                   (unsigned long long)size.state, (double)size.bytes / 1e6,
                   (unsigned long long)size.presentations, size.simulated_ms, (unsigned long long)size.steps);
        else
            printf("%s: ok: %s, %llu neurons, %llu synapses, %llu presentations\n", file, ap_spec_name(spec),
                   (unsigned long long)size.neurons, (unsigned long long)size.synapses,
                   (unsigned long long)size.presentations);
    }
    code = cmd_errors(e, code);
    ap_spec_free(spec);
    ap_err_free(e);
    return code;
}
