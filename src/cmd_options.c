/* cmd_options.c: options and messages, the same for all verbs.
 *
 * In:   argv, a table of options.
 * Out:  values; messages on stderr.
 * Invariants:
 *   1. Every verb understands --help, `--name value`, `--name=value` and `--` alike.
 * Never: knows a verb.
 * Test: tests/cli/test_commands.sh */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_error(const struct ap_err *e, int i)
{
    int line, col;
    const char *file = ap_err_place(e, i, &line, &col);
    if (*file && line > 0)
        fprintf(stderr, "%s:%d:%d: ", file, line, col);
    else if (*file)
        fprintf(stderr, "%s: ", file);
    else
        fprintf(stderr, "apical: ");
    fprintf(stderr, "error: %s\n", ap_err_message(e, i));
    if (*ap_err_hint(e, i))
        fprintf(stderr, "    hint: %s\n", ap_err_hint(e, i));
}

int cmd_errors(const struct ap_err *e, int code)
{
    for (int i = 0; i < ap_err_count(e); i++)
        if (ap_err_code_at(e, i) == AP_EMEMORY) { /* whatever else was wrong may only be its consequence */
            print_error(e, i);
            return AP_EMEMORY;
        }
    for (int i = 0; i < ap_err_count(e); i++)
        print_error(e, i);
    if (ap_err_dropped(e) > 0)
        fprintf(stderr, "and %d more errors\n", ap_err_dropped(e));
    return ap_err_count(e) && code != AP_STOPPED && code != AP_INTERRUPTED ? (int)ap_err_code(e) : code;
}

int cmd_usage(const char *verb, const char *text, const char *subject)
{
    fprintf(stderr, "apical %s: %s%s%s\n    hint: `apical %s --help` shows how\n", verb, text,
            *subject ? " " : "", subject, verb);
    return AP_EUSAGE;
}

int cmd_memory(void)
{
    fprintf(stderr, "apical: out of memory\n");
    return AP_EMEMORY;
}

static int take_number(const char *verb, const struct cmd_option *o, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > o->max) {
        fprintf(stderr, "apical %s: %s: found '%s', expected a whole number from 1 to %ld\n", verb, o->name,
                text, o->max);
        return AP_EUSAGE;
    }
    *(long *)o->to = value;
    return CMD_GO;
}

static int take_seconds(const char *verb, const struct cmd_option *o, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1e9)) {
        fprintf(stderr, "apical %s: %s: found '%s', expected seconds, 0 or more\n", verb, o->name, text);
        return AP_EUSAGE;
    }
    *(double *)o->to = value > 0 ? value : -1;
    return CMD_GO;
}

static int take_choice(const char *verb, const struct cmd_option *o, const char *text)
{
    for (int i = 0; o->choices[i]; i++)
        if (strcmp(text, o->choices[i]) == 0) {
            *(int *)o->to = i;
            return CMD_GO;
        }
    fprintf(stderr, "apical %s: %s: found '%s', expected ", verb, o->name, text);
    for (int i = 0; o->choices[i]; i++)
        fprintf(stderr, "%s%s", o->choices[i], !o->choices[i + 1] ? "\n" : o->choices[i + 2] ? ", " : " or ");
    return AP_EUSAGE;
}

static int take_value(const char *verb, const struct cmd_option *o, const char *text)
{
    struct cmd_sets *sets = o->to;
    switch (o->kind) {
    case CMD_SWITCH:
        *(int *)o->to = 1;
        return CMD_GO;
    case CMD_TEXT:
        *(const char **)o->to = text;
        return CMD_GO;
    case CMD_NUMBER:
        return take_number(verb, o, text);
    case CMD_SECONDS:
        return take_seconds(verb, o, text);
    case CMD_CHOICE:
        return take_choice(verb, o, text);
    case CMD_SET:
        if (sets->n == CMD_SETS)
            return cmd_usage(verb, "too many", o->name);
        sets->text[sets->n++] = text;
        return CMD_GO;
    }
    return AP_EINTERNAL;
}

/* The option at argv[*i]; moves *i to its value when that stands apart. */
static int take_option(const struct cmd_line *line, int argc, char **argv, int *i)
{
    const char *given = argv[*i];
    size_t length = strcspn(given, "=");
    for (int k = 0; k < line->n_options; k++) {
        const struct cmd_option *o = &line->options[k];
        if (strlen(o->name) != length || strncmp(o->name, given, length) != 0)
            continue;
        if (o->kind == CMD_SWITCH && given[length])
            return cmd_usage(line->verb, "this option takes no value:", given);
        if (o->kind == CMD_SWITCH)
            return take_value(line->verb, o, NULL);
        if (given[length])
            return take_value(line->verb, o, given + length + 1);
        if (*i + 1 == argc)
            return cmd_usage(line->verb, "a value is missing after", given);
        return take_value(line->verb, o, argv[++*i]);
    }
    return cmd_usage(line->verb, "unknown option", given);
}

int cmd_parse(const struct cmd_line *line, int argc, char **argv, const char *argument[CMD_ARGUMENTS])
{
    int n = 0, options = 1;
    for (int i = 0; i < CMD_ARGUMENTS; i++)
        argument[i] = NULL;
    for (int i = 1; i < argc; i++) {
        if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            fputs(line->help, stdout);
            return AP_OK;
        }
        if (options && strcmp(argv[i], "--") == 0)
            options = 0;
        else if (options && argv[i][0] == '-' && argv[i][1]) {
            int code = take_option(line, argc, argv, &i);
            if (code != CMD_GO)
                return code;
        } else if (n == line->n_arguments)
            return cmd_usage(line->verb, line->surplus, argv[i]);
        else
            argument[n++] = argv[i];
    }
    return n == 0 && line->missing ? cmd_usage(line->verb, line->missing, "") : CMD_GO;
}
