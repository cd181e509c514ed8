# nst: one non-recursive makefile (GNU make).  `make help` lists the targets, config.mk the knobs.
#
# Rooms are directories.  The list of rooms below says what each may include; it decides what is
# built and `make check-rooms` holds every #include against it.

include config.mk

# ---- rooms ------------------------------------------------------------------------------------
# may.ROOM: rooms it may include, besides itself.  ext.FILE: the foreign headers of that one file,
# and what is denied to its room.
ROOMS := libcore/util libcore/cli libcore/io libcore/par libcore/pixel/kernels libcore/pixel \
	 libcore/image libcore/augment libcore/nn/kernels libcore/nn libcore/select libcore/draw \
	 formats/plugin formats libcore/data libcore/pack

may.libcore/util       :=
may.libcore/cli        := libcore/util
may.libcore/io         := libcore/util
may.libcore/pixel/kernels := libcore/util
may.libcore/pixel      := libcore/pixel/kernels libcore/util
may.libcore/image      := libcore/pixel libcore/util
may.libcore/augment    := libcore/pixel libcore/util
may.libcore/nn/kernels := libcore/util
may.libcore/nn         := libcore/nn/kernels libcore/par libcore/util
may.libcore/select     := libcore/util
may.libcore/draw       := libcore/util
may.libcore/par        := libcore/util
may.formats/plugin     := libcore/util
may.formats            := formats/plugin libcore/io libcore/util
may.libcore/data       := formats libcore/augment libcore/image libcore/io libcore/nn libcore/par \
			  libcore/pixel libcore/select libcore/util
may.libcore/pack       := formats libcore/augment libcore/image libcore/io libcore/par \
			  libcore/pixel libcore/util
may.tools              := $(ROOMS)

ext.libcore/util/hash.c    := xxhash.h
ext.libcore/cli/json.c     := jansson.h
ext.libcore/io/archive.c   := archive.h archive_entry.h
ext.libcore/image/jpeg.c   := turbojpeg.h jpeglib.h stdio.h
ext.libcore/image/pixbuf.c := gdk-pixbuf/gdk-pixbuf.h
ext.libcore/nn/blas.c      := cblas.h
ext.formats/plugin/*       := zstd.h hdf5.h H5PLextern.h
ext.formats/*              := hdf5.h H5FDdevelop.h
ext.formats/safetensors.c  := jansson.h

# Who may print, exit, read the environment (NST_SIMD and TMPDIR besides the edge), use signals and
# clocks; nobody uses the random numbers of libc.  deny.ROOM: headers that would be out of place.
edge := libcore/cli tools
calls.print       := $(edge)
calls.exit        := $(edge)
calls.environment := $(edge) libcore/util libcore/io
calls.signal      := $(edge) libcore/io
calls.clock       := $(edge)
deny.libcore/nn         := stdio.h
deny.libcore/nn/kernels := stdio.h
deny.libcore/augment    := stdio.h time.h
deny.libcore/image      := stdio.h fcntl.h
deny.libcore/pixel      := stdio.h
deny.libcore/pixel/kernels := stdio.h

# ---- flags ------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wundef -fno-common $(if $(DEVELOPER),-Werror)
# No contraction: a * b + c rounds as it is written, on every machine and with every compiler.
BASE := -std=c11 -D_GNU_SOURCE -I. -ffp-contract=off -pthread
SAN  := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
ARCH    := $(firstword $(subst -, ,$(MACHINE)))

simd.avx2   := x86_64
simd.avx512 := x86_64
simd.neon   := aarch64
flags.avx2   := -O3 -mavx2 -mfma
flags.avx512 := -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
flags.bf16   := $(flags.avx512) -mavx512bf16
flags.neon   := -O3
flags.plain  := -O3

# pkg-config is asked once, and only when an answer is needed, so that `make help` or `make clean`
# work on a bare machine.  $(call ask,VARIABLE,--cflags,PACKAGE [OR PACKAGE]) sets VARIABLE.
found = $(firstword $(foreach p,$(1),$(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null && echo $(p))))
ask = $(eval $(1) := $(shell $(PKG_CONFIG) $(2) $(or $(call found,$(3)),$(error \
	'$(firstword $(3))' is not known to $(PKG_CONFIG): run `make deps', or install its \
	development package))))$($(1))

HDF5      ?= hdf5 hdf5-serial
hdf5.c     = $(call ask,hdf5.c,--cflags,$(HDF5))
turbo.c    = $(call ask,turbo.c,--cflags,libturbojpeg) $(call ask,jpeg.c,--cflags,libjpeg)
blas.c     = $(call ask,blas.c,--cflags,openblas)
zstd.c     = $(call ask,zstd.c,--cflags,libzstd)
archive.c  = $(call ask,archive.c,--cflags,libarchive)
jansson.c  = $(call ask,jansson.c,--cflags,jansson)
pixbuf.c   = $(call ask,pixbuf.c,--cflags,gdk-pixbuf-2.0)
xxhash.c   = $(call ask,xxhash.c,--cflags,libxxhash)
cmocka.c   = $(call ask,cmocka.c,--cflags,cmocka)
cmocka.l   = $(call ask,cmocka.l,--libs,cmocka)
plugin.l   = $(call ask,plugin.l,--libs,libzstd)
# The archive holds every room; --as-needed keeps from a tool what it does not call.
libs       = $(foreach p,libturbojpeg libjpeg openblas libzstd libarchive jansson gdk-pixbuf-2.0 \
	       libxxhash,$(call ask,libs.$(p),--libs,$(p))) $(hdf5.l) -lm

# HDF5 as a shared library brings two dozen others along, for files in clouds, which every start of a
# tool waits for.  Its archive is taken where there is one that can be linked without them.
hdf5.shared  = $(call ask,libs.hdf5,--libs,$(HDF5))
hdf5.archive = $(firstword $(wildcard $(patsubst -L%,%/libhdf5.a,$(filter -L%,$(hdf5.shared)))))
hdf5.static  = $(hdf5.archive) -lsz -lz -ldl -lm
hdf5.links   = $(shell mkdir -p $(B); echo 'int H5open(void); int main(void) { return H5open(); }' | \
	         $(CC) $(LDFLAGS) -o $(B)/hdf5.links -x c - -x none $(hdf5.static) 2>/dev/null && echo yes)
hdf5.l       = $(eval hdf5.l := $(if $(and $(filter static,$(HDF5_LINK)),$(hdf5.archive),$(hdf5.links)),\
	         $(hdf5.static),$(hdf5.shared)))$(hdf5.l)

# Objects of different compilers and flags never mix: their directory is named after the flags.
# -Werror is not among them, it changes no code.
SETUP := $(CC) $(MACHINE) $(BASE) $(CPPFLAGS) $(CFLAGS) $(SAN) $(flags.avx2) $(flags.bf16)
comma := ,
B     := $(BUILD)$(if $(SANITIZE),/san-$(subst $(comma),-,$(SANITIZE)))
O     := $(B)/obj-$(firstword $(shell printf '%s' '$(subst ','\'',$(SETUP))' | cksum))

# ---- files ------------------------------------------------------------------------------------
widths := avx2 avx512 neon
SOURCES := $(filter-out $(foreach w,$(widths),$(if $(filter $(simd.$(w)),$(ARCH)),,%_$(w).c)),\
	     $(wildcard $(addsuffix /*.c,$(ROOMS))))
OBJECTS := $(SOURCES:%.c=$(O)/%.o)
TOOLS   := $(patsubst tools/%.c,$(B)/bin/%,$(wildcard tools/nst-*.c))
TESTS   := $(patsubst tests/unit/%.c,$(B)/test/%,$(wildcard tests/unit/test_*.c))
HELPERS := $(patsubst tests/cli/%.c,$(B)/test-cli/%,$(wildcard tests/cli/*.c))
PEERS   := $(patsubst tests/peers/%.c,$(B)/test-peers/%,$(wildcard tests/peers/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
LIB     := $(B)/libnst.a
PLUGIN  := $(B)/lib/libh5znst_zstd.so
COMPLETIONS := $(patsubst $(B)/bin/%,$(B)/completions/%,$(TOOLS))
MANUALS := $(wildcard man/*.1 man/*.5 man/*.7)
VERSION := $(shell sed -n 's/^.define NST_VERSION "\(.*\)"/\1/p' libcore/util/version.h)

# ---- building ---------------------------------------------------------------------------------
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
# V=1 shows commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$@')

.PHONY: all tests fuzzers benches peers
all: $(TOOLS) $(PLUGIN)
tests: $(TESTS) $(HELPERS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)
peers: $(PEERS)

# `make libcore/util` compiles one room; cross compilers need no more than this.
.PHONY: $(ROOMS)
$(foreach r,$(ROOMS),$(eval $(r): $(filter $(O)/$(r)/%,$(OBJECTS))))

COMPILE = $(CC) $(BASE) $(CPPFLAGS) $(WARN) $(CFLAGS) $(SAN) $(EXTRA) -MMD -MP
LINK    = $(CC) $(CFLAGS) $(SAN) -pthread $(LDFLAGS) -Wl,--as-needed

$(O)/%.o: %.c
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -c -o $@ $<

$(O)/libcore/util/hash.o:    EXTRA = $(xxhash.c)
$(O)/libcore/cli/json.o:     EXTRA = $(jansson.c)
$(O)/libcore/cli/help.o:     EXTRA = -DNST_BUILD='"$(subst ",,$(CC) $(CFLAGS) $(SAN))"'
$(O)/libcore/io/archive.o:   EXTRA = $(archive.c)
$(O)/libcore/image/jpeg.o:   EXTRA = $(turbo.c)
$(O)/libcore/image/pixbuf.o: EXTRA = $(pixbuf.c)
# Loops over pixels, which the compiler makes vectors of.
$(O)/libcore/pixel/%.o:      EXTRA = -O3
$(O)/libcore/pixel/kernels/%_avx2.o:   EXTRA = $(flags.avx2)
$(O)/libcore/pixel/kernels/%_avx512.o: EXTRA = $(flags.avx512)
$(O)/libcore/augment/%.o:    EXTRA = -O3
$(O)/libcore/nn/blas.o:      EXTRA = $(blas.c)
$(O)/formats/%.o:            EXTRA = $(hdf5.c)
$(O)/formats/safetensors.o:  EXTRA = $(jansson.c)
$(O)/formats/plugin/%.o:     EXTRA = $(hdf5.c) $(zstd.c)
$(O)/tests/unit/%.o:         EXTRA = $(cmocka.c) $(hdf5.c) $(zstd.c) $(turbo.c)
$(O)/tests/cli/%.o:          EXTRA = $(hdf5.c)
$(O)/tests/peers/%.o:        EXTRA = $(hdf5.c)
$(O)/tests/fuzz/%.o:         EXTRA = $(hdf5.c)
$(O)/libcore/nn/kernels/%_avx2.o:   EXTRA = $(flags.avx2)
$(O)/libcore/nn/kernels/%_avx512.o: EXTRA = $(flags.avx512)
$(O)/libcore/nn/kernels/bf16_avx512.o: EXTRA = $(flags.bf16)
$(O)/libcore/nn/kernels/%_neon.o:   EXTRA = $(flags.neon)
$(O)/libcore/nn/kernels/plain.o:    EXTRA = $(flags.plain)

# Rewritten only when its content changes: other flags or another set of sources relink.
SETTINGS := $(strip $(SETUP) $(LDFLAGS) $(HDF5_LINK) $(SOURCES))
ifneq ($(SETTINGS),$(strip $(file <$(B)/settings)))
$(B)/settings: FORCE
endif
$(B)/settings:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(SETTINGS))' > $@
.PHONY: FORCE
FORCE:

$(LIB): $(OBJECTS) $(B)/settings
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJECTS)

# Never with sanitizers: programs that are not ours load it.
$(PLUGIN): SAN =
$(PLUGIN): formats/plugin/zfilter.c $(B)/settings
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(hdf5.c) $(zstd.c) -fPIC -shared -DNST_PLUGIN $(LDFLAGS) -o $@ $< $(plugin.l)

define program
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $(filter %.o %.a,$^) $(1) $(libs)
endef

$(TOOLS): $(B)/bin/%: $(O)/tools/%.o $(LIB)
	$(call program)
$(TESTS): $(B)/test/%: $(O)/tests/unit/%.o $(LIB)
	$(call program,$(cmocka.l))
# Programs that the shell tests call; tests/cli/lib.sh puts them into PATH.
$(HELPERS): $(B)/test-cli/%: $(O)/tests/cli/%.o $(LIB)
	$(call program,$(cmocka.l))
$(PEERS): $(B)/test-peers/%: $(O)/tests/peers/%.o $(LIB)
	$(call program)
$(FUZZERS): $(B)/fuzz/%: $(O)/tests/fuzz/%.o $(LIB)
	$(call program,$(cmocka.l))
$(BENCHES): $(B)/bench/%: $(O)/tests/bench/%.o $(LIB)
	$(call program)

# ---- testing ----------------------------------------------------------------------------------
# Targets for people first install what the machine lacks (saying so), then call make again, because
# the compiler is looked up when a makefile is read.  Without -j they use all processors.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
deps  = $(Q)CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' PYTHON='$(PYTHON)' tools/deps.sh
again = +$(Q)$(MAKE) --no-print-directory $(JOBS)

.PHONY: deps check check-rooms check-peers bench demo experiments experiments/cifar10
deps:
	$(deps) check

check:
	$(deps) check
	$(again) DEVELOPER=1 run-check

check-rooms: $(B)/rooms.list
	$(Q)tests/rooms $<

check-peers:
	$(deps) peers
	$(again) run-check-peers

bench:
	$(deps) build
	$(again) all benches
	$(Q)NST_BUILD=$(B) tests/bench/run

demo:
	$(deps) build
	$(again) all
	$(Q)NST_BIN=$(abspath $(B)/bin) tools/demo.sh

experiments/cifar10:
	$(deps) build
	$(again) all
	$(Q)NST_BIN=$(abspath $(B)/bin) tests/experiments/cifar10.sh

# All of tests/experiments/paper.sh, or `make experiments/noise` one; MINUTES=45 and the like go with
# them.
experiments:
	$(deps) build
	$(again) all
	$(Q)NST_BIN=$(abspath $(B)/bin) tests/experiments/paper.sh
experiments/%:
	$(deps) build
	$(again) all
	$(Q)NST_BIN=$(abspath $(B)/bin) tests/experiments/paper.sh $*

# T="build/test/test_cli tests/cli/docs.t" runs only these.
.PHONY: run-check run-check-peers
run-check: all tests fuzzers $(B)/rooms.list
	$(Q)tests/run -j $$(nproc) $(B) $(T)
run-check-peers: all peers
	$(Q)PYTHON=$(PYTHON) tests/run -j 1 $(B) $(or $(T),$(filter-out %/tap.py,$(wildcard tests/peers/*.py)))

# The table of rooms as tests/rooms reads it.
rules := $(sort $(filter may.% ext.% deny.% calls.%,$(.VARIABLES)))
$(B)/rooms.list: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach r,$(rules),'$(r) $($(r))') > $@

# ---- texts ------------------------------------------------------------------------------------
.PHONY: man completion
# Put the options of each tool into its manual page.
man: $(TOOLS)
	$(Q)for t in $(notdir $(TOOLS)); do \
		man/options.sh $(B)/bin/$$t man/$$t.1 > man/$$t.1.new && \
		{ cmp -s man/$$t.1.new man/$$t.1 || cp man/$$t.1.new man/$$t.1; } && \
		rm -f man/$$t.1.new || exit 1; done

completion: $(COMPLETIONS)
$(COMPLETIONS): $(B)/completions/%: $(B)/bin/%
	@mkdir -p $(@D)
	$(Q)$< --completion=bash > $@

# ---- installing -------------------------------------------------------------------------------
.PHONY: install uninstall dist clean help
install: all completion
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(DATADIR) $(COMPDIR) $(PLUGINDIR))
	install -m 755 $(TOOLS) $(DESTDIR)$(BINDIR)
	install -m 755 $(PLUGIN) $(DESTDIR)$(PLUGINDIR)
	install -m 644 $(COMPLETIONS) $(DESTDIR)$(COMPDIR)
	install -m 644 tools/loop.mk $(DESTDIR)$(DATADIR)
	for m in $(MANUALS); do \
		install -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m#man/} || exit 1; done

uninstall:
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(notdir $(TOOLS)))
	rm -f $(addprefix $(DESTDIR)$(COMPDIR)/,$(notdir $(TOOLS)))
	rm -f $(DESTDIR)$(PLUGINDIR)/$(notdir $(PLUGIN)) $(DESTDIR)$(DATADIR)/loop.mk
	for m in $(MANUALS); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m#man/} || exit 1; done

dist:
	$(Q)mkdir -p $(BUILD)
	git archive --prefix=nst-$(VERSION)/ --output=$(BUILD)/nst-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(BUILD)

help:
	@echo 'make                 the tools, in build/bin, and the HDF5 plugin'
	@echo 'make check           install what is missing, build, run all tests (T=... some of them)'
	@echo 'make check-rooms     hold every #include against the table of rooms'
	@echo 'make check-peers     compare with PyTorch, Pillow and h5py of the system'
	@echo 'make demo            the whole loop on images drawn on the spot, in demo/'
	@echo 'make bench           measure training and the kernels'
	@echo 'make experiments     the findings of the papers one by one (experiments/NAME one of them)'
	@echo 'make experiments/cifar10    the measured table of the README'
	@echo 'make man             put the options of the tools into the manual pages'
	@echo 'make completion      bash completions, in build/completions'
	@echo 'make install, uninstall     PREFIX, DESTDIR and more: see config.mk'
	@echo 'make deps            only install what building and testing need'
	@echo 'make dist, clean'
	@echo 'SANITIZE=address,undefined, CC=clang, DEVELOPER=1 and V=1 go with all of them.'

-include $(wildcard $(OBJECTS:.o=.d) $(foreach d,tools tests/unit tests/cli tests/peers tests/fuzz \
	tests/bench,$(O)/$(d)/*.d) $(PLUGIN:.so=.d))
