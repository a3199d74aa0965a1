/* idx.h: reads IDX files of unsigned bytes, the format of MNIST and its relatives.
 *
 * Layout: bytes 0 0, type (8: unsigned byte), number of dimensions, one big-endian uint32 per dimension, data
 * with the last dimension running fastest. Source: LeCun, Cortes & Burges, the MNIST database page. */
#ifndef AP_IDX_H
#define AP_IDX_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

enum { AP_IDX_DIMS = 4 };

struct ap_idx {
    int n_dims;                 /* 1 ... AP_IDX_DIMS */
    size_t dim[AP_IDX_DIMS];    /* each >= 1; unused ones are 1 */
    size_t size;                /* product of the dimensions */
    const unsigned char *value; /* [size], within bytes */
    char *bytes;                /* the whole file */
    char path[AP_ERR_PATH];
};

/* What most users of a file want. Pointers live as long as the struct ap_idx. */
struct ap_idx_images {
    size_t n, rows, cols;
    const unsigned char *pixel; /* [n][rows][cols], 0 ... 255 */
};
struct ap_idx_labels {
    size_t n;
    unsigned max;               /* the largest label */
    const unsigned char *label; /* [n] */
};

/* Reads and checks the whole file. at: where the circuit file names it, may be NULL. Errors AP_EIO (cannot be
 * read, not an IDX file, damaged) and AP_EMEMORY; *x is then empty. Memory taken: the file's size. */
enum ap_code ap_idx_open(struct ap_err *e, const struct ap_place *at, const char *path, struct ap_idx *x);

/* Frees the memory; x may be empty, or freed already. */
void ap_idx_close(struct ap_idx *x);

/* Views of an open file; AP_EIO when it has another number of dimensions (images 3, labels 1) or a label >=
 * classes (classes 0: any). */
enum ap_code ap_idx_images(struct ap_err *e, const struct ap_place *at, const struct ap_idx *x,
                           struct ap_idx_images *images);
enum ap_code ap_idx_labels(struct ap_err *e, const struct ap_place *at, const struct ap_idx *x,
                           unsigned classes, struct ap_idx_labels *labels);

#endif
