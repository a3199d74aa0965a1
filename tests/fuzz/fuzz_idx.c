/* IDX files: refused with a reason, or every value can be read. */
#include "fuzz.h"

#include "idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_err *e = fuzz_errors();
    struct ap_idx x;
    char path[128];
    fuzz_write("idx", data, size);
    snprintf(path, sizeof path, "%s/idx", fuzz_folder());
    if (ap_idx_open(e, NULL, path, &x) != AP_OK) {
        fuzz_refused(e);
        return 0;
    }
    volatile unsigned sum = 0;
    for (size_t i = 0; i < x.size; i++)
        sum += x.value[i];
    struct ap_idx_images images;
    struct ap_idx_labels labels;
    if (ap_idx_images(e, NULL, &x, &images) == AP_OK)
        for (size_t i = 0; i < images.n * images.rows * images.cols; i++)
            sum += images.pixel[i];
    else
        fuzz_refused(e);
    if (ap_idx_labels(e, NULL, &x, 10, &labels) == AP_OK)
        for (size_t i = 0; i < labels.n; i++)
            sum += labels.label[i] <= labels.max ? labels.label[i] : (abort(), 0u);
    ap_idx_close(&x);
    return 0;
}
