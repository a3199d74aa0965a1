/* door.c: linked with the command line into tests/apical-faults: the same program, whose files and memory fail on demand.
 *
 *   APICAL_FAULT_IO=N:KIND[:ever]        the Nth system call on a file: ENOSPC, EIO, EINTR, ... fail with it; PART: half is
 *                                        read or written; KILL: the process dies before the call
 *   APICAL_FAULT_MEM=N[:ever]            the Nth allocation fails
 *   APICAL_FAULT_PRESENTATION=N:stop|kill  as the Nth presentation of this process is written: SIGTERM, or SIGKILL
 *   APICAL_FAULT_COUNT=FILE              at the end FILE receives the number of calls and of allocations
 *
 * The shipped program knows nothing of these. */
#include "io.h"
#include "mem.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static long io_count, io_at, presentations, present_at;
static bool io_ever, present_kills;
static int io_answer;
static enum { FAIL, KILL } io_kind;
static const char *count_file;

static void count_presentation(const struct ap_io_event *v)
{
    static const uint32_t HEAD[2] = {0x31304C41, 2}; /* magic and type of a presentation's block in run.log */
    if (v->size != 16 || memcmp(v->data, HEAD, sizeof HEAD) != 0)
        return;
    if (++presentations == present_at)
        raise(present_kills ? SIGKILL : SIGTERM);
}

static int watch(const struct ap_io_event *v)
{
    if (v->call == AP_IO_APPEND) {
        if (present_at)
            count_presentation(v);
        return AP_IO_GO;
    }
    io_count++;
    if (io_at == 0 || (io_ever ? io_count < io_at : io_count != io_at))
        return AP_IO_GO;
    if (io_kind == KILL)
        raise(SIGKILL);
    return io_answer;
}

static void write_counts(void)
{
    long left = ap_mem_fail_at(0, false);
    FILE *f = fopen(count_file, "w");
    if (f) {
        fprintf(f, "%ld %ld\n", io_count, left ? LONG_MAX - left : 0);
        fclose(f);
    }
}

static const struct {
    const char *name;
    int answer;
} KINDS[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO},
             {"EINTR", EINTR},   {"EROFS", EROFS},   {"PART", AP_IO_PART}};

__attribute__((constructor)) static void open_door(void)
{
    const char *io = getenv("APICAL_FAULT_IO"), *mem = getenv("APICAL_FAULT_MEM");
    const char *present = getenv("APICAL_FAULT_PRESENTATION");
    char *end;
    if (io) {
        io_at = strtol(io, &end, 10);
        for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
            if (strncmp(end + 1, KINDS[i].name, strlen(KINDS[i].name)) == 0)
                io_answer = KINDS[i].answer;
        io_kind = strncmp(end + 1, "KILL", 4) == 0 ? KILL : FAIL;
        io_ever = strstr(io, ":ever") != NULL;
    }
    if (present) {
        present_at = strtol(present, &end, 10);
        present_kills = strcmp(end, ":kill") == 0;
    }
    ap_io_watch(watch);
    count_file = getenv("APICAL_FAULT_COUNT");
    if (mem)
        ap_mem_fail_at(strtol(mem, NULL, 10), strstr(mem, ":ever") != NULL);
    else if (count_file)
        ap_mem_fail_at(LONG_MAX, false);
    if (count_file)
        atexit(write_counts);
}
