# CIFAR-10 with 5,000 labels through tools/loop.mk; started by tests/experiments/cifar10.sh.

# ---- what may be chosen (with TUNE=1) -------------------------------------------------------------
SEED       := 1
ITERATIONS := 2
ARCH_0     := resnet20
ARCH_1     := resnet20
ARCH_2     := resnet26

TRAIN_FLAGS   := --lr=0.1 --nesterov --weight-decay=5e-4
# The usual noise of small images, which lets the teacher fit its few labels in the time there is.
TEACHER_FLAGS := --batch=64 --epochs=100 --cutout=4
# A step has 16 labeled rows and RATIO times as many pseudo-labeled ones.
STUDENT_FLAGS   := --batch=16 --randaugment=n1,m9
STUDENT_FLAGS_1 := --epochs=22
STUDENT_FLAGS_2 := --epochs=22
RATIO         := 7
INFER_FLAGS   := --soft
FILTER_FLAGS  := --per-class=4500
# The first student again: same mix, same steps, but clean images and no noise in the net.
NO_NOISE := --randaugment=none --crop=plain --no-flip --dropout=0 --drop-path=0

LABELS         := 5000
HELD_OUT       := 500  # of them, with TUNE=1
CORRUPTED      := 2000 # test images that are corrupted in every way
CORRUPTIONS    := gaussian_noise,gaussian_blur,contrast,brightness,jpeg_compression
SEVERITIES     := 1-5

# ---- data -----------------------------------------------------------------------------------------
LABELED         := $(OUT)/labeled.h5
UNLABELED       := $(OUT)/unlabeled.h5
TEST            := $(OUT)/test.h5
EXTRA_TESTS     := corrupted
TEST_corrupted  := $(OUT)/corrupted.h5
PACK            := $(NST)nst-pack -q --seed=$(SEED)

RUN             := tests/experiments/timed $(OUT)/times

.DEFAULT_GOAL := report
include tools/loop.mk

$(OUT)/all-labeled.h5 $(UNLABELED) &: $(IMAGES)/train
	$(PACK) --take=$(LABELS) --stratify --rest=$(UNLABELED) --hide-rest \
		-o $(OUT)/all-labeled.h5 $(IMAGES)/train

# The images that are measured on: the test set, or some of the labeled ones.
ifdef TUNE
measured := $(OUT)/held
$(OUT)/labeled-images: $(OUT)/all-labeled.h5
	rm -rf $@ && mkdir $@
	$(NST)nst-pack -q -x -C $@ $<
$(LABELED) $(TEST) &: $(OUT)/labeled-images
	$(PACK) --take=$$(($(LABELS) - $(HELD_OUT))) --stratify --rest=$(TEST) -o $(LABELED) $<
$(measured): $(TEST)
	rm -rf $@ && mkdir $@
	$(NST)nst-pack -q -x -C $@ $<
else
measured := $(IMAGES)/test
$(LABELED): $(OUT)/all-labeled.h5
	ln -f $< $@
$(TEST): $(measured)
	$(PACK) -o $@ $<
endif

$(TEST_corrupted): $(measured)
	$(PACK) --take=$(strip $(if $(TUNE),$(HELD_OUT),$(CORRUPTED))) --stratify \
		-o $(OUT)/clean.h5 $<
	$(NST)nst-corrupt -q --seed=$(SEED) --type=$(CORRUPTIONS) --severity=$(SEVERITIES) \
		-o $@ $(OUT)/clean.h5

# ---- the first student without noise --------------------------------------------------------------
$(call settings,nonoise,$(ARCH_1) $(SEED) $(TRAIN_FLAGS) $(STUDENT_FLAGS) $(STUDENT_FLAGS_1) $(NO_NOISE))
$(OUT)/nonoise.h5: $(OUT)/iteration1/mix.h5 $(OUT)/nonoise.flags
	@rm -f $@; for f in $^; do if [ "$$f" -nt $@.ckpt ]; then rm -f $@.ckpt; fi; done
	$(RUN) $(NST)nst-train --resume --seed=$(SEED) --arch=$(ARCH_1) $(TRAIN_FLAGS) $(STUDENT_FLAGS) \
		$(STUDENT_FLAGS_1) $(NO_NOISE) --log=$(OUT)/nonoise.tsv -o $@ $<
$(OUT)/eval-nonoise.json: $(OUT)/nonoise.h5 $(TEST)
	$(RUN) $(NST)nst-eval -q --json -o $@ -m $^
$(OUT)/eval-nonoise-corrupted.json: $(OUT)/nonoise.h5 $(TEST_corrupted)
	$(RUN) $(NST)nst-eval -q --json -o $@ -m $^

# ---- the table ------------------------------------------------------------------------------------
accuracy = $$(sed -n 's/^ *"top1": *\([0-9.eE+-]*\),*$$/\1/p' $(OUT)/eval-$(1).json)
# $(call row,name,model,architecture)
row = awk -v a="$(call accuracy,$(2))" -v b="$(call accuracy,$(2)-corrupted)" \
	'BEGIN { printf "| $(1) | $(3) | %.2f | %.2f |\n", 100 * a, 100 * b }'

.PHONY: report
report: evaluations $(OUT)/eval-nonoise.json $(OUT)/eval-nonoise-corrupted.json
	@{ echo '| model | net | $(if $(TUNE),held-out,test) top-1 [%] | corrupted top-1 [%] |'; \
	echo '|---|---|---|---|'; \
	$(call row,teacher,teacher,$(ARCH_0)); \
	$(foreach k,$(loop.k),$(call row,student $(k),student$(k),$(ARCH_$(k)));) \
	$(call row,student 1 without noise,nonoise,$(ARCH_1)); \
	awk '{ t += $$1 } END { printf "\nTime of all commands: %.0f minutes.\n", t / 60 }' \
		$(OUT)/times; } > $(OUT)/table.md
	@cat $(OUT)/table.md
