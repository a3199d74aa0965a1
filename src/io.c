/* io.c: the one door to files.
 *
 * In:   paths and bytes.
 * Out:  files on disk, or AP_EIO with the path and the system's reason.
 * Invariants:
 *   1. A file written by ap_io_write is whole or absent: temporary name, fsync, rename, fsync of the folder.
 *   2. Short writes and EINTR are continued; every close and fsync is checked.
 *   3. Only regular files are read, so a FIFO or a device cannot hang the program.
 * Never: deletes what it was not told to delete.
 * Test: tests/unit/test_io.c */
#include "io.h"
#include "mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ap_code failed(struct ap_err *e, const char *path, const char *doing, const char *hint)
{
    return ap_err_add(e, AP_EIO, NULL, hint, "%s: cannot %s: %s", path, doing, strerror(errno));
}

enum ap_code ap_io_read(struct ap_err *e, const char *path, size_t limit, char **data, size_t *size)
{
    *data = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed(e, path, "open", NULL);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        enum ap_code code = failed(e, path, "stat", NULL);
        close(fd);
        return code;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return ap_err_add(e, AP_EIO, NULL, "name a regular file", "%s: not a regular file", path);
    }
    if ((uintmax_t)st.st_size > limit) {
        close(fd);
        return ap_err_add(e, AP_EIO, NULL, NULL, "%s: has %jd bytes, the limit is %zu", path,
                          (intmax_t)st.st_size, limit);
    }
    size_t n = (size_t)st.st_size;
    char *bytes = ap_mem_array(e, n + 1, 1, path);
    if (!bytes) {
        close(fd);
        return AP_EMEMORY;
    }
    size_t got = 0;
    while (got < n) {
        ssize_t k = read(fd, bytes + got, n - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            enum ap_code code = failed(e, path, "read", NULL);
            ap_mem_free(bytes);
            close(fd);
            return code;
        }
        if (k == 0)
            break;
        got += (size_t)k;
    }
    close(fd);
    bytes[got] = 0;
    *data = bytes;
    *size = got;
    return AP_OK;
}

static enum ap_code write_all(struct ap_err *e, int fd, const char *path, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t k = write(fd, p, size);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return ap_err_add(e, AP_EIO, NULL, errno == ENOSPC ? "free some space and run again" : NULL,
                              "%s: cannot write the last %zu bytes: %s", path, size, strerror(errno));
        p += k;
        size -= (size_t)k;
    }
    return AP_OK;
}

static void sync_folder_of(const char *path)
{
    char folder[AP_ERR_PATH + 8];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    int fd = open(slash ? (*folder ? folder : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems refuse to sync a folder; the rename itself is still atomic */
        close(fd);
    }
}

enum ap_code ap_io_write(struct ap_err *e, const char *path, const void *data, size_t size)
{
    char temporary[AP_ERR_PATH + 8];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%s: the path is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return failed(e, temporary, "create", NULL);
    enum ap_code code = write_all(e, fd, temporary, data, size);
    if (code == AP_OK && fsync(fd) != 0)
        code = failed(e, temporary, "sync", NULL);
    if (close(fd) != 0 && code == AP_OK)
        code = failed(e, temporary, "close", NULL);
    if (code == AP_OK && rename(temporary, path) != 0)
        code = failed(e, path, "rename to", NULL);
    if (code != AP_OK)
        unlink(temporary);
    else
        sync_folder_of(path);
    return code;
}

enum ap_code ap_io_publish(struct ap_err *e, const char *temporary, const char *path)
{
    int fd = open(temporary, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return failed(e, temporary, "open again", NULL);
    enum ap_code code = AP_OK;
    if (fsync(fd) != 0)
        code = failed(e, temporary, "sync", NULL);
    if (close(fd) != 0 && code == AP_OK)
        code = failed(e, temporary, "close", NULL);
    if (code == AP_OK && rename(temporary, path) != 0)
        code = failed(e, path, "rename to", NULL);
    if (code != AP_OK)
        unlink(temporary);
    else
        sync_folder_of(path);
    return code;
}

enum ap_code ap_io_make_folder(struct ap_err *e, const char *path)
{
    char part[AP_ERR_PATH];
    if (!*path)
        return ap_err_add(e, AP_EIO, NULL, "choose a folder with --out", "the name of the folder is empty");
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%s: the path is too long", path);
    for (char *c = part + 1; *c; c++)
        if (*c == '/') {
            *c = 0;
            if (mkdir(part, 0777) != 0 && errno != EEXIST)
                return failed(e, part, "make the folder", "choose another folder with --out");
            *c = '/';
        }
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
        return failed(e, part, "make the folder", "choose another folder with --out");
    struct stat st;
    if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))
        return ap_err_add(e, AP_EIO, NULL, "choose another folder with --out",
                          "%s: is there and is not a folder", path);
    return AP_OK;
}

bool ap_io_folder_has_entries(const char *path, bool *exists)
{
    DIR *d = opendir(path);
    *exists = d != NULL;
    if (!d) /* what cannot be listed is taken for full; what is no folder is reported when one is made */
        return errno != ENOENT && errno != ENOTDIR;
    bool any = false;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            any = true;
    closedir(d);
    return any;
}

enum ap_code ap_io_remove(struct ap_err *e, const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return failed(e, path, "remove", NULL);
    return AP_OK;
}

enum ap_code ap_io_join(struct ap_err *e, char *out, size_t size, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    const char *between = n && folder[n - 1] != '/' ? "/" : "";
    if (snprintf(out, size, "%s%s%s", folder, between, name) >= (int)size)
        return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%s: the path is too long", folder);
    return AP_OK;
}

enum ap_code ap_io_append_open(struct ap_err *e, struct ap_io_file *f, const char *path)
{
    f->fd = -1;
    f->size = 0;
    if (snprintf(f->path, sizeof f->path, "%s", path) >= (int)sizeof f->path)
        return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%s: the path is too long", path);
    f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    return f->fd < 0 ? failed(e, path, "create", NULL) : AP_OK;
}

enum ap_code ap_io_append(struct ap_err *e, struct ap_io_file *f, const void *data, size_t size)
{
    AP_TRY(write_all(e, f->fd, f->path, data, size));
    f->size += size;
    return AP_OK;
}

enum ap_code ap_io_append_close(struct ap_err *e, struct ap_io_file *f)
{
    if (f->fd < 0)
        return AP_OK;
    enum ap_code code = AP_OK;
    if (fdatasync(f->fd) != 0 && errno != EINVAL)
        code = failed(e, f->path, "sync", NULL);
    if (close(f->fd) != 0 && code == AP_OK)
        code = failed(e, f->path, "close", NULL);
    f->fd = -1;
    return code;
}
