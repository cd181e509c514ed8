# loop.mk: the Noisy Student loop for GNU make, to be included by a makefile of a few lines:
#
#	LABELED    = photos/labeled      # directory, one sub-directory a class; or shards
#	UNLABELED  = photos/unlabeled    # directory; or shards
#	TEST       = photos/test         # like LABELED; may be left out
#	ITERATIONS = 2
#	ARCH_0     = resnet20            # the teacher
#	ARCH_1     = resnet26            # first student, teacher of the second
#	ARCH_2     = resnet32
#	include /usr/local/share/nst/loop.mk
#
# `make` then builds teacher.h5, student1.h5 ... and eval-*.json in $(OUT), `make table` prints the
# accuracies.  It may run under -j, may be interrupted (training goes on from its last checkpoint),
# and rebuilds what its inputs, flags or seed changed for, and nothing else.
#
# Every variable below can be set before the include or on the command line.  X_k is X for model k
# alone: 0 the teacher, 1 the first student; without X_k the last smaller number counts for ARCH,
# and X itself for the others.

# ---- what ---------------------------------------------------------------------------------------
LABELED    ?= labeled
UNLABELED  ?= unlabeled
TEST       ?=
# Further test sets: EXTRA_TESTS = dark; TEST_dark = photos/dark
EXTRA_TESTS ?=
ITERATIONS ?= 1
ARCH_0     ?= efficientnet-b0
OUT        ?= loop
SEED       ?= 1

# ---- how ----------------------------------------------------------------------------------------
PACK_FLAGS    ?=
SHARD_SIZE    ?= 256M
TRAIN_FLAGS   ?= # every model
TEACHER_FLAGS ?= # only the teacher
STUDENT_FLAGS ?= # only students; STUDENT_FLAGS_k adds to it
INFER_FLAGS   ?=
FILTER_FLAGS  ?=
# 1: one nst-filter looks at all predictions.  2: statistics and selection shard by shard, for
# collections that are spread over many machines.
FILTER_PASSES ?= 1
RATIO         ?= 1
MIX_FLAGS     ?=
EVAL_FLAGS    ?=

# ---- where --------------------------------------------------------------------------------------
# In front of every command (srun), threads of each, the directory of the tools with a slash, and
# -q where training should not log its epochs.
RUN     ?=
THREADS ?= 0
NST     ?=
QUIET   ?=

# ---- the loop -----------------------------------------------------------------------------------
.DELETE_ON_ERROR:
.PHONY: all models evaluations table FORCE

loop.k     := $(shell seq 1 $(ITERATIONS))
loop.ks    := 0 $(loop.k)
loop.tests := $(if $(TEST),test) $(EXTRA_TESTS)
TEST_test  := $(TEST)

# $(call model,k): teacher, student1, ...
model = $(if $(filter 0,$(1)),teacher,student$(1))
# $(call flags,NAME,k): NAME_k if it is set, else NAME.
flags = $(if $(filter undefined,$(origin $(1)_$(2))),$($(1)),$($(1)_$(2)))

# An architecture holds until the next one is named.
define inherit_arch
ARCH_$(1) ?= $$(ARCH_$(shell expr $(1) - 1))
endef
$(foreach k,$(loop.k),$(eval $(call inherit_arch,$(k))))

all: models evaluations
models: $(foreach k,$(loop.ks),$(OUT)/$(call model,$(k)).h5)

# $(call settings,FILE,TEXT): a file that changes when the text does, so that other flags rebuild.
# It is compared while the makefile is read: a run that has nothing to do stays silent, and
# `make -n` and `make -q` leave the file alone.
loop.dry := $(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS)))
define settings_
$(if $(wildcard $(OUT)),,$(shell mkdir -p $(OUT)))
ifneq ($$(strip $$(file <$(OUT)/$(1).flags)),$$(strip flags: $(2)))
$(if $(loop.dry),$(OUT)/$(1).flags: FORCE ; @:,$$(file >$(OUT)/$(1).flags,$$(strip flags: $(2))))
endif
endef
settings = $(eval $(call settings_,$(1),$(2)))

# Directories are packed, shards are used as they are.  A directory changes when a file comes or
# goes; edits in place are not seen (`touch` the directory).
is_shards = $(if $(strip $(1)),$(if $(filter-out %.h5,$(1)),,yes))
tree      = $(foreach d,$(1),$(if $(wildcard $(d)/.),\
	$(shell find -L $(d) -type d | sed 's/ /\\ /g'),$(d)))

define pack
$(call settings,$(1),$(PACK_FLAGS))
$(OUT)/$(1).h5: $(call tree,$(2)) $(OUT)/$(1).flags
	$(RUN) $(NST)nst-pack -q -j $(THREADS) $(PACK_FLAGS) -o $$@ $(2)
endef
loop.labeled := $(if $(call is_shards,$(LABELED)),$(LABELED),$(OUT)/labeled.h5)
$(if $(call is_shards,$(LABELED)),,$(eval $(call pack,labeled,$(LABELED))))
$(foreach t,$(loop.tests),$(eval loop.shards.$(t) := \
	$(if $(call is_shards,$(TEST_$(t))),$(TEST_$(t)),$(OUT)/$(t).h5)))
$(foreach t,$(loop.tests),$(if $(call is_shards,$(TEST_$(t))),,\
	$(eval $(call pack,$(t),$(TEST_$(t))))))

# How many unlabeled shards there are is known after packing: the list is a makefile of its own,
# which make builds first and reads again.
ifneq ($(call is_shards,$(UNLABELED)),)
loop.unlabeled := $(UNLABELED)
else
$(call settings,unlabeled,$(PACK_FLAGS) $(SHARD_SIZE))
$(OUT)/unlabeled.mk: $(call tree,$(UNLABELED)) $(OUT)/unlabeled.flags
	rm -f $(OUT)/unlabeled-[0-9]*.h5
	$(RUN) $(NST)nst-pack -q -j $(THREADS) $(PACK_FLAGS) --unlabeled \
		--shard-size=$(SHARD_SIZE) -o '$(OUT)/unlabeled-%05d.h5' $(UNLABELED)
	echo loop.unlabeled := $(OUT)/unlabeled-[0-9]*.h5 > $@.new
	mv $@.new $@
include $(OUT)/unlabeled.mk
ifneq ($(words $(loop.unlabeled)),$(words $(wildcard $(loop.unlabeled))))
$(OUT)/unlabeled.mk: FORCE
endif
endif
loop.parts := $(basename $(notdir $(loop.unlabeled)))
ifneq ($(words $(loop.parts)),$(words $(sort $(loop.parts))))
$(error two of the unlabeled shards have the same name)
endif

# Training removes a model that is out of date, so that --resume cannot take it for the result, and
# a checkpoint that is older than its inputs.
define train
	@mkdir -p $$(@D)
	@rm -f $$@; for f in $$^; do if [ "$$$$f" -nt $$@.ckpt ]; then rm -f $$@.ckpt; fi; done
	$(RUN) $(NST)nst-train $(QUIET) -j $(THREADS) --resume --seed=$(SEED) --arch=$(ARCH_$(1)) \
		$(TRAIN_FLAGS) $(2) --log=$$(@:.h5=.tsv) -o $$@ $(3)
endef

define teacher
$(call settings,teacher,$(ARCH_0) $(SEED) $(TRAIN_FLAGS) $(TEACHER_FLAGS))
$(OUT)/teacher.h5: $(loop.labeled) $(OUT)/teacher.flags
$(call train,0,$(TEACHER_FLAGS),$(loop.labeled))
endef

# $(call infer_part,k,part,shard,teacher), $(call filter_part,k,part,all statistics)
define infer_part
$(OUT)/iteration$(1)/prediction-$(2).h5: $(4) $(3) $(OUT)/infer$(1).flags
	@mkdir -p $$(@D)
	$(RUN) $(NST)nst-infer -q -j $(THREADS) $(call flags,INFER_FLAGS,$(1)) -m $(4) -o $$@ $(3)
endef
define filter_part
$(OUT)/iteration$(1)/statistics-$(2).h5: $(OUT)/iteration$(1)/prediction-$(2).h5
	$(RUN) $(NST)nst-filter -q --stats-only -o $$@ $$<
$(OUT)/iteration$(1)/selection-$(2).h5: $(OUT)/iteration$(1)/prediction-$(2).h5 $(3) \
		$(OUT)/filter$(1).flags
	$(RUN) $(NST)nst-filter -q --seed=$(SEED) $(call flags,FILTER_FLAGS,$(1)) \
		$(3:%=--stats=%) -o $$@ $$<
endef
define filter_all
$(OUT)/iteration$(1)/selection.h5: $(2) $(OUT)/filter$(1).flags
	$(RUN) $(NST)nst-filter --seed=$(SEED) $(call flags,FILTER_FLAGS,$(1)) -o $$@ $(2)
endef

# $(call student,k,previous model,prefix of the iteration's files)
define student
$(call settings,infer$(1),$(call flags,INFER_FLAGS,$(1)))
$(call settings,filter$(1),$(FILTER_PASSES) $(SEED) $(call flags,FILTER_FLAGS,$(1)))
$(call settings,mix$(1),$(SEED) $(call flags,RATIO,$(1)) $(call flags,MIX_FLAGS,$(1)))
$(call settings,student$(1),$(ARCH_$(1)) $(SEED) \
	$(TRAIN_FLAGS) $(STUDENT_FLAGS) $(STUDENT_FLAGS_$(1)))
$(foreach s,$(loop.unlabeled),\
	$(eval $(call infer_part,$(1),$(basename $(notdir $(s))),$(s),$(2))))
$(if $(filter 2,$(FILTER_PASSES)),\
$(foreach p,$(loop.parts),$(eval $(call filter_part,$(1),$(p),$(loop.parts:%=$(3)statistics-%.h5)))),\
$(eval $(call filter_all,$(1),$(loop.parts:%=$(3)prediction-%.h5))))
$(eval loop.selected.$(1) := $(if $(filter 2,$(FILTER_PASSES)),\
	$(loop.parts:%=$(3)selection-%.h5),$(3)selection.h5))
$(3)mix.h5: $(loop.labeled) $$(loop.selected.$(1)) $(OUT)/mix$(1).flags
	$(RUN) $(NST)nst-mix -q --seed=$(SEED) $(loop.labeled:%=--labeled=%) \
		--ratio=$(call flags,RATIO,$(1)) $(call flags,MIX_FLAGS,$(1)) -o $$@ $$(loop.selected.$(1))
$(OUT)/student$(1).h5: $(3)mix.h5 $(OUT)/student$(1).flags
$(call train,$(1),$(STUDENT_FLAGS) $(STUDENT_FLAGS_$(1)),$(3)mix.h5)
endef

# $(call evaluate,model,test set,suffix)
define evaluate
evaluations: $(OUT)/eval-$(1)$(3).json
$(OUT)/eval-$(1)$(3).json: $(OUT)/$(1).h5 $(loop.shards.$(2)) $(OUT)/eval.flags
	$(RUN) $(NST)nst-eval -q -j $(THREADS) $(EVAL_FLAGS) --json -o $$@ -m $(OUT)/$(1).h5 \
		$(loop.shards.$(2))
endef

$(call settings,eval,$(EVAL_FLAGS))
$(eval $(teacher))
$(foreach k,$(loop.k),$(eval $(call student,$(k),\
	$(OUT)/$(call model,$(shell expr $(k) - 1)).h5,$(OUT)/iteration$(k)/)))
$(foreach t,$(loop.tests),$(foreach k,$(loop.ks),$(eval \
	$(call evaluate,$(call model,$(k)),$(t),$(if $(filter test,$(t)),,-$(t))))))

teacher: $(OUT)/teacher.h5
$(foreach k,$(loop.k),$(eval student$(k): $(OUT)/student$(k).h5))
.PHONY: teacher $(loop.k:%=student%)

# top1 of every model (rows) on every test set (columns), in percent.
top1 = $$(sed -n 's/^ *"top1": *\([0-9.eE+-]*\),*$$/\1/p' $(1))
table: evaluations
	@printf '%-12s' 'top-1 [%]'; printf '%12s' $(loop.tests); echo
	@$(foreach k,$(loop.ks),printf '%-12s' $(call model,$(k)); $(foreach t,$(loop.tests),\
		awk -v a="$(call top1,$(OUT)/eval-$(call model,$(k))$(if $(filter test,$(t)),,-$(t)).json)" \
		'BEGIN { printf "%12.2f", 100 * a }';) echo;)

FORCE:
