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

/* Writes a file so that it is there whole or not at all: temporary name, fsync, rename. */
enum ap_code ap_io_write(struct ap_err *e, const char *path, const void *data, size_t size);

/* For files that a library writes: what `temporary` holds is synced and takes the name `path`. temporary is gone
 * afterwards, whether that succeeded or not. */
enum ap_code ap_io_publish(struct ap_err *e, const char *temporary, const char *path);

/* Makes a folder (parents included). */
enum ap_code ap_io_make_folder(struct ap_err *e, const char *path);

/* True when the folder exists and holds anything; *exists tells whether it exists. */
bool ap_io_folder_has_entries(const char *path, bool *exists);

/* Removes a file; one that is not there is no error. */
enum ap_code ap_io_remove(struct ap_err *e, const char *path);

/* Joins folder and name into out[size]; AP_EIO when it does not fit. */
enum ap_code ap_io_join(struct ap_err *e, char *out, size_t size, const char *folder, const char *name);

/* A file that is only appended to. */
struct ap_io_file {
    int fd;        /* -1: closed */
    uint64_t size; /* bytes appended so far */
    char path[AP_ERR_PATH];
};
enum ap_code ap_io_append_open(struct ap_err *e, struct ap_io_file *f, const char *path);
enum ap_code ap_io_append(struct ap_err *e, struct ap_io_file *f, const void *data, size_t size);
enum ap_code ap_io_append_close(struct ap_err *e, struct ap_io_file *f);

#endif
