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
#include <string.h>

static void help(void)
{
    printf("Usage: apical check FILE [--expand | --dry-run] [--set KEY.PATH=VALUE ...]\n\n"
           "Validates a circuit file, its data files and sizes, and reports every error at once. Writes "
           "nothing.\n\n"
           "  --expand    print the circuit in its explicit form (cells, populations, projections, stimuli, "
           "schedule),\n"
           "              with all defaults; the output is a valid circuit file\n"
           "  --dry-run   print what a run would take: neurons, compartments, synapses, bytes, steps\n\n"
           "Example: apical check circuits/association.yaml --expand > my_circuit.yaml\n");
}

int cmd_check(int argc, char **argv)
{
    const char *file = NULL, *sets[CMD_SETS];
    int n_sets = 0, expand = 0, dry = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
            return AP_OK;
        }
        if (strcmp(argv[i], "--expand") == 0)
            expand = 1;
        else if (strcmp(argv[i], "--dry-run") == 0)
            dry = 1;
        else if (strcmp(argv[i], "--set") == 0 && i + 1 < argc && n_sets < CMD_SETS)
            sets[n_sets++] = argv[++i];
        else if (strncmp(argv[i], "--set=", 6) == 0 && n_sets < CMD_SETS)
            sets[n_sets++] = argv[i] + 6;
        else if (argv[i][0] == '-' && argv[i][1])
            return cmd_usage("check", "unknown or incomplete option", argv[i]);
        else if (file)
            return cmd_usage("check", "one FILE, not also", argv[i]);
        else
            file = argv[i];
    }
    if (!file)
        return cmd_usage("check", "which circuit file?", "");
    struct ap_err *e = ap_err_create();
    if (!e) {
        fprintf(stderr, "apical: out of memory\n");
        return AP_EMEMORY;
    }
    struct ap_spec *spec = ap_spec_read(file, sets, n_sets, e);
    int code = spec ? AP_OK : AP_EUSAGE;
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
