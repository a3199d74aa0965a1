/* io.c: the one door to files.
 *
 * In:   paths and bytes.
 * Out:  files on disk, or AP_EIO with the path and the system's reason.
 * Invariants:
 *   1. A file written by ap_io_write is whole or absent: temporary name, fsync, rename, fsync of the folder.
 *   2. Short writes and EINTR are continued; every write, sync, cut and rename is checked, and the close of what was
 *      written.
 *   3. Only regular files are read, so a FIFO or a device cannot hang the program.
 *   4. A temporary is made under a name that nobody had: .apical-N.tmp in the folder of the file.
 *   5. Every system call that touches a file is asked for first (ap_io_watch), so a test can let any of them fail.
 * Never: deletes what it was not told to delete, or did not make.
 * Test: tests/unit/test_io.c, tests/cli/test_faults.sh */
#include "io.h"
#include "mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- system calls ---------------------------------------------------------------------------------- */

static ap_io_watcher *watching;

void ap_io_watch(ap_io_watcher *watcher)
{
    watching = watcher;
}

/* What the watcher says; a call that is to fail has its errno set. */
static int ask(enum ap_io_call call, const char *path, const char *other, const void *data, size_t size)
{
    const struct ap_io_event event = {call, path, other, data, size};
    int answer = watching ? watching(&event) : AP_IO_GO;
    if (answer > 0)
        errno = answer;
    return answer;
}

/* Repeats a call that a signal interrupted; the watcher is asked each time. */
#define CALL(result, failing, asked, call)                                                                   \
    do {                                                                                                     \
        result = (asked) > 0 ? (failing) : (call);                                                           \
    } while (result == (failing) && errno == EINTR)

static int open_file(const char *path, int flags)
{
    int fd;
    CALL(fd, -1, ask(AP_IO_OPEN, path, NULL, NULL, (flags & O_CREAT) != 0),
         open(path, flags | O_CLOEXEC, 0666));
    return fd;
}

static ssize_t read_some(int fd, const char *path, void *to, size_t size)
{
    ssize_t n;
    int answer;
    CALL(n, -1, answer = ask(AP_IO_READ, path, NULL, NULL, size),
         read(fd, to, answer == AP_IO_PART ? size - size / 2 : size));
    return n;
}

static ssize_t write_some(int fd, const char *path, const void *data, size_t size)
{
    ssize_t n;
    int answer;
    CALL(n, -1, answer = ask(AP_IO_WRITE, path, NULL, data, size),
         write(fd, data, answer == AP_IO_PART ? size - size / 2 : size));
    return n;
}

/* The file is closed even when this fails. */
static int close_file(int fd, const char *path)
{
    int asked = ask(AP_IO_CLOSE, path, NULL, NULL, 0), wanted = errno;
    int n = close(fd);
    if (asked > 0) {
        errno = wanted;
        n = -1;
    }
    return n != 0 && errno == EINTR ? 0 : n; /* Linux has closed it */
}

static int sync_file(int fd, const char *path)
{
    int n;
    CALL(n, -1, ask(AP_IO_SYNC, path, NULL, NULL, 0), fsync(fd));
    return n;
}

static int cut_file(int fd, const char *path, uint64_t size)
{
    int n;
    CALL(n, -1, ask(AP_IO_CUT, path, NULL, NULL, size), ftruncate(fd, (off_t)size));
    return n;
}

static int rename_file(const char *from, const char *to)
{
    int n;
    CALL(n, -1, ask(AP_IO_RENAME, from, to, NULL, 0), rename(from, to));
    return n;
}

static int remove_file(const char *path)
{
    int n;
    CALL(n, -1, ask(AP_IO_REMOVE, path, NULL, NULL, 0), remove(path));
    return n;
}

static int make_folder(const char *path)
{
    int n;
    CALL(n, -1, ask(AP_IO_FOLDER, path, NULL, NULL, 0), mkdir(path, 0777));
    return n;
}

/* ---- messages and names ---------------------------------------------------------------------------- */

const char *ap_io_hint(int error)
{
    return error == ENOSPC || error == EDQUOT
               ? "free some space; `apical resume` goes on with a run from its last checkpoint"
               : NULL;
}

/* What a message shows of a path, so that the reason behind it is never cut off. */
enum { SHOWN = 300 };

static const char *more(const char *path)
{
    return strlen(path) > SHOWN ? "..." : "";
}

static enum ap_code failed(struct ap_err *e, const char *path, const char *doing, const char *hint)
{
    const char *room = ap_io_hint(errno);
    return ap_err_add(e, AP_EIO, NULL, room ? room : hint, "%.*s%s: cannot %s: %s", SHOWN, path, more(path),
                      doing, strerror(errno));
}

static enum ap_code too_long(struct ap_err *e, const char *path)
{
    return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%.*s%s: the path is too long", SHOWN, path,
                      more(path));
}

enum ap_code ap_io_join(struct ap_err *e, char *out, size_t size, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    const char *between = n && folder[n - 1] != '/' ? "/" : "";
    return snprintf(out, size, "%s%s%s", folder, between, name) >= (int)size ? too_long(e, folder) : AP_OK;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static enum ap_code read_open(struct ap_err *e, int fd, const char *path, size_t limit, bool start,
                              char **data, size_t *size)
{
    struct stat st;
    int n;
    CALL(n, -1, ask(AP_IO_STAT, path, NULL, NULL, 0), fstat(fd, &st));
    if (n != 0)
        return failed(e, path, "stat", NULL);
    if (!S_ISREG(st.st_mode))
        return ap_err_add(e, AP_EIO, NULL, "name a regular file", "%s: not a regular file", path);
    if ((uintmax_t)st.st_size > limit && !start)
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: has %jd bytes, the limit is %zu", path,
                          (intmax_t)st.st_size, limit);
    size_t length = (uintmax_t)st.st_size > limit ? limit : (size_t)st.st_size;
    char *bytes = ap_mem_array(e, length + 1, 1, path);
    if (!bytes)
        return AP_EMEMORY;
    for (size_t got = 0; got < length;) {
        ssize_t k = read_some(fd, path, bytes + got, length - got);
        if (k < 0) {
            enum ap_code code = failed(e, path, "read", NULL);
            ap_mem_free(bytes);
            return code;
        }
        if (k == 0) /* it has become shorter */
            length = got;
        got += (size_t)k;
    }
    bytes[length] = 0;
    *data = bytes;
    *size = length;
    return AP_OK;
}

static enum ap_code read_file(struct ap_err *e, const char *path, size_t limit, bool start, char **data,
                              size_t *size)
{
    *data = NULL;
    *size = 0;
    int fd = open_file(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return failed(e, path, "open", NULL);
    enum ap_code code = read_open(e, fd, path, limit, start, data, size);
    close_file(fd, path);
    return code;
}

enum ap_code ap_io_read(struct ap_err *e, const char *path, size_t limit, char **data, size_t *size)
{
    return read_file(e, path, limit, false, data, size);
}

enum ap_code ap_io_read_start(struct ap_err *e, const char *path, size_t most, char **data, size_t *size)
{
    return read_file(e, path, most, true, data, size);
}

/* ---- writing --------------------------------------------------------------------------------------- */

static enum ap_code write_all(struct ap_err *e, int fd, const char *path, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t k = write_some(fd, path, p, size);
        if (k < 0)
            return ap_err_add(e, AP_EIO, NULL, ap_io_hint(errno), "%s: cannot write the last %zu bytes: %s",
                              path, size, strerror(errno));
        p += k;
        size -= (size_t)k;
    }
    return AP_OK;
}

/* Names in the folder of `path` last from here on. */
static enum ap_code sync_folder_of(struct ap_err *e, const char *path)
{
    char folder[AP_ERR_PATH];
    snprintf(folder, sizeof folder, "%s", path); /* fits: whoever comes here has checked it */
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    const char *name = slash ? folder : ".";
    int fd = open_file(name, O_RDONLY | O_DIRECTORY), n;
    if (fd < 0)
        return errno == EACCES ? AP_OK /* may be written, not read */
                               : failed(e, path, "open the folder of", NULL);
    CALL(n, -1, ask(AP_IO_SYNC_FOLDER, name, NULL, NULL, 0), fsync(fd));
    /* some file systems refuse to sync a folder; the rename itself is still atomic */
    enum ap_code code =
        n == 0 || errno == EINVAL || errno == ENOTSUP ? AP_OK : failed(e, path, "sync the folder of", NULL);
    close_file(fd, name);
    return code;
}

enum { TEMPORARIES = 1000 };
static const char BEFORE[] = ".apical-", AFTER[] = ".tmp";

/* A new empty file beside `path`, open for writing; -1 after a failure. */
static int make_temporary(struct ap_err *e, const char *path, char name[AP_ERR_PATH + 32])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path + 1) : 0;
    if (strlen(path) >= AP_ERR_PATH) {
        too_long(e, path);
        return -1;
    }
    for (int i = 0; i < TEMPORARIES; i++) {
        snprintf(name, AP_ERR_PATH + 32, "%.*s%s%d%s", folder, path, BEFORE, i, AFTER);
        int fd = open_file(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
        if (fd >= 0 || errno != EEXIST) {
            if (fd < 0)
                failed(e, path, "create", NULL);
            return fd;
        }
    }
    ap_err_add(e, AP_EIO, NULL, "remove the files .apical-*.tmp", "%s: %d temporaries lie in its folder",
               path, TEMPORARIES);
    return -1;
}

/* What was written to the temporary is synced and takes its name. */
static enum ap_code settle(struct ap_err *e, int fd, const char *temporary, const char *path,
                           enum ap_code code)
{
    if (code == AP_OK && sync_file(fd, path) != 0)
        code = failed(e, path, "sync", NULL);
    if (close_file(fd, path) != 0 && code == AP_OK)
        code = failed(e, path, "close", NULL);
    if (code == AP_OK && rename_file(temporary, path) != 0)
        code = failed(e, path, "rename to", NULL);
    if (code == AP_OK)
        return sync_folder_of(e, path);
    remove_file(temporary);
    return code;
}

enum ap_code ap_io_write_pieces(struct ap_err *e, const char *path, const struct ap_io_piece *piece, int n)
{
    char temporary[AP_ERR_PATH + 32];
    int fd = make_temporary(e, path, temporary);
    if (fd < 0)
        return AP_EIO;
    enum ap_code code = AP_OK;
    for (int i = 0; i < n && code == AP_OK; i++)
        code = write_all(e, fd, path, piece[i].data, piece[i].size);
    return settle(e, fd, temporary, path, code);
}

enum ap_code ap_io_write(struct ap_err *e, const char *path, const void *data, size_t size)
{
    return ap_io_write_pieces(e, path, &(struct ap_io_piece){data, size}, 1);
}

enum ap_code ap_io_reserve(struct ap_err *e, const char *path, char temporary[AP_ERR_PATH + 32])
{
    int fd = make_temporary(e, path, temporary);
    if (fd >= 0)
        close_file(fd, path);
    return fd < 0 ? AP_EIO : AP_OK;
}

enum ap_code ap_io_publish(struct ap_err *e, const char *temporary, const char *path)
{
    if (strlen(path) >= AP_ERR_PATH) {
        remove_file(temporary);
        return too_long(e, path);
    }
    int fd = open_file(temporary, O_RDWR);
    if (fd >= 0)
        return settle(e, fd, temporary, path, AP_OK);
    enum ap_code code = failed(e, path, "open again", NULL);
    remove_file(temporary);
    return code;
}

enum ap_code ap_io_remove(struct ap_err *e, const char *path)
{
    if (remove_file(path) != 0 && errno != ENOENT)
        return failed(e, path, "remove", NULL);
    return AP_OK;
}

bool ap_io_exists(const char *path)
{
    struct stat st;
    int n;
    CALL(n, -1, ask(AP_IO_STAT, path, NULL, NULL, 0), lstat(path, &st));
    return n == 0 || errno != ENOENT; /* what cannot be told counts as there: then reading it says why */
}

/* ---- folders --------------------------------------------------------------------------------------- */

static enum ap_code make_one(struct ap_err *e, const char *path)
{
    if (make_folder(path) == 0)
        return sync_folder_of(e, path);
    if (errno == EEXIST)
        return AP_OK;
    return failed(e, path, "make the folder", "choose another folder with --out");
}

enum ap_code ap_io_make_folder(struct ap_err *e, const char *path)
{
    char part[AP_ERR_PATH];
    struct stat st;
    int n;
    if (!*path)
        return ap_err_add(e, AP_EIO, NULL, "choose a folder with --out", "the name of the folder is empty");
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return too_long(e, path);
    for (size_t end = strlen(part); end > 1 && part[end - 1] == '/';) /* its parent is what holds the name */
        part[--end] = 0;
    for (char *c = part + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            AP_TRY(make_one(e, part));
            *c = '/';
        }
    AP_TRY(make_one(e, part));
    CALL(n, -1, ask(AP_IO_STAT, part, NULL, NULL, 0), stat(part, &st));
    if (n != 0 || !S_ISDIR(st.st_mode))
        return ap_err_add(e, AP_EIO, NULL, "choose another folder with --out",
                          "%s: is there and is not a folder", path);
    return AP_OK;
}

static bool is_temporary(const char *name)
{
    if (strncmp(name, BEFORE, sizeof BEFORE - 1) != 0)
        return false;
    name += sizeof BEFORE - 1;
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && strcmp(name + digits, AFTER) == 0;
}

static DIR *list(const char *path)
{
    DIR *d;
    CALL(d, NULL, ask(AP_IO_LIST, path, NULL, NULL, 0), opendir(path));
    return d;
}

bool ap_io_folder_has_entries(const char *path, bool *exists)
{
    DIR *d = list(path);
    *exists = d != NULL;
    if (!d) /* what cannot be listed is taken for full; what is no folder is reported when one is made */
        return errno != ENOENT && errno != ENOTDIR;
    bool any = false;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_temporary(entry->d_name))
            any = true;
    closedir(d);
    return any;
}

void ap_io_sweep(const char *folder)
{
    char path[AP_ERR_PATH + 32];
    DIR *d = list(folder);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        if (is_temporary(entry->d_name) &&
            ap_io_join(NULL, path, sizeof path, folder, entry->d_name) == AP_OK)
            remove_file(path);
    if (d)
        closedir(d);
}

enum ap_code ap_io_lock(struct ap_err *e, const char *folder, int *lock)
{
    int n;
    *lock = open_file(folder, O_RDONLY | O_DIRECTORY);
    if (*lock < 0)
        return failed(e, folder, "open", "name a folder that can be read");
    CALL(n, -1, ask(AP_IO_LOCK, folder, NULL, NULL, 0), flock(*lock, LOCK_EX | LOCK_NB));
    if (n == 0)
        return AP_OK;
    enum ap_code code = errno == EWOULDBLOCK
                            ? ap_err_add(e, AP_EIO, NULL, "wait for it, or choose another folder",
                                         "%s: another apical is at work in this folder", folder)
                            : failed(e, folder, "lock", NULL);
    ap_io_unlock(*lock);
    *lock = -1;
    return code;
}

void ap_io_unlock(int lock)
{
    if (lock >= 0)
        close_file(lock, "lock");
}

/* ---- a file that is only appended to ---------------------------------------------------------------- */

static enum ap_code append_start(struct ap_err *e, struct ap_io_file *f, const char *path, int flags,
                                 const char *doing)
{
    f->fd = -1;
    f->size = 0;
    f->n_waiting = 0;
    if (snprintf(f->path, sizeof f->path, "%s", path) >= (int)sizeof f->path)
        return too_long(e, path);
    f->fd = open_file(path, O_WRONLY | O_APPEND | O_NOFOLLOW | flags);
    return f->fd < 0 ? failed(e, path, doing, NULL) : AP_OK;
}

enum ap_code ap_io_append_open(struct ap_err *e, struct ap_io_file *f, const char *path)
{
    AP_TRY(append_start(e, f, path, O_CREAT | O_EXCL, "create"));
    return sync_folder_of(e, path); /* a checkpoint that speaks of it must not outlive its name */
}

enum ap_code ap_io_append_reopen(struct ap_err *e, struct ap_io_file *f, const char *path, uint64_t size)
{
    AP_TRY(append_start(e, f, path, 0, "open again"));
    if (cut_file(f->fd, path, size) != 0)
        return failed(e, path, "cut", NULL);
    f->size = size;
    return ap_io_append_sync(e, f);
}

/* Written, or lost with the error that says so. */
enum ap_code ap_io_append_flush(struct ap_err *e, struct ap_io_file *f)
{
    size_t n = f->n_waiting;
    f->n_waiting = 0;
    return n ? write_all(e, f->fd, f->path, f->waiting, n) : AP_OK;
}

enum ap_code ap_io_append(struct ap_err *e, struct ap_io_file *f, const void *data, size_t size)
{
    ask(AP_IO_APPEND, f->path, NULL, data, size);
    f->size += size;
    if (size > sizeof f->waiting - f->n_waiting)
        AP_TRY(ap_io_append_flush(e, f));
    if (size > sizeof f->waiting || f->fd < 0)
        return write_all(e, f->fd, f->path, data, size);
    if (size > 0)
        memcpy(f->waiting + f->n_waiting, data, size);
    f->n_waiting += size;
    return AP_OK;
}

enum ap_code ap_io_append_sync(struct ap_err *e, struct ap_io_file *f)
{
    AP_TRY(ap_io_append_flush(e, f));
    return sync_file(f->fd, f->path) == 0 || errno == EINVAL ? AP_OK : failed(e, f->path, "sync", NULL);
}

enum ap_code ap_io_append_close(struct ap_err *e, struct ap_io_file *f)
{
    if (f->fd < 0)
        return AP_OK;
    enum ap_code code = ap_io_append_sync(e, f);
    if (close_file(f->fd, f->path) != 0 && code == AP_OK)
        code = failed(e, f->path, "close", NULL);
    f->fd = -1;
    return code;
}
