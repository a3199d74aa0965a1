/* io.h: the one door to files. Every call reports what failed, on which file, with the system's reason,
 * as AP_EIO. */
#ifndef AP_IO_H
#define AP_IO_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* Reads a whole regular file of at most `limit` bytes into *data (freed with ap_mem_free), with a zero byte
 * after the end. */
enum ap_code ap_io_read(struct ap_err *e, const char *path, size_t limit, char **data, size_t *size);

/* The same, but of a longer file only the first `most` bytes. */
enum ap_code ap_io_read_start(struct ap_err *e, const char *path, size_t most, char **data, size_t *size);

/* Writes a file so that it is there whole or not at all: a temporary name of its own, fsync, rename, fsync of the folder.
 */
enum ap_code ap_io_write(struct ap_err *e, const char *path, const void *data, size_t size);

/* The same from several pieces, one after the other. */
struct ap_io_piece {
    const void *data;
    size_t size;
};
enum ap_code ap_io_write_pieces(struct ap_err *e, const char *path, const struct ap_io_piece *piece, int n);

/* For files that a library writes: an empty file under a new name in the folder of `path`; then what it holds is synced
 * and takes the name `path`. The temporary is gone afterwards, whether that succeeded or not. */
enum ap_code ap_io_reserve(struct ap_err *e, const char *path, char temporary[AP_ERR_PATH + 32]);
enum ap_code ap_io_publish(struct ap_err *e, const char *temporary, const char *path);

/* Makes a folder (parents included). */
enum ap_code ap_io_make_folder(struct ap_err *e, const char *path);

/* True when the folder exists and holds anything but temporaries of ours; *exists tells whether it exists. */
bool ap_io_folder_has_entries(const char *path, bool *exists);

/* Removes the temporaries that a killed process left in a folder. Only under its lock. */
void ap_io_sweep(const char *folder);

/* A folder belongs to one process at a time: AP_EIO when another has it. The system unlocks it when the process ends. */
enum ap_code ap_io_lock(struct ap_err *e, const char *folder, int *lock);
void ap_io_unlock(int lock); /* -1: none */

/* Whether something has this name, even if it leads nowhere. */
bool ap_io_exists(const char *path);

/* Removes a file, or a folder that is empty; what is not there is no error. */
enum ap_code ap_io_remove(struct ap_err *e, const char *path);

/* What helps against the errno `error`, for a message; NULL when that is not known. */
const char *ap_io_hint(int error);

/* Joins folder and name into out[size]; AP_EIO when it does not fit. */
enum ap_code ap_io_join(struct ap_err *e, char *out, size_t size, const char *folder, const char *name);

/* A file that is only appended to. */
struct ap_io_file {
    int fd;        /* -1: closed */
    uint64_t size; /* bytes appended so far */
    char path[AP_ERR_PATH];
    size_t
        n_waiting; /* of them, not written yet: small pieces are written together, at the latest when synced or closed */
    char waiting[1 << 15];
};
enum ap_code ap_io_append_open(struct ap_err *e, struct ap_io_file *f, const char *path);
/* An old one, cut to its first `size` bytes. */
enum ap_code ap_io_append_reopen(struct ap_err *e, struct ap_io_file *f, const char *path, uint64_t size);
enum ap_code ap_io_append(struct ap_err *e, struct ap_io_file *f, const void *data, size_t size);
/* What waits is written, for other programs to see; for the next start of the machine to see too. */
enum ap_code ap_io_append_flush(struct ap_err *e, struct ap_io_file *f);
enum ap_code ap_io_append_sync(struct ap_err *e, struct ap_io_file *f);
enum ap_code ap_io_append_close(struct ap_err *e, struct ap_io_file *f);

/* ---- for tests: who watches every system call may let it fail --------------------------------------- */

enum ap_io_call {
    AP_IO_OPEN, /* size: 1 when the file is made */
    AP_IO_STAT,
    AP_IO_READ,
    AP_IO_WRITE,
    AP_IO_SYNC,
    AP_IO_CUT, /* size: what is left */
    AP_IO_CLOSE,
    AP_IO_RENAME, /* to `other` */
    AP_IO_REMOVE,
    AP_IO_FOLDER, /* is made */
    AP_IO_SYNC_FOLDER,
    AP_IO_LOCK,
    AP_IO_LIST,
    AP_IO_APPEND, /* no call: a piece that may wait for one; nothing comes of the answer */
};
struct ap_io_event {
    enum ap_io_call call;
    const char *path, *other;
    const void *data;
    size_t size;
};
enum { AP_IO_GO = 0, AP_IO_PART = -1 };
/* Returns AP_IO_GO, the errno with which the call fails, or AP_IO_PART: only half is read or written. */
typedef int ap_io_watcher(const struct ap_io_event *event);
void ap_io_watch(ap_io_watcher *watcher); /* NULL: nobody */

#endif
