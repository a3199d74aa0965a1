/* checkpoint.h: everything that a run needs to go on as if it had never stopped, in one file with a digest. */
#ifndef AP_CHECKPOINT_H
#define AP_CHECKPOINT_H

#include "sim.h"

enum { AP_CHECKPOINT_VERSION = 2, AP_CHECKPOINT_PROBES = 64, AP_CHECKPOINT_BLOCKS = 256 };

/* Where the loop over the program stands: the next presentation is number k of this place in the program. */
struct ap_checkpoint_loop {
    uint64_t program, k;
    /* of the current pass of a block, for its line on the screen */
    uint64_t shown;
    double sum[AP_CHECKPOINT_PROBES];
    int32_t pass[AP_CHECKPOINT_BLOCKS];
};

/* The two files of a folder take turns, so that one is whole whatever happens to the other. */
struct ap_checkpoint {
    const char *folder;
    int slot; /* the one that is written next: 0 or 1 */
};

/* Syncs the log, then writes a checkpoint that names its length. Only between two presentations. */
enum ap_code ap_checkpoint_write(struct ap_err *e, struct ap_checkpoint *k, struct ap_sim *x,
                                 const struct ap_checkpoint_loop *loop);

/* Restores the state from the newest checkpoint that is whole, of this circuit, its data and this build, and that the log
 * agrees with. found: false when the folder holds none at all. note: what was wrong with the other one, else empty. AP_EIO
 * when there are checkpoints and none can be used; then nothing was restored. */
enum ap_code ap_checkpoint_load(struct ap_err *e, struct ap_checkpoint *k, struct ap_sim *x,
                                struct ap_checkpoint_loop *loop, struct ap_runlog_mark *mark, bool *found,
                                char note[AP_ERR_TEXT]);

/* Removes both. */
enum ap_code ap_checkpoint_remove(struct ap_err *e, const char *folder);

/* Whether bytes are a whole checkpoint: sizes and digest, whatever circuit it is of. For tests. */
bool ap_checkpoint_whole(const char *bytes, size_t size);
/* Gives changed bytes the digest that is right for them; their sizes must fit. For tests. */
void ap_checkpoint_seal(char *bytes, size_t size);

extern const char *const ap_checkpoint_name[2]; /* file names in the folder */

#endif
