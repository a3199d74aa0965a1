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
    char digest[33], canonical[33], versions[2048], cpu[128], path[AP_ERR_PATH];
    ap_hash_text(m->digest, digest);
    ap_hash_text(ap_hash_of(m->spec->canonical, strlen(m->spec->canonical)), canonical);
    ap_manifest_versions(versions, sizeof versions);
    cpu_name(cpu);
    ap_text_add(&x, "{\n  \"apical\": \"%s\",\n  \"circuit\": ", AP_VERSION);
    add_string(&x, m->spec->name);
    ap_text_add(&x, ",\n  \"seed\": %lld,\n  \"circuit_digest\": \"%s\",\n  \"status\": \"%s\",\n",
                (long long)m->spec->seed, canonical, m->status);
    ap_text_add(&x, "  \"state_digest\": \"%s\",\n  \"presentations\": %llu,\n  \"steps\": %llu,\n", digest,
                (unsigned long long)m->counts.presentations, (unsigned long long)m->counts.steps);
    ap_text_add(&x, "  \"evaluations\": %llu,\n  \"jacobian_products\": %llu,\n",
                (unsigned long long)m->counts.evaluations, (unsigned long long)m->counts.products);
    ap_text_add(&x, "  \"threads\": %d,\n  \"wall_seconds\": %.3f,\n  \"cpu\": ", m->threads,
                m->wall_seconds);
    add_string(&x, cpu);
    ap_text_add(&x, ",\n  \"built_with\": ");
    add_string(&x, versions);
    ap_text_add(&x, ",\n  \"files\": [");
    for (int i = 0; m->files && i < m->files->n; i++) {
        ap_text_add(&x, "%s\n    ", i ? "," : "");
        add_string(&x, m->files->name[i]);
    }
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

enum ap_code ap_manifest_remove_run(struct ap_err *e, const char *folder)
{
    char path[AP_ERR_PATH], file[AP_ERR_PATH], name[128];
    char *text;
    size_t size;
    AP_TRY(ap_io_join(e, path, sizeof path, folder, "manifest.json"));
    struct ap_err *quiet = ap_err_create();
    enum ap_code code = ap_io_read(quiet, path, 1 << 24, &text, &size);
    ap_err_free(quiet);
    const char *list =
        code == AP_OK && strncmp(text, "{\n  \"apical\":", 13) == 0 ? strstr(text, "\"files\": [") : NULL;
    if (!list) {
        if (code == AP_OK)
            ap_mem_free(text);
        return ap_err_add(e, AP_EIO, NULL, "choose another folder with --out, or empty this one yourself",
                          "%s: holds files, but no manifest.json of an apical run; nothing was removed",
                          folder);
    }
    for (const char *c = strchr(list, '['); (c = strchr(c + 1, '"')) != NULL;) {
        const char *end = strchr(c + 1, '"');
        if (!end)
            break;
        size_t n = (size_t)(end - c - 1);
        if (n < sizeof name && plain_name(c + 1, n)) {
            memcpy(name, c + 1, n);
            name[n] = 0;
            code = ap_io_join(e, file, sizeof file, folder, name);
            if (code == AP_OK)
                code = ap_io_remove(e, file);
            if (code != AP_OK)
                break;
        }
        c = end;
    }
    ap_mem_free(text);
    return code == AP_OK ? ap_io_remove(e, path) : code;
}
