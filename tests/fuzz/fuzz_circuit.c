/* Circuit files: refused with a reason, or accepted; then the explicit form is accepted too and is its own explicit form. */
#include "fuzz.h"

#include "circuit.h"
#include "mem.h"
#include "spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    struct ap_err *e = fuzz_errors();
    struct ap_spec *s = ap_spec_parse("fuzz.yaml", (const char *)data, size, NULL, 0, e);
    if (!s) {
        fuzz_refused(e);
        return 0;
    }
    if (e->n)
        abort();
    const char *text = ap_spec_text(s);
    struct ap_spec *again = ap_spec_parse("fuzz.yaml", text, strlen(text), NULL, 0, e);
    if (!again || strcmp(ap_spec_text(again), text) != 0) {
        fprintf(stderr, "the explicit form is not its own explicit form: %s\n%s\n",
                e->n ? e->diag[0].text : "", text);
        abort();
    }
    struct ap_circuit_size room;
    if (ap_circuit_size(e, s, &room) == AP_OK && room.bytes < 1 << 20) { /* small enough to be built */
        struct ap_circuit *c = ap_circuit_build(e, s);
        if (!c)
            fuzz_refused(e);
        ap_circuit_free(c);
    }
    ap_spec_free(again);
    ap_spec_free(s);
    return 0;
}
