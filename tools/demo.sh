#!/usr/bin/env bash
# demo.sh: the Noisy Student loop from nothing, in a few minutes; `make demo` builds the tools and
# runs it.  It draws a small image set, trains a teacher on the few labeled images and two students
# on all of them with tools/loop.mk, and compares the three on clean and on corrupted test images.
#
#	SEED=2 make demo             other images, other models
#	make -f demo/Makefile        again, after changing something there
#
# Everything is left under demo/; what is up to date is not done again.
set -eu -o pipefail
cd "$(dirname "$0")/.."

OUT=${OUT:-demo}
SEED=${SEED:-1}
BIN=${NST_BIN:-build/bin}
THREADS=${THREADS:-0}

# ---- the image set: 20 labels a class ----------------------------------------------------------
DRAW="--labeled=200 --unlabeled=5000 --test=2000 --hardness=1 --seed=$SEED"
CORRUPT="--type=all --severity=1-5 --seed=$SEED"

# ---- the loop ----------------------------------------------------------------------------------
mkdir -p "$OUT"
settings() {
	cat <<-END
	# Made by tools/demo.sh; see tools/loop.mk for what can be set.
	OUT        = $OUT
	SEED       = $SEED
	NST        = $BIN/
	THREADS    = $THREADS
	LABELED    = $OUT/images/labeled
	UNLABELED  = $OUT/images/unlabeled
	TEST       = $OUT/images/test
	ITERATIONS = 2

	ARCH_0 = wrn-10-1
	ARCH_1 = wrn-10-2
	ARCH_2 = wrn-10-2
	TRAIN_FLAGS   = --crop=shift --ema=0.99
	TEACHER_FLAGS = --epochs=300 --batch=64 --lr=0.05
	STUDENT_FLAGS = --epochs=90 --batch=16 --lr=0.1 --randaugment=n1,m9 --dropout=0.2
	FILTER_FLAGS  = --min-confidence=0.3 --per-class=500
	RATIO         = 3

	EXTRA_TESTS    = corrupted
	TEST_corrupted = $OUT/corrupted.h5
	include tools/loop.mk

	$OUT/corrupted.h5: $OUT/test.h5
	$(printf '\t')$BIN/nst-corrupt -q $CORRUPT -o \$@ \$<
	END
}
settings > "$OUT/Makefile.new"
cmp -s "$OUT/Makefile.new" "$OUT/Makefile" || cp "$OUT/Makefile.new" "$OUT/Makefile"
rm "$OUT/Makefile.new"

if ! [ "$(cat "$OUT/images/drawn" 2> /dev/null)" = "$DRAW" ]; then
	echo "drawing the images: nst-draw $DRAW"
	rm -rf "$OUT/images"
	# shellcheck disable=SC2086 # words
	"$BIN/nst-draw" -q -o "$OUT/images" $DRAW
	echo "$DRAW" > "$OUT/images/drawn"
fi

# On a terminal training shows a progress bar; elsewhere its log would be hundreds of lines.
started=$SECONDS
make -f "$OUT/Makefile" --no-print-directory QUIET="$([ -t 2 ] || echo -q)" all
echo
make -f "$OUT/Makefile" --no-print-directory --silent table
echo "$((SECONDS - started)) seconds; models, predictions and reports are in $OUT/"
