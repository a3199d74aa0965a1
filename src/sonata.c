/* sonata.c: HDF5 files in, HDF5 files out.
 *
 * In:   frames of values, weight matrices, columns; "file:dataset" to read a matrix from.
 * Out:  SONATA reports that libsonata and bmtk read alike, weights, tables; matrices.
 * Invariants:
 *   1. The only file that includes <hdf5.h>. Every return code is checked; HDF5 prints nothing.
 *   2. A file appears under its name only after flush, close and fsync have succeeded: H5Fclose may answer
 *      success after losing data, H5Fflush before it does not.
 *   3. No time stamps and default format bounds: same calls, same bytes.
 *   4. Reports carry what either reader insists on: units as variable-length UTF-8, element_pos always,
 *      n_nodes + 1 index_pointers (libsonata) also linked as index_pointer (bmtk), a stop that bmtk truncates
 *      to the right number of frames, float32 [time][values] in chunks.
 * Never: keeps HDF5 objects open between calls but for the file and its reports' data.
 * Test: tests/unit/test_sonata.c, tests/cli/check_sonata.py */
#include "sonata.h"
#include "io.h"
#include "mem.h"

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME = 96,                /* bytes of a cleaned name */
    CHUNK_VALUES = 64 * 1024, /* about 256 KiB of float32: a chunk fits HDF5's cache of 1 MiB */
    CHUNK_FRAMES = 1024,
};
static const size_t READ_LIMIT = (size_t)1 << 30;

struct report {
    char name[NAME];
    size_t n_values;
    double start, dt;
    uint64_t n_frames;
    hid_t data, mapping;
    float *row; /* [CHUNK_VALUES or n_values if more]: values on their way to float32 */
    size_t row_frames;
};

struct ap_sonata {
    hid_t file;
    char path[AP_ERR_PATH], temporary[AP_ERR_PATH + 32];
    struct report *report;
    int n_reports;
};

/* ---- Errors
 * --------------------------------------------------------------------------------------------------- */

struct reason {
    char text[AP_ERR_TEXT / 2];
    int error; /* errno, if a system call failed */
};

/* The innermost entry of HDF5's error stack says why; of a failed system call it also tells time and addresses. */
static herr_t note_reason(unsigned n, const H5E_error2_t *entry, void *out)
{
    static const char ERRNO[] = "errno = ", SIZE[] = "total write size = ";
    struct reason *r = out;
    if (n > 0 || !entry->desc)
        return 0;
    const char *error = strstr(entry->desc, ERRNO), *size = strstr(entry->desc, SIZE);
    r->error = error ? atoi(error + strlen(ERRNO)) : 0;
    snprintf(r->text, sizeof r->text, "%s", r->error ? strerror(r->error) : entry->desc);
    size_t length = strlen(r->text);
    if (r->error && size)
        snprintf(r->text + length, sizeof r->text - length, ", for %ld bytes", atol(size + strlen(SIZE)));
    return 0;
}

static enum ap_code broken(struct ap_err *e, const struct ap_place *at, const char *path, const char *doing,
                           const char *what)
{
    struct reason reason = {.text = "no reason given"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_reason, &reason);
    return ap_err_add(e, AP_EIO, at, ap_io_hint(reason.error), "%s: cannot %s %s: %s", path, doing, what,
                      reason.text);
}

/* Before all else: HDF5 keeps an error printer per thread; and its clean-up at exit crashes on a file whose
 * last bytes found no room. We close all that we open, so there is nothing for it to clean up. */
static void silence(void)
{
    H5dont_atexit(); /* fails, harmlessly, from the second time on */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* ---- Small pieces: all return false (or a negative id) when HDF5 failed
 * ------------------------------------- */

static bool write_attribute(hid_t object, const char *name, hid_t file_type, hid_t memory_type, hsize_t n,
                            const void *value)
{
    hid_t space = n ? H5Screate_simple(1, &n, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = space >= 0 && attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;
    ok = attribute >= 0 && H5Aclose(attribute) >= 0 && ok;
    return space >= 0 && H5Sclose(space) >= 0 && ok;
}

/* Variable length, UTF-8, scalar: what libsonata's HighFive reads as a string. */
static bool write_text(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    bool ok = type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
              write_attribute(object, name, type, type, 0, &text);
    return type >= 0 && H5Tclose(type) >= 0 && ok;
}

/* Creates a dataset without time stamps; chunk NULL: contiguous; may grow along dimension 0 when chunked. */
static hid_t create_dataset(hid_t parent, const char *name, hid_t type, int rank, const hsize_t *dims,
                            const hsize_t *chunk)
{
    hsize_t most[2] = {chunk ? H5S_UNLIMITED : dims[0], rank > 1 ? dims[1] : 0};
    hid_t space = H5Screate_simple(rank, dims, most), list = H5Pcreate(H5P_DATASET_CREATE), set = -1;
    if (space >= 0 && list >= 0 && H5Pset_obj_track_times(list, false) >= 0 &&
        (!chunk || H5Pset_chunk(list, rank, chunk) >= 0))
        set = H5Dcreate2(parent, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    if (list >= 0)
        H5Pclose(list);
    if (space >= 0)
        H5Sclose(space);
    return set;
}

/* Creates and fills a dataset; the caller closes the id, if it is not negative. */
static hid_t write_dataset(hid_t parent, const char *name, hid_t file_type, hid_t memory_type, int rank,
                           const hsize_t *dims, const void *values)
{
    hid_t set = create_dataset(parent, name, file_type, rank, dims, NULL);
    if (set >= 0 && dims[0] > 0 && H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        H5Dclose(set);
        return -1;
    }
    return set;
}

static bool close_dataset(hid_t set)
{
    return set >= 0 && H5Dclose(set) >= 0;
}

/* Opens a group, making it when it is not there. */
static hid_t group_of(hid_t parent, const char *name)
{
    htri_t there = H5Lexists(parent, name, H5P_DEFAULT);
    if (there < 0)
        return -1;
    return there ? H5Gopen2(parent, name, H5P_DEFAULT)
                 : H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

static enum ap_code clean_name(struct ap_err *e, const char *path, const char *name, char out[NAME])
{
    size_t n = strlen(name);
    if (n == 0 || n >= NAME)
        return ap_err_add(e, AP_EUSAGE, NULL, "choose another name",
                          "%s: the name \"%.40s\" has %zu characters, "
                          "expected 1 to %d",
                          path, name, n, NAME - 1);
    for (size_t i = 0; i <= n; i++) {
        char c = name[i];
        bool kept = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-';
        out[i] = kept || c == 0 ? c : '_';
    }
    return AP_OK;
}

/* ---- Files
 * ---------------------------------------------------------------------------------------------------- */

static bool write_root(hid_t file)
{
    uint32_t magic = 0x0A7A, version[2] = {0, 1};
    return write_attribute(file, "magic", H5T_STD_U32LE, H5T_NATIVE_UINT32, 0, &magic) &&
           write_attribute(file, "version", H5T_STD_U32LE, H5T_NATIVE_UINT32, 2, version);
}

enum ap_code ap_sonata_create(struct ap_err *e, const char *path, struct ap_sonata **out)
{
    *out = NULL;
    silence();
    struct ap_sonata *s = ap_mem_array(e, 1, sizeof *s, "an HDF5 file");
    if (!s)
        return AP_EMEMORY;
    s->file = -1;
    if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path) {
        ap_mem_free(s);
        return ap_err_add(e, AP_EIO, NULL, "choose a shorter path", "%s: the path is too long", path);
    }
    enum ap_code reserved = ap_io_reserve(e, path, s->temporary);
    if (reserved != AP_OK) {
        ap_mem_free(s);
        return reserved;
    }
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    /* strong: whatever an error left open is closed with the file */
    if (creation >= 0 && access >= 0 && H5Pset_obj_track_times(creation, false) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0)
        s->file = H5Fcreate(s->temporary, H5F_ACC_TRUNC, creation, access);
    bool ok = s->file >= 0 && write_root(s->file);
    enum ap_code code = ok ? AP_OK : broken(e, NULL, s->path, "create", "the file");
    if (creation >= 0)
        H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
    if (ok)
        *out = s;
    else
        ap_sonata_discard(s);
    return code;
}

void ap_sonata_discard(struct ap_sonata *s)
{
    if (!s)
        return;
    if (s->file >= 0)
        H5Fclose(s->file);
    if (*s->temporary)
        ap_io_remove(NULL, s->temporary);
    for (int i = 0; i < s->n_reports; i++)
        ap_mem_free(s->report[i].row);
    ap_mem_free(s->report);
    ap_mem_free(s);
}

double ap_sonata_stop(double start, double dt, uint64_t n)
{
    double stop = start + (double)n * dt;
    while (n > 0 && (stop - start) / dt < (double)n) /* a few ulp: each raises the quotient */
        stop = nextafter(stop, (double)INFINITY);
    return stop;
}

static bool finish_report(struct report *r)
{
    double time[3] = {r->start, ap_sonata_stop(r->start, r->dt, r->n_frames), r->dt};
    hid_t set =
        write_dataset(r->mapping, "time", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, (hsize_t[1]){3}, time);
    bool ok = set >= 0 && write_text(set, "units", "ms");
    ok = close_dataset(set) && ok;
    ok = close_dataset(r->data) && ok;
    return H5Gclose(r->mapping) >= 0 && ok;
}

enum ap_code ap_sonata_finish(struct ap_err *e, struct ap_sonata *s)
{
    enum ap_code code = AP_OK;
    silence();
    for (int i = 0; i < s->n_reports && code == AP_OK; i++)
        if (!finish_report(&s->report[i]))
            code = broken(e, NULL, s->path, "complete report", s->report[i].name);
    if (code == AP_OK && H5Fflush(s->file, H5F_SCOPE_GLOBAL) < 0)
        code = broken(e, NULL, s->path, "write", "the last of the file");
    if (code == AP_OK && H5Fclose(s->file) < 0)
        code = broken(e, NULL, s->path, "close", "the file");
    else if (code == AP_OK)
        s->file = -1;
    if (code == AP_OK) {
        code = ap_io_publish(e, s->temporary, s->path);
        *s->temporary = 0; /* somebody else's from here on */
    }
    ap_sonata_discard(s);
    return code;
}

/* ---- Reports
 * -------------------------------------------------------------------------------------------------- */

/* Writes everything of a report that is known before the first frame. Scratch of the mapping: ids[n_nodes],
 * pointers[n_nodes + 1], elements[n_values], positions[n_values]. */
static bool write_mapping(struct report *r, const struct ap_sonata_population *p, hid_t group, uint64_t *ids,
                          uint64_t *pointers, uint32_t *elements, float *positions)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        ids[i] = p->first_node + i;
        pointers[i + 1] = (i + 1) * p->n_elements;
        for (size_t k = 0; k < p->n_elements; k++) {
            elements[i * p->n_elements + k] = p->element_ids[k];
            positions[i * p->n_elements + k] = p->element_pos ? (float)p->element_pos[k] : 0.5f;
        }
    }
    hsize_t nodes = p->n_nodes, more = nodes + 1, values = r->n_values, dims[2] = {0, values};
    hsize_t chunk[2] = {CHUNK_VALUES / values, values < CHUNK_VALUES ? values : CHUNK_VALUES};
    chunk[0] = chunk[0] < 1 ? 1 : chunk[0] > CHUNK_FRAMES ? CHUNK_FRAMES : chunk[0];
    r->data = create_dataset(group, "data", H5T_IEEE_F32LE, 2, dims, chunk);
    r->mapping = group_of(group, "mapping");
    bool ok = r->data >= 0 && r->mapping >= 0 && write_text(r->data, "units", p->unit) &&
              write_text(r->data, "variable", p->variable);
    if (!ok)
        return false;
    hid_t m = r->mapping,
          set = write_dataset(m, "node_ids", H5T_STD_U64LE, H5T_NATIVE_UINT64, 1, &nodes, ids);
    uint8_t sorted = 1;
    ok = set >= 0 && write_attribute(set, "sorted", H5T_STD_U8LE, H5T_NATIVE_UINT8, 0, &sorted);
    ok = close_dataset(set) && ok;
    ok = ok && close_dataset(
                   write_dataset(m, "index_pointers", H5T_STD_U64LE, H5T_NATIVE_UINT64, 1, &more, pointers));
    ok = ok && H5Lcreate_hard(m, "index_pointers", m, "index_pointer", H5P_DEFAULT, H5P_DEFAULT) >= 0;
    ok = ok && close_dataset(
                   write_dataset(m, "element_ids", H5T_STD_U32LE, H5T_NATIVE_UINT32, 1, &values, elements));
    return ok && close_dataset(write_dataset(m, "element_pos", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 1, &values,
                                             positions));
}

static enum ap_code check_population(struct ap_err *e, const struct ap_sonata *s,
                                     const struct ap_sonata_population *p, struct report *r)
{
    AP_TRY(clean_name(e, s->path, p->name, r->name));
    for (int i = 0; i < s->n_reports; i++)
        if (strcmp(s->report[i].name, r->name) == 0)
            return ap_err_add(e, AP_EUSAGE, NULL,
                              "only letters, digits, _ and - are kept; rename one of them",
                              "%s: population %s is already reported as %s", s->path, p->name, r->name);
    if (p->n_nodes < 1 || p->n_elements < 1 || !ap_mem_product(p->n_nodes, p->n_elements, &r->n_values))
        return ap_err_add(e, AP_EUSAGE, NULL, NULL,
                          "%s: population %s has %zu nodes of %zu elements, expected at least 1", s->path,
                          p->name, p->n_nodes, p->n_elements);
    if (!(p->dt > 0.0 && p->dt < (double)INFINITY && fabs(p->start) < (double)INFINITY))
        return ap_err_add(e, AP_EUSAGE, NULL, NULL,
                          "%s: population %s: start %g ms and dt %g ms, expected finite numbers "
                          "and dt > 0",
                          s->path, p->name, p->start, p->dt);
    r->start = p->start;
    r->dt = p->dt;
    return AP_OK;
}

enum ap_code ap_sonata_report(struct ap_err *e, struct ap_sonata *s, const struct ap_sonata_population *p,
                              int *index)
{
    silence();
    struct report r = {.data = -1, .mapping = -1};
    AP_TRY(check_population(e, s, p, &r));
    r.row_frames = CHUNK_VALUES / r.n_values;
    r.row_frames = r.row_frames < 1 ? 1 : r.row_frames;
    uint64_t *ids = ap_mem_array(e, p->n_nodes, sizeof *ids, "node ids");
    uint64_t *pointers = ap_mem_array(e, p->n_nodes + 1, sizeof *pointers, "index pointers");
    uint32_t *elements = ap_mem_array(e, r.n_values, sizeof *elements, "element ids");
    float *positions = ap_mem_array(e, r.n_values, sizeof *positions, "element positions");
    r.row = ap_mem_array(e, r.row_frames * r.n_values, sizeof *r.row, "a block of frames");
    enum ap_code code = AP_EMEMORY;
    void *list = s->report;
    if (ids && pointers && elements && positions && r.row)
        code = ap_mem_grow(e, &list, s->n_reports, s->n_reports + 1, sizeof r, "list of reports");
    s->report = list;
    if (code == AP_OK) {
        hid_t all = group_of(s->file, "report"), group = all >= 0 ? group_of(all, r.name) : -1;
        bool ok = group >= 0 && write_mapping(&r, p, group, ids, pointers, elements, positions);
        if (!ok)
            code = broken(e, NULL, s->path, "write the mapping of", r.name);
        if (group >= 0)
            H5Gclose(group);
        if (all >= 0)
            H5Gclose(all);
    }
    ap_mem_free(ids);
    ap_mem_free(pointers);
    ap_mem_free(elements);
    ap_mem_free(positions);
    if (code == AP_OK) {
        *index = s->n_reports++;
        s->report[*index] = r;
    } else
        ap_mem_free(r.row);
    return code;
}

/* Writes n frames of r->row after those already there. */
static bool append_rows(struct report *r, size_t n)
{
    hsize_t whole[2] = {r->n_frames + n, r->n_values}, from[2] = {r->n_frames, 0},
            count[2] = {n, r->n_values};
    if (H5Dset_extent(r->data, whole) < 0)
        return false;
    hid_t file_space = H5Dget_space(r->data), memory_space = H5Screate_simple(2, count, NULL);
    bool ok = file_space >= 0 && memory_space >= 0 &&
              H5Sselect_hyperslab(file_space, H5S_SELECT_SET, from, NULL, count, NULL) >= 0 &&
              H5Dwrite(r->data, H5T_NATIVE_FLOAT, memory_space, file_space, H5P_DEFAULT, r->row) >= 0;
    if (file_space >= 0)
        H5Sclose(file_space);
    if (memory_space >= 0)
        H5Sclose(memory_space);
    r->n_frames += ok ? n : 0;
    return ok;
}

enum ap_code ap_sonata_append(struct ap_err *e, struct ap_sonata *s, int index, size_t n_frames,
                              const double *values)
{
    silence();
    struct report *r = &s->report[index];
    while (n_frames > 0) {
        size_t n = n_frames < r->row_frames ? n_frames : r->row_frames;
        for (size_t i = 0; i < n * r->n_values; i++)
            r->row[i] = (float)values[i];
        if (!append_rows(r, n))
            return broken(e, NULL, s->path, "write frames of", r->name);
        values += n * r->n_values;
        n_frames -= n;
    }
    return AP_OK;
}

/* ---- Weights and tables
 * ----------------------------------------------------------------------------------------- */

/* Writes float64 values[dims] as parent/group/name with n_texts attributes; refuses a name that is there. */
static enum ap_code write_numbers(struct ap_err *e, struct ap_sonata *s, hid_t parent, const char *group_name,
                                  const char *name, int rank, const hsize_t *dims, const double *values,
                                  const char *const texts[][2], int n_texts)
{
    hid_t group = group_of(parent, group_name);
    if (group < 0)
        return broken(e, NULL, s->path, "make group", group_name);
    enum ap_code code = AP_OK;
    if (H5Lexists(group, name, H5P_DEFAULT) > 0)
        code = ap_err_add(e, AP_EUSAGE, NULL, "only letters, digits, _ and - of names are kept",
                          "%s: %s/%s is already there", s->path, group_name, name);
    else {
        hid_t set = write_dataset(group, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, rank, dims, values);
        bool ok = set >= 0;
        for (int i = 0; i < n_texts && ok; i++)
            ok = write_text(set, texts[i][0], texts[i][1]);
        if (!(close_dataset(set) && ok))
            code = broken(e, NULL, s->path, "write", name);
    }
    H5Gclose(group);
    return code;
}

enum ap_code ap_sonata_weights(struct ap_err *e, struct ap_sonata *s, const struct ap_sonata_projection *p,
                               const char *snapshot, size_t post, size_t pre, const double *w)
{
    silence();
    char group[NAME], name[NAME];
    AP_TRY(clean_name(e, s->path, p->name, group));
    AP_TRY(clean_name(e, s->path, snapshot, name));
    const char *const texts[][2] = {
        {"source", p->source}, {"target", p->target}, {"compartment", p->compartment}, {"unit", p->unit}};
    hid_t all = group_of(s->file, "weights");
    if (all < 0)
        return broken(e, NULL, s->path, "make group", "weights");
    enum ap_code code = write_numbers(e, s, all, group, name, 2, (hsize_t[2]){post, pre}, w, texts, 4);
    H5Gclose(all);
    return code;
}

enum ap_code ap_sonata_column(struct ap_err *e, struct ap_sonata *s, const char *table, const char *column,
                              const char *unit, size_t n, const double *values)
{
    silence();
    char group[NAME], name[NAME];
    AP_TRY(clean_name(e, s->path, table, group));
    AP_TRY(clean_name(e, s->path, column, name));
    const char *const texts[][2] = {{"unit", unit}};
    return write_numbers(e, s, s->file, group, name, 1, (hsize_t[1]){n}, values, texts, 1);
}

enum ap_code ap_sonata_matrix(struct ap_err *e, struct ap_sonata *s, const char *table, const char *column,
                              const char *unit, size_t rows, size_t cols, const double *values)
{
    silence();
    char group[NAME], name[NAME];
    AP_TRY(clean_name(e, s->path, table, group));
    AP_TRY(clean_name(e, s->path, column, name));
    const char *const texts[][2] = {{"unit", unit}};
    return write_numbers(e, s, s->file, group, name, 2, (hsize_t[2]){rows, cols}, values, texts, 1);
}

/* ---- Reading
 * ------------------------------------------------------------------------------------------------------ */

/* Opens a file that lies in memory; HDF5 then touches no file system. */
static hid_t open_image(char *bytes, size_t size)
{
    char name[64]; /* must be no file, and unlike that of another image */
    snprintf(name, sizeof name, "/dev/null/%p", (void *)bytes);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (access >= 0 && H5Pset_fapl_core(access, 1 << 16, false) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 && H5Pset_file_image(access, bytes, size) >= 0)
        file = H5Fopen(name, H5F_ACC_RDONLY, access);
    if (access >= 0)
        H5Pclose(access);
    return file;
}

/* False for a dataset whose values HDF5 would fetch from files that nobody named. */
static bool lies_in_file(hid_t set)
{
    hid_t list = H5Dget_create_plist(set);
    bool ok = list >= 0 && H5Pget_external_count(list) <= 0 && H5Pget_layout(list) != H5D_VIRTUAL;
    return list >= 0 && H5Pclose(list) >= 0 && ok;
}

static enum ap_code read_open(struct ap_err *e, const struct ap_place *at, const char *path, const char *name,
                              hid_t set, size_t rows, size_t cols, double *out)
{
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t dims[2] = {0, 0};
    enum ap_code code = AP_OK;
    if (!lies_in_file(set))
        code = ap_err_add(e, AP_EIO, at, "copy the values into the file",
                          "%s: %s: its values lie in other files", path, name);
    else if (rank != 2)
        code = ap_err_add(e, AP_EIO, at, NULL, "%s: %s: found %d dimensions, expected 2", path, name, rank);
    else if (H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        code = broken(e, at, path, "read the shape of", name);
    else if (dims[0] != rows || dims[1] != cols)
        code = ap_err_add(e, AP_EIO, at,
                          dims[0] == cols && dims[1] == rows
                              ? "rows are postsynaptic: transpose the matrix"
                              : "rows are postsynaptic, columns presynaptic neurons",
                          "%s: %s: found %llu x %llu, expected %zu x %zu", path, name,
                          (unsigned long long)dims[0], (unsigned long long)dims[1], rows, cols);
    else if (H5Tget_class(type) != H5T_FLOAT || (H5Tget_size(type) != 4 && H5Tget_size(type) != 8))
        code = ap_err_add(e, AP_EIO, at, "store 64-bit floats",
                          "%s: %s: found values that are not 32- or 64-bit floats", path, name);
    else if (rows * cols > 0 && H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
        code = broken(e, at, path, "read", name);
    for (size_t i = 0; i < rows * cols && code == AP_OK; i++)
        if (!(fabs(out[i]) < (double)INFINITY))
            code = ap_err_add(e, AP_EIO, at, NULL, "%s: %s: found %g at [%zu][%zu], expected a finite number",
                              path, name, out[i], i / cols, i % cols);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return code;
}

/* True when every step of the path is there and lies in this very file: links to elsewhere are not followed.
 */
static bool is_there(hid_t file, const char *name)
{
    char part[AP_ERR_PATH];
    size_t n = strlen(name);
    for (size_t i = 1; i <= n; i++) {
        if (name[i] != '/' && name[i] != 0)
            continue;
        memcpy(part, name, i);
        part[i] = 0;
        H5L_info_t link;
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0 || H5Lget_info(file, part, &link, H5P_DEFAULT) < 0 ||
            link.type != H5L_TYPE_HARD)
            return false;
    }
    return n > 0 && H5Oexists_by_name(file, name, H5P_DEFAULT) > 0;
}

enum ap_code ap_sonata_read_matrix(struct ap_err *e, const struct ap_place *at, const char *where,
                                   size_t rows, size_t cols, double *out)
{
    silence();
    const char *colon = strrchr(where, ':'), *name = colon ? colon + 1 : "";
    char path[AP_ERR_PATH];
    if (!colon || colon == where || !*name)
        return ap_err_add(e, AP_EUSAGE, at, "for example weights.h5:/weights/up/final",
                          "\"%s\": expected file:dataset", where);
    size_t cells;
    if (strlen(where) >= sizeof path || !ap_mem_product(rows, cols, &cells))
        return ap_err_add(e, AP_EIO, at, "choose a shorter path", "%.60s...: the path is too long", where);
    memcpy(path, where, (size_t)(colon - where));
    path[colon - where] = 0;
    char *bytes;
    size_t size;
    int before = e ? e->n : 0;
    enum ap_code code = ap_io_read(e, path, READ_LIMIT, &bytes, &size);
    for (int i = before; at && e && i < e->n; i++) { /* io.c knows no circuit file */
        snprintf(e->diag[i].file, sizeof e->diag[i].file, "%s", at->file ? at->file : "");
        e->diag[i].line = at->line;
        e->diag[i].col = at->col;
        if (!*e->diag[i].hint)
            snprintf(e->diag[i].hint, sizeof e->diag[i].hint,
                     "paths count from the folder of the circuit file");
    }
    if (code != AP_OK)
        return code;
    hid_t file = size ? open_image(bytes, size) : -1, set = -1;
    ap_mem_free(bytes);
    if (file < 0)
        code = ap_err_add(e, AP_EIO, at, NULL, "%s: not an HDF5 file, or damaged", path);
    else if (!is_there(file, name) || (set = H5Dopen2(file, name, H5P_DEFAULT)) < 0)
        code = ap_err_add(e, AP_EIO, at, "h5ls -r lists what a file holds", "%s: there is no dataset %s",
                          path, name);
    else
        code = read_open(e, at, path, name, set, rows, cols, out);
    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        H5Fclose(file);
    return code;
}
