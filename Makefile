# apical: `make run` shows the main job, `make test` checks it all, `make help` lists the rest.
CC      ?= gcc
BUILD   ?= build
MODE    ?= release
PYTHON  ?= /usr/bin/python3
VERSION := 0.1.0

HDF5_CFLAGS := $(shell pkg-config --cflags hdf5-serial 2>/dev/null || echo -I/usr/include/hdf5/serial)
HDF5_LIBS   := $(shell pkg-config --libs hdf5-serial 2>/dev/null || echo -lhdf5_serial)

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wdouble-promotion \
           -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
# The same bits on every CPU: no contraction, no reassociation; fma() is written out where it is meant.
NUMERIC := -ffp-contract=off -fno-fast-math -fno-math-errno
FLAGS.release := -O3 -g
FLAGS.asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DAP_NO_CLONES
FLAGS.tsan    := -O1 -g -fsanitize=thread -DAP_NO_CLONES
FLAGS.coverage := -O1 -fno-inline -g --coverage -DAP_NO_CLONES
CFLAGS  ?=
ALLFLAGS = -std=c11 -D_GNU_SOURCE $(FLAGS.$(MODE)) $(NUMERIC) $(WARN) -fopenmp -MMD -MP \
           -DAP_VERSION='"$(VERSION)"' -DAP_BUILD_FLAGS='"$(strip $(FLAGS.$(MODE)) $(NUMERIC) $(CFLAGS))"' $(HDF5_CFLAGS) $(CFLAGS)
LIBS     = -lsundials_cvodes -lsundials_nvecserial -lpng -lyaml $(HDF5_LIBS) -lxxhash -lm

OBJ     := $(BUILD)/$(MODE)
LIBSRC  := $(filter-out src/main.c $(wildcard src/cmd_*.c),$(wildcard src/*.c))
CMDSRC  := src/main.c $(wildcard src/cmd_*.c)
LIBOBJ  := $(LIBSRC:src/%.c=$(OBJ)/%.o)
CMDOBJ  := $(CMDSRC:src/%.c=$(OBJ)/%.o)
UNIT    := $(patsubst tests/unit/%.c,$(OBJ)/tests/%,$(wildcard tests/unit/test_*.c))
PROPS   := $(patsubst tests/props/%.c,$(OBJ)/tests/%,$(wildcard tests/props/test_*.c))
Q       := $(if $(V),,@)

.PHONY: builds threads mutants endurance generated promises tsan coverage fuzz fuzz-smoke faults kills tests-built all run test data lint asan notebooks plots science bench clean help setup
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OBJ)/apical
	$(Q)mkdir -p $(BUILD) && ln -sf $(MODE)/apical $(BUILD)/apical

$(OBJ)/apical: $(CMDOBJ) $(OBJ)/libapical.a
	$(Q)$(CC) $(ALLFLAGS) $(CMDOBJ) $(OBJ)/libapical.a $(LIBS) -o $@

$(OBJ)/libapical.a: $(LIBOBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OBJ)/%.o: src/%.c Makefile | setup
	$(Q)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -c $< -o $@

$(OBJ)/tests/%: tests/unit/%.c $(OBJ)/libapical.a
	$(Q)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -iquote src -iquote include $< $(OBJ)/libapical.a $(LIBS) -lcmocka -o $@

$(OBJ)/tests/%: tests/props/%.c $(OBJ)/libapical.a
	$(Q)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -iquote src -iquote include $< $(OBJ)/libapical.a $(LIBS) -lcmocka -o $@

run: all          ## the main job: one association, with pictures
	$(Q)$(BUILD)/apical run circuits/association.yaml --out runs/association --overwrite
	$(Q)echo && echo "Open these pictures:" && ls runs/association/*.png

test: all data    ## every quick test; ends in a line "N passed, N failed"
	$(Q)$(MAKE) --no-print-directory MODE=$(MODE) tests-built
	$(Q)OBJ=$(OBJ) APICAL=$(OBJ)/apical PYTHON=$(PYTHON) sh tests/run.sh

FUZZ    := circuit idx runlog checkpoint
REPLAY  := $(FUZZ:%=$(OBJ)/tests/replay_%)
tests-built: $(UNIT) $(PROPS) $(OBJ)/apical $(OBJ)/tests/apical-faults $(REPLAY)

$(OBJ)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c tests/fuzz/fuzz.h $(OBJ)/libapical.a
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -MMD -MP,$(ALLFLAGS)) -iquote src -iquote tests/fuzz $< tests/fuzz/replay.c $(OBJ)/libapical.a $(LIBS) -o $@

# clang's libFuzzer with ASan and UBSan; threads play no part here, so the files that steer OpenMP are left out
FUZZSRC   := $(filter-out src/run.c src/errors.c src/replicates.c,$(LIBSRC))
FUZZFLAGS  = -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(NUMERIC) -DAP_NO_CLONES \
             -DAP_VERSION='"$(VERSION)"' -DAP_BUILD_FLAGS='"fuzz"' $(HDF5_CFLAGS) -Wno-unknown-pragmas -iquote src -iquote tests/fuzz
$(BUILD)/fuzz/%.o: src/%.c Makefile
	$(Q)mkdir -p $(@D) && clang $(FUZZFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(FUZZSRC:src/%.c=$(BUILD)/fuzz/%.o)
	$(Q)clang $(FUZZFLAGS) -fsanitize=fuzzer $< $(FUZZSRC:src/%.c=$(BUILD)/fuzz/%.o) $(LIBS) -o $@
-include $(wildcard $(BUILD)/fuzz/*.d)

fuzz-smoke:       ## libFuzzer, one minute per reader: circuits, IDX, run.log, checkpoints
	$(Q)$(MAKE) --no-print-directory FUZZ_SECONDS=60 fuzz

fuzz:             ## libFuzzer on the four readers, two hours each (FUZZ_SECONDS)
	$(Q)sh .ci/setup.sh fuzz && $(MAKE) --no-print-directory $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)
	$(Q)BUILD=$(BUILD) sh tests/fuzz/run.sh $(or $(FUZZ_SECONDS),7200) $(FUZZ)

$(OBJ)/tests/apical-faults: tests/faults/door.c $(CMDOBJ) $(OBJ)/libapical.a
	$(Q)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -iquote src $< $(CMDOBJ) $(OBJ)/libapical.a $(LIBS) -o $@

tsan:             ## races: shipped circuits with 4 threads under clang's ThreadSanitizer, which knows OpenMP through Archer
	$(Q)sh .ci/setup.sh tsan && $(MAKE) --no-print-directory MODE=tsan CC=clang WARN= build/tsan/apical
	$(Q)sh tests/tsan.sh

coverage: data    ## lines of each file that the quick tests reach, in a table; files that must be reached in full
	$(Q)rm -f $(BUILD)/coverage/*.gcda
	$(Q)$(MAKE) --no-print-directory MODE=coverage test; PYTHON=$(PYTHON) sh tests/coverage.sh

asan: data        ## the whole quick suite under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory MODE=asan test

faults: all       ## every system call and allocation fails or is killed, in turn; ASan watches the memory (half an hour)
	$(Q)$(MAKE) --no-print-directory MODE=release tests-built
	$(Q)$(MAKE) --no-print-directory MODE=asan tests-built
	$(Q)PYTHON=$(PYTHON) sh tests/faults/run.sh faults

kills: all        ## 1,000 kills at random moments and 10,000 power losses
	$(Q)$(MAKE) --no-print-directory MODE=release tests-built
	$(Q)PYTHON=$(PYTHON) sh tests/faults/run.sh kills

builds: data      ## the golden digests from gcc and clang, -O0 to -O3, x86-64-v2 to v4, FMA hidden (half an hour)
	$(Q)sh .ci/setup.sh builds && BUILD=$(BUILD) MAKE="$(MAKE)" sh tests/builds.sh

threads: all data ## every circuit with 1 to 16 threads, and 20 times with 4: not one byte differs
	$(Q)OMP_WAIT_POLICY=passive APICAL=$(OBJ)/apical sh tests/cli/test_threads.sh long $(BUILD)/promises.log

mutants: data     ## 80 wrong lines in the engine and the readers, one at a time: do the tests notice? (half an hour)
	$(Q)MAKE="$(MAKE)" OMP_WAIT_POLICY=passive $(PYTHON) tests/mutants.py $(BUILD)/promises.log

endurance: all    ## a million presentations: memory and open files stay as they are
	$(Q)APICAL=$(OBJ)/apical $(PYTHON) tests/endurance.py $(BUILD)/promises.log

generated: all    ## 10,000 circuit files from a seeded generator: each runs or is refused with a message
	$(Q)OMP_WAIT_POLICY=passive APICAL=$(OBJ)/apical $(PYTHON) tests/generated.py $(BUILD)/promises.log

promises:         ## the table of promises in the README, from the last figures of the tests
	$(Q)sh tests/promises.sh --write $(BUILD)/promises.log

lint:             ## format, include laws, name prefixes, file sizes, complete descriptor rows
	$(Q)PYTHON=$(PYTHON) sh tests/lint.sh

notebooks: all    ## execute the notebooks headless on a fresh run
	$(Q)APICAL=$(OBJ)/apical PYTHON=$(PYTHON) sh tests/notebooks.sh

plots: all data   ## run every shipped circuit in full and refresh plots/ (an hour, most of it mnist)
	$(Q)APICAL=$(OBJ)/apical sh tests/plots.sh

science: all data     ## long checks against published figures (minutes)
	$(Q)APICAL=$(OBJ)/apical PYTHON=$(PYTHON) sh tests/science/run.sh

bench: all data      ## speed of kernels and workloads, in one run
	$(Q)APICAL=$(OBJ)/apical PYTHON=$(PYTHON) sh tests/bench/run.sh

$(OBJ)/tests/bench_%: tests/bench/bench_%.c $(OBJ)/libapical.a
	$(Q)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -iquote src $< $(OBJ)/libapical.a $(LIBS) -o $@

setup:            ## install what is missing (Debian), or say which packages are needed
	$(Q)sh .ci/setup.sh

data:             ## MNIST and Fashion-MNIST into data/
	$(Q)sh .ci/data.sh

clean:            ## remove everything that was built
	$(Q)rm -rf $(BUILD)

help:             ## this list
	$(Q)grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

-include $(wildcard $(OBJ)/*.d $(OBJ)/tests/*.d)
