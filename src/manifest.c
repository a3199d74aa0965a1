/* manifest.c: manifest.json of an output folder.
 *
 * In:   the spec, the result, the list of files.
 * Out:  manifest.json, one value per line.
 * Invariants:
 *   1. A file is removed only if a manifest of ours lists it by a plain name, so nothing of the user's is lost.
 *   2. The list of files names every file of the run but the manifest itself.
 * Never: follows a name with a slash.
 * Test: tests/cli/test_outputs.sh */
#include "manifest.h"
#include "io.h"
#include "text.h"

#include <cvodes/cvodes.h>
#include <ctype.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sundials/sundials_version.h>

/* A JSON string. */
static void add_string(struct ap_text *x, const char *s)
{
    ap_text_add(x, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            ap_text_add(x, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            ap_text_add(x, "\\u%04x", (unsigned char)*s);
        else
            ap_text_add(x, "%c", *s);
    }
    ap_text_add(x, "\"");
}

static void cpu_name(char out[128])
{
    char line[256];
    snprintf(out, 128, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r"); /* absent elsewhere: the manifest then says unknown */
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(out, 128, "%.120s", colon + 2);
            out[strcspn(out, "\n")] = 0;
            break;
        }
    }
    if (f)
        fclose(f);
}

void ap_manifest_versions(char *out, size_t size)
{
    char sundials[32] = "";
    SUNDIALSGetVersion(sundials, sizeof sundials);
    snprintf(out, size, "apical %s\ncompiler %s\nflags %s\nlibc %s\nSUNDIALS %s\n", AP_VERSION, __VERSION__,
             AP_BUILD_FLAGS, gnu_get_libc_version(), sundials);
}

enum ap_code ap_manifest_write(struct ap_err *e, const char *folder, const struct ap_manifest *m)
{
    struct ap_text x = {.e = e};
    char digest[33], versions[2048], cpu[128], path[AP_ERR_PATH];
    ap_hash_text(m->digest, digest);
    ap_manifest_versions(versions, sizeof versions);
    cpu_name(cpu);
    ap_text_add(&x, "{\n  \"apical\": \"%s\",\n  \"circuit\": ", AP_VERSION);
    add_string(&x, m->spec->name);
    ap_text_add(&x, ",\n  \"seed\": %lld,\n  \"circuit_digest\": \"%s\",\n  \"status\": \"%s\",\n",
                (long long)m->spec->seed, m->circuit_digest, m->status);
    ap_text_add(&x, "  \"state_digest\": \"%s\",\n  \"presentations\": %llu,\n  \"steps\": %llu,\n", digest,
                (unsigned long long)m->counts.presentations, (unsigned long long)m->counts.steps);
    ap_text_add(&x, "  \"evaluations\": %llu,\n  \"jacobian_products\": %llu,\n",
                (unsigned long long)m->counts.evaluations, (unsigned long long)m->counts.products);
    ap_text_add(&x, "  \"stop_after\": %llu,\n  \"figures\": %s,\n", (unsigned long long)m->stop_after,
                m->figures ? "true" : "false");
    for (int i = 0; i < m->spec->n_replicate; i++)
        ap_text_add(&x, "%s%lld%s", i ? ", " : "  \"replicates\": [", (long long)m->spec->replicate[i],
                    i + 1 < m->spec->n_replicate ? "" : "],\n");
    ap_text_add(&x, "  \"threads\": %d,\n  \"wall_seconds\": %.3f", m->threads, m->wall_seconds);
    if (m->simulating_seconds > 0) /* on the same line: what differs from run to run */
        ap_text_add(&x, ", \"simulating_seconds\": %.3f", m->simulating_seconds);
    ap_text_add(&x, ",\n  \"cpu\": ");
    add_string(&x, cpu);
    ap_text_add(&x, ",\n  \"built_with\": ");
    add_string(&x, versions);
    ap_text_add(&x, ",\n  \"files\": [");
    for (int i = 0; m->files && i < m->files->n; i++) {
        ap_text_add(&x, "%s\n    ", i ? "," : "");
        add_string(&x, m->files->name[i]);
    }
    if (m->checkpoints)
        ap_text_add(&x, ",\n    \"checkpoint-a\",\n    \"checkpoint-b\"");
    ap_text_add(&x, "\n  ]\n}\n");
    enum ap_code code = x.code;
    if (code == AP_OK)
        code = ap_io_join(e, path, sizeof path, folder, "manifest.json");
    if (code == AP_OK)
        code = ap_io_write(e, path, x.bytes, x.used);
    ap_mem_free(x.bytes);
    return code;
}

static bool plain_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return n > 0 && name[0] != '.';
}

/* The text of the folder's manifest, freed with ap_mem_free; NULL when there is none of ours. */
static char *read_text(struct ap_err *e, const char *folder, enum ap_code *code)
{
    char path[AP_ERR_PATH], *text = NULL;
    size_t size;
    if ((*code = ap_io_join(e, path, sizeof path, folder, "manifest.json")) != AP_OK)
        return NULL;
    struct ap_err *quiet = ap_err_create();
    *code = ap_io_read(quiet, path, 1 << 24, &text, &size);
    if (*code == AP_EMEMORY)
        ap_err_add(e, AP_EMEMORY, NULL, NULL, "no memory for %s", path);
    ap_err_free(quiet);
    if (*code == AP_OK && (strlen(text) != size || strncmp(text, "{\n  \"apical\":", 13) != 0)) {
        ap_mem_free(text);
        text = NULL;
        *code = AP_EIO;
    }
    return text;
}

/* The value after "key": in a text that ap_manifest_write wrote, without its quotes; empty when there is none. */
static void value_of(const char *text, const char *key, char *out, size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\n  \"%s\": ", key);
    const char *c = strstr(text, quoted);
    size_t n = 0;
    for (c = c ? c + strlen(quoted) : ""; *c && *c != ',' && *c != '\n' && n + 1 < size; c++)
        if (*c != '"')
            out[n++] = *c;
    out[n] = 0;
}

static const char REPLICATES[] = "\n  \"replicates\": [";

enum ap_code ap_manifest_read(struct ap_err *e, const char *folder, struct ap_manifest_past *past)
{
    enum ap_code code;
    char number[32];
    *past = (struct ap_manifest_past){0};
    char *text = read_text(e, folder, &code);
    if (!text)
        return code == AP_EMEMORY ? code
                                  : ap_err_add(e, AP_EIO, NULL, "name the output folder of an `apical run`",
                                               "%s: holds no manifest.json of an apical run", folder);
    value_of(text, "status", past->status, sizeof past->status);
    value_of(text, "circuit_digest", past->circuit_digest, sizeof past->circuit_digest);
    value_of(text, "state_digest", past->state_digest, sizeof past->state_digest);
    value_of(text, "stop_after", number, sizeof number);
    past->stop_after = strtoull(number, NULL, 10);
    value_of(text, "figures", number, sizeof number);
    past->figures = strcmp(number, "false") != 0;
    uint64_t *const count[] = {&past->counts.presentations, &past->counts.steps, &past->counts.evaluations,
                               &past->counts.products};
    static const char *const COUNTS[] = {"presentations", "steps", "evaluations", "jacobian_products"};
    for (int i = 0; i < 4; i++) {
        value_of(text, COUNTS[i], number, sizeof number);
        *count[i] = strtoull(number, NULL, 10);
    }
    past->replicates = strstr(text, REPLICATES) != NULL;
    ap_mem_free(text);
    return AP_OK;
}

/* What a run needs to go on. */
static bool is_source(const char *name)
{
    static const char *const SOURCES[] = {"circuit.yaml", "run.log", "checkpoint-a", "checkpoint-b"};
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++)
        if (strcmp(name, SOURCES[i]) == 0)
            return true;
    return false;
}

static enum ap_code remove_one(struct ap_err *e, const char *folder, const char *name)
{
    char file[AP_ERR_PATH];
    AP_TRY(ap_io_join(e, file, sizeof file, folder, name));
    return ap_io_remove(e, file);
}

enum ap_code ap_manifest_replicate(struct ap_err *e, const char *folder, int64_t seed, char out[AP_ERR_PATH])
{
    char name[32];
    snprintf(name, sizeof name, "seed-%lld", (long long)seed);
    return ap_io_join(e, out, AP_ERR_PATH, folder, name);
}

/* The replicates that a manifest lists, each with its folder; one that holds other files too stays, without the run. */
static enum ap_code remove_replicates(struct ap_err *e, const char *folder, const char *text)
{
    char path[AP_ERR_PATH], *end;
    const char *c = strstr(text, REPLICATES);
    for (c = c ? c + strlen(REPLICATES) - 1 : "]"; *c != ']' && *c; c = end) {
        long long seed = strtoll(c + 1, &end, 10);
        if (end == c + 1)
            break;
        AP_TRY(ap_manifest_replicate(e, folder, seed, path));
        if (!ap_io_exists(path))
            continue;
        ap_io_sweep(path);
        bool exists;
        if (ap_io_folder_has_entries(path, &exists))
            AP_TRY(ap_manifest_remove_run(e, path));
        AP_TRY(remove_one(e, path, "manifest.json"));
        if (!ap_io_folder_has_entries(path, &exists))
            AP_TRY(ap_io_remove(e, path));
    }
    return AP_OK;
}

static enum ap_code remove_listed(struct ap_err *e, const char *folder, bool sources)
{
    enum ap_code code;
    char name[128], *text = read_text(e, folder, &code);
    const char *list = text ? strstr(text, "\"files\": [") : NULL;
    if (!list) {
        ap_mem_free(text);
        return code == AP_EMEMORY
                   ? code
                   : ap_err_add(e, AP_EIO, NULL,
                                "choose another folder with --out, or empty this one yourself",
                                "%s: holds files, but no manifest.json of an apical run; nothing was removed",
                                folder);
    }
    code = sources ? remove_one(e, folder, "circuit.yaml") : AP_OK;
    if (sources && code == AP_OK)
        code = remove_replicates(e, folder, text);
    for (const char *c = strchr(list, '['); code == AP_OK && (c = strchr(c + 1, '"')) != NULL;) {
        const char *end = strchr(c + 1, '"');
        if (!end)
            break;
        size_t n = (size_t)(end - c - 1);
        if (n < sizeof name && plain_name(c + 1, n)) {
            memcpy(name, c + 1, n);
            name[n] = 0;
            if (strcmp(name, "manifest.json") != 0 && (sources || !is_source(name)))
                code = remove_one(e, folder, name);
        }
        c = end;
    }
    ap_mem_free(text);
    return code;
}

enum ap_code ap_manifest_remove_run(struct ap_err *e, const char *folder)
{
    return remove_listed(e, folder, true);
}

enum ap_code ap_manifest_remove_outputs(struct ap_err *e, const char *folder)
{
    return remove_listed(e, folder, false);
}
