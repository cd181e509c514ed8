#!/bin/sh
# The findings of Noisy Student and of Rethinking Pre-training and Self-training one by one, on
# CIFAR-10 with few labels, for `make experiments`.
#
#	paper.sh [EXPERIMENT ...]
#
# Each experiment is a function below: for every seed it trains some models, which differ in one
# thing.  What is finished stays and is never run again, training goes on from its last checkpoint:
# run it again after a break.  Several seeds are at work side by side, each on its share of the
# processors; on two that was 0.96 to 1.16 times as fast as one after the other on both.  When the last
# seed of an experiment is done its table is printed and written to $RESULTS/EXPERIMENT.md: means over
# seeds with 95 % confidence intervals, what the paper says, what the differences say, and the commands;
# $RESULTS/README.md has what all of them say.  Nothing is chosen by looking at the test images.
#
# The kernels and the matrix products of OpenBLAS are kept to one kind, so that results should be those
# of any x86-64 processor with AVX2, to the digit; that was seen on one type of them.
#
#	SEEDS='1 2 3'  labeled images, initial weights and noise of each run
#	JOBS=N         so many side by side; as many as there are processors
#	MINUTES=45     stop after so long, in the middle of trainings if need be; 0 goes on to the end
#	SHORT=1        a few steps on drawn images, to see that everything works
#	OUT=DIR        where everything is kept, experiments/paper
#	RESULTS=DIR    where the tables go, tests/experiments/results (OUT with SHORT=1)
#	CIFAR10=FILE   see images.sh
#	NST_BIN=DIR    the tools, build/bin
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
PATH=${NST_BIN:-$top/build/bin}:$PATH
SHORT=${SHORT:-}
SEEDS=${SEEDS:-1 2 3}
MINUTES=${MINUTES:-0}
JOBS=${JOBS:-$(nproc)}
OUT=${OUT:-experiments/paper${SHORT:+-short}}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
RESULTS=${RESULTS:-$(if [ "$SHORT" ]; then echo "$OUT"; else echo "$top/tests/experiments/results"; fi)}
mkdir -p "$RESULTS"
RESULTS=$(cd "$RESULTS" && pwd)
unpacked=$OUT/images
NST_SIMD=avx2 OPENBLAS_CORETYPE=Haswell
NST_THREADS=$((($(nproc) + JOBS - 1) / JOBS))
started=${started:-$(date +%s)}
export PATH NST_SIMD OPENBLAS_CORETYPE NST_THREADS SHORT SEEDS MINUTES JOBS OUT RESULTS started

. tests/experiments/images.sh

# ---- sizes ----------------------------------------------------------------------------------------
# Chosen on 5,000 training images that no experiment uses as a test, with seed 9: a small net at half
# the resolution, which 2,000 labels cannot fill, and noise under which it still learns in so few
# steps.
LABELS=2000 # of the 50,000 training images; the others are unlabeled
EACH=4800   # unlabeled images of a class, where classes are balanced
BAND=3000   # images of a band of confidence
STEPS=2250  # of a student, of 16 labeled and 112 pseudo-labeled images
TEACHER=80  # epochs of a teacher, of 64 labeled images a step
TASK="airplane automobile bird cat deer" # half of the classes, where the other half is foreign
OTHERS="dog frog horse ship truck"
OTHER_TASK=25000 # training images of these
if [ "$SHORT" ]; then
	LABELS=100 EACH=12 BAND=40 STEPS=8 TEACHER=1
	TASK="arrow crescent cross disc drop"
	OTHERS="heart ring square star triangle" OTHER_TASK=150
fi
HALF=$((LABELS / 2)) # labels of half of the classes

SIZE=--size=16
ARCH="--arch=wrn-16-1 $SIZE"
NOISE="--dropout=0.1 --drop-path=0.05 --randaugment=n1,m5,form=mono"
KEEP="--min-confidence=$(if [ "$SHORT" ]; then echo 0; else echo 0.3; fi) --per-class=$EACH"

# Epochs of $2 labeled images that make $1 steps of $3.
epochs() {
	awk -v steps="$1" -v rows="$2" -v batch="$3" 'BEGIN { printf "%.6g", steps * batch / rows }'
}
FULL=$(epochs $STEPS $LABELS 16)

# ---- running --------------------------------------------------------------------------------------
seconds_left() {
	echo $((started + MINUTES * 60 - $(date +%s)))
}

out_of_time() {
	echo "$MINUTES minutes are over: run it again to go on" >&2
	exit 3
}

# make FILE COMMAND...: run it, unless FILE is there and was made by the same command.  Experiments
# share files of a seed: who comes second waits.
make() {
	exec 9> ".$1.lock"
	flock 9
	make_locked "$@"
	exec 9>&-
}

make_locked() {
	file=$1
	shift
	printf '%s\n' "$*" >> "commands-$experiment"
	if [ "$(cat "$file.command" 2> /dev/null)" != "$*" ]; then
		rm -f "$file" "$file.ckpt"
	elif [ -e "$file" ]; then
		return
	fi
	printf '%s\n' "$*" > "$file.command"
	echo "$experiment, seed $seed: $file"
	if [ "$MINUTES" -gt 0 ]; then
		[ "$(seconds_left)" -gt 0 ] || out_of_time
		status=0
		timeout "$(seconds_left)" "$@" 9>&- || status=$?
		[ $status -ne 124 ] || out_of_time
		[ $status -eq 0 ] || die "$file: status $status"
	else
		"$@" 9>&-
	fi
}

# train MODEL INPUT... OPTION...: a model, and its accuracy on the test images in MODEL.json.
train() {
	model=$1
	shift
	make "$model.h5" nst-train -q --no-provenance --resume --seed="$seed" --lr=0.1 "$@" \
		-o "$model.h5"
	make "$model.json" nst-eval -q --json -o "$model.json" -m "$model.h5" "$test"
}

# teacher MODEL LABELED OPTION...: trained on labels alone, with the usual noise of small images.
teacher() {
	name=$1
	labeled=$2
	shift 2
	train "$name" $ARCH --batch=64 --epochs=$TEACHER "$@" "$labeled"
}

# student MODEL MIX OPTION...
student() {
	name=$1
	mix=$2
	shift 2
	train "$name" $ARCH --batch=16 --epochs="$FULL" $NOISE "$@" "$mix"
}

# label NAME MODEL SHARD OPTION..., keep NAME PREDICTION OPTION..., mix NAME LABELED SELECTION OPTION...
label() {
	name=$1
	model=$2
	shift 2
	make "$name.h5" nst-infer -q --no-provenance -o "$name.h5" -m "$model.h5" "$@"
}
keep() {
	name=$1
	from=$2
	shift 2
	make "$name.h5" nst-filter -q --no-provenance --seed="$seed" "$@" -o "$name.h5" "$from.h5"
}
mix() {
	name=$1
	labeled=$2
	from=$3
	shift 3
	make "$name.h5" nst-mix -q --no-provenance --seed="$seed" --labeled="$labeled" "$@" \
		-o "$name.h5" "$from.h5"
}

# ---- data -----------------------------------------------------------------------------------------
test=../test.h5

# A threshold; none where drawn images leave the teacher unsure of everything.
least() {
	if [ "$SHORT" ]; then echo 0; else echo "$1"; fi
}

# What all experiments share, for a seed: labels, teacher, its predictions, the usual mix.
common() {
	make labeled.h5 nst-pack -q --no-provenance --seed="$seed" --take=$LABELS --stratify \
		--rest=unlabeled.h5 --hide-rest -o labeled.h5 ../images/train
	teacher teacher labeled.h5
	label labels teacher unlabeled.h5
	keep kept labels $KEEP
	mix usual-mix labeled.h5 kept --ratio=7
}

# Images of some classes: split DIR CLASS...
split() {
	mkdir -p "$OUT/$1"
	for part in train test; do
		mkdir -p "$OUT/$1/$part"
		for class in $2; do
			[ -e "$OUT/$1/$part/$class" ] ||
				ln -s "../../images/$part/$class" "$OUT/$1/$part/$class" || :
		done
	done
}

# ---- the experiments ------------------------------------------------------------------------------
# arms NAME...: the models of the table, in its order.  claim A B SENTENCE: by the paper A is more
# accurate than B; both may be several models joined by plus signs, of which the mean counts.
arms() {
	printf '%s\n' "$@" > "arms-$experiment"
}
claim() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "claims-$experiment"
}

about_noise="Noise on the pseudo-labeled part (Noisy Student, table 6)"
noise() {
	common
	student usual usual-mix.h5
	student no-augment usual-mix.h5 --pseudo-noise=no-augment
	student no-noise usual-mix.h5 --pseudo-noise=none
	label noised-labels teacher unlabeled.h5 --noise --seed="$seed" --dropout=0.1 \
		--drop-path=0.05 --randaugment=n1,m5,form=mono
	keep noised-kept noised-labels $KEEP
	mix noised-mix labeled.h5 noised-kept --ratio=7
	student noised-teacher noised-mix.h5
	arms teacher usual no-augment no-noise noised-teacher
	claim usual teacher "a noisy student is better than its teacher"
	claim usual no-augment "without augmentation of the pseudo-labeled images it is worse"
	claim no-augment no-noise "without any noise worse still"
	claim usual noised-teacher "noise in the teacher harms"
}

about_labels="Soft, hard, and hard and smoothed pseudo labels by confidence of the teacher"
labels() {
	common
	arms=teacher
	for band in 0-0.5 0.5-0.8 0.8-0.95 0.95-1; do
		keep "band-$band" labels --min-confidence="$(least "${band%-*}")" \
			--max-confidence="$(if [ "$SHORT" ]; then echo 1; else echo "${band#*-}"; fi)"
		mix "soft-$band-mix" labeled.h5 "band-$band" --ratio=7 --take-pseudo=$BAND
		mix "hard-$band-mix" labeled.h5 "band-$band" --ratio=7 --take-pseudo=$BAND --hard
		student "soft-$band" "soft-$band-mix.h5"
		student "hard-$band" "hard-$band-mix.h5" --no-smooth-pseudo
		student "smooth-$band" "hard-$band-mix.h5"
		arms="$arms soft-$band hard-$band smooth-$band"
	done
	arms $arms
	claim soft-0-0.5 hard-0-0.5 "soft labels are better where the teacher is unsure"
	claim soft-0.5-0.8 hard-0.5-0.8 "and still at medium confidence"
	claim soft-0-0.5 teacher "soft labels do not harm even there"
	claim teacher hard-0-0.5 "hard ones do"
}

about_filter="Threshold and balance of the classes (section 3.1 and finding 5)"
filter() {
	common
	student usual usual-mix.h5
	arms="teacher usual"
	for above in 0 0.5 0.8 0.95; do
		keep "above-$above-kept" labels --min-confidence="$(least $above)" --per-class=$EACH
		mix "above-$above-mix" labeled.h5 "above-$above-kept" --ratio=7
		student "above-$above" "above-$above-mix.h5"
		keep "unbalanced-$above-kept" labels --min-confidence="$(least $above)"
		mix "unbalanced-$above-mix" labeled.h5 "unbalanced-$above-kept" --ratio=7
		student "unbalanced-$above" "unbalanced-$above-mix.h5"
		arms="$arms above-$above unbalanced-$above"
	done
	arms $arms
	claim usual above-0 "dropping what the teacher is unsure of helps"
	claim usual above-0.95 "dropping nearly all does not"
	claim above-0 unbalanced-0 "balance helps without a threshold"
	claim above-0.8 unbalanced-0.8 "and with a high one, which some classes rarely reach"
}

about_ratio="Pseudo-labeled images for each labeled one in a step (finding 7)"
ratio() {
	common
	for ratio in 1 3 5 7; do
		student "ratio-$ratio" usual-mix.h5 --ratio=$ratio
	done
	arms teacher ratio-1 ratio-3 ratio-5 ratio-7
	claim ratio-3 ratio-1 "a ratio of 3 is better than one of 1"
	claim ratio-7 ratio-3 "and a larger one better still"
}

about_size="Size of the student (finding 4)"
size() {
	common
	student usual usual-mix.h5
	for arch in resnet20 resnet32; do
		train "student-$arch" --arch=$arch $SIZE --batch=16 --epochs="$FULL" $NOISE usual-mix.h5
		train "alone-$arch" --arch=$arch $SIZE --batch=64 --epochs=$TEACHER labeled.h5
	done
	arms teacher usual alone-resnet20 student-resnet20 alone-resnet32 student-resnet32
	claim student-resnet20 usual "a larger student of the same teacher is better"
	claim student-resnet32 student-resnet20 "and a larger one better still"
	claim student-resnet32 alone-resnet32 "better than the larger net on labels alone"
}

about_joint="Joint training, or pre-training on pseudo labels and fine-tuning (finding 6)"
joint() {
	common
	student usual usual-mix.h5
	make pseudo.h5 nst-mix -q --no-provenance --seed="$seed" -o pseudo.h5 kept.h5
	rows=$(nst-train -q $ARCH --dry-run pseudo.h5 |
		sed -n 's/^rows: .* \([0-9]*\) pseudo-labeled.*/\1/p')
	train pretrained $ARCH --batch=112 --epochs="$(epochs $STEPS "$rows" 112)" $NOISE pseudo.h5
	train fine-tuned $ARCH --batch=16 --epochs="$FULL" $NOISE --lr=0.02 --init=pretrained.h5 \
		labeled.h5
	arms teacher usual pretrained fine-tuned
	claim usual fine-tuned "joint training is better than pre-training and fine-tuning"
	claim fine-tuned pretrained "fine-tuning is needed"
	claim fine-tuned teacher "both beat labels alone"
}

about_init="A student from scratch or from the teacher's weights (finding 8)"
init() {
	common
	student usual usual-mix.h5
	arms="teacher usual"
	for part in 1 2 4 8; do
		student "warm-1-$part" usual-mix.h5 --init=teacher.h5 \
			--epochs="$(epochs $((STEPS / part)) $LABELS 16)"
		arms="$arms warm-1-$part"
	done
	for part in 2 8; do
		student "scratch-1-$part" usual-mix.h5 --epochs="$(epochs $((STEPS / part)) $LABELS 16)"
		arms="$arms scratch-1-$part"
	done
	arms $arms
	claim warm-1-8 scratch-1-8 "a warm start pays in a short training"
	claim usual warm-1-1 "from scratch is better in a long one"
	claim warm-1-1 warm-1-8 "a warm start needs many epochs, too"
}

about_amount="How much unlabeled data (finding 2)"
amount() {
	common
	student usual usual-mix.h5
	arms=teacher
	for part in 32 8 2; do
		mix "part-$part-mix" labeled.h5 kept --ratio=7 --take-pseudo=$((10 * EACH / part))
		student "part-1-$part" "part-$part-mix.h5"
		arms="$arms part-1-$part"
	done
	arms $arms usual
	claim part-1-8 part-1-32 "more is better: an eighth than a thirty-second"
	claim part-1-2 part-1-8 "a half than an eighth"
	claim usual part-1-2 "all than a half"
}

about_ood="Unlabeled images of foreign classes (finding 3)"
ood() {
	split task "$TASK"
	split others "$OTHERS"
	test=task-test.h5
	make task-test.h5 nst-pack -q --no-provenance -o task-test.h5 ../task/test
	make task-labeled.h5 nst-pack -q --no-provenance --seed="$seed" --take=$HALF --stratify \
		--rest=task-unlabeled.h5 --hide-rest -o task-labeled.h5 ../task/train
	make foreign.h5 nst-pack -q --no-provenance --seed="$seed" --unlabeled \
		--take=$((5 * EACH)) -o foreign.h5 ../others/train
	teacher task-teacher task-labeled.h5 --batch=32
	label task-labels task-teacher task-unlabeled.h5
	label both-labels task-teacher task-unlabeled.h5 foreign.h5
	arms=task-teacher
	for data in task both; do
		for above in 0 0.8; do
			keep "$data-$above" $data-labels --min-confidence="$(least $above)"
			mix "$data-$above-soft-mix" task-labeled.h5 "$data-$above" --ratio=7
			mix "$data-$above-hard-mix" task-labeled.h5 "$data-$above" --ratio=7 --hard
			for kind in soft hard; do
				student "$data-$above-$kind" "$data-$above-$kind-mix.h5" \
					--epochs="$(epochs $STEPS $HALF 16)"
				arms="$arms $data-$above-$kind"
			done
		done
	done
	test=../test.h5
	arms $arms
	claim both-0-soft both-0-hard "soft labels are better with foreign images"
	claim both-0.8-soft both-0-soft "a threshold helps there"
	claim task-0-soft both-0-soft "foreign images harm"
	claim both-0-soft task-teacher "even so the student is better than its teacher"
}

about_iterations="Students as teachers (section 4, iterative training)"
iterations() {
	common
	student usual usual-mix.h5
	last=usual
	for number in 2 3; do
		label "labels-$number" $last unlabeled.h5
		keep "kept-$number" "labels-$number" $KEEP
		mix "mix-$number" labeled.h5 "kept-$number" --ratio=7
		student "student-$number" "mix-$number.h5"
		last=student-$number
	done
	arms teacher usual student-2 student-3
	claim usual teacher "the first student is better than the teacher"
	claim student-2 usual "the second than the first"
	claim student-3 student-2 "the third than the second"
}

about_rethinking="Pre-training against self-training (Rethinking, tables 2 and 3)"
rethinking() {
	split task "$TASK"
	split others "$OTHERS"
	test=task-test.h5
	make task-test.h5 nst-pack -q --no-provenance -o task-test.h5 ../task/test
	make others.h5 nst-pack -q --no-provenance -o others.h5 ../others/train
	make other-task.h5 nst-train -q --no-provenance --resume --seed="$seed" --lr=0.1 $ARCH \
		--batch=64 --epochs="$(epochs $((2 * STEPS)) $OTHER_TASK 64)" -o other-task.h5 others.h5
	arms=
	for percent in 20 50 100; do
		rows=$((LABELS * percent / 100))
		make "labeled-$percent.h5" nst-pack -q --no-provenance --seed="$seed" --take=$rows \
			--stratify --rest="rest-$percent.h5" --hide-rest -o "labeled-$percent.h5" \
			../task/train
		for strength in 1 2 3 4; do
			case $strength in
			1) augment="" ;;
			2) augment="--autoaugment=v0" ;;
			3) augment="--autoaugment=v0 --crop=resized" ;;
			4) augment="--randaugment=n2,m10,form=mono --crop=resized" ;;
			esac
			cell=S$strength-$percent
			plain="$ARCH $augment --batch=64 --epochs=$(epochs $((STEPS * 3 / 4)) $rows 64)"
			train "random-$cell" $plain "labeled-$percent.h5"
			train "pretrained-$cell" $plain --init=other-task.h5 --new-classifier \
				"labeled-$percent.h5"
			label "labels-$cell" "random-$cell" "rest-$percent.h5"
			keep "kept-$cell" "labels-$cell" --min-confidence="$(least 0.5)"
			mix "mix-$cell" "labeled-$percent.h5" "kept-$cell" --ratio=1
			train "self-$cell" $plain --loss=normalized "mix-$cell.h5"
			arms="$arms random-$cell pretrained-$cell self-$cell"
		done
	done
	test=../test.h5
	arms $arms
	claim "$(cells pretrained 20 1)" "$(cells random 20 1)" \
		"pre-training helps with few labels and weak augmentation"
	claim "$(cells random 100 4)" "$(cells pretrained 100 4)" \
		"it harms with all labels and strong augmentation"
	claim "$(cells self '20 50 100' '1 2 3 4')" "$(cells random '20 50 100' '1 2 3 4')" \
		"self-training helps, over all fractions of labels and augmentations"
	for percent in 20 50 100; do
		claim "$(cells self $percent '1 2 3 4')" "$(cells random $percent '1 2 3 4')" \
			"self-training helps with $percent % of the labels"
	done
	claim "$(cells self 100 '3 4')" "$(cells random 100 '3 4')" \
		"self-training helps with all labels and strong augmentation"
	claim "$(cells random 100 '2 3 4')" "$(cells random 100 1)" \
		"stronger augmentation is better with all labels"
}

# cells KIND 'PERCENT ...' 'STRENGTH ...': the names of these models, joined.
cells() {
	for percent in $2; do
		for strength in $3; do
			echo "$1-S$strength-$percent"
		done
	done | paste -s -d + -
}

# ---- all of them ----------------------------------------------------------------------------------
ALL="noise labels filter ratio size joint init amount ood iterations rethinking"

# The table, when all seeds are done.  The last of them is behind a lock: one writes it.
finish() {
	for other in $SEEDS; do
		[ -e "$OUT/seed$other/done-$experiment" ] || return 0
	done
	eval "about=\$about_$experiment"
	cd "$top"
	tests/experiments/table.sh "$OUT" "$experiment" "$about" "$SEEDS" > "$RESULTS/$experiment.md.new"
	mv "$RESULTS/$experiment.md.new" "$RESULTS/$experiment.md"
	sed '/^Commands/,$d' "$RESULTS/$experiment.md"
}

# paper.sh --seed EXPERIMENT SEED: one of those that are side by side.  Status 255 stops the others.
if [ "${1:-}" = --seed ]; then
	trap 'status=$?; [ $status -eq 0 ] || [ $status -eq 3 ] || exit 255' EXIT
	experiment=$2 seed=$3
	mkdir -p "$OUT/seed$seed"
	cd "$OUT/seed$seed"
	rm -f "commands-$experiment" "arms-$experiment" "claims-$experiment"
	$experiment
	exec 8> "$OUT/done.lock"
	flock 8
	: > "done-$experiment"
	finish
	exit
fi

for experiment in "${@:-}"; do
	case " $ALL  " in
	*" $experiment "*) ;;
	*) die "there is no experiment '$experiment': $ALL" ;;
	esac
done

if [ "$SHORT" ] && [ ! -d "$unpacked" ]; then
	nst-draw -q -o "$unpacked.part" --labeled=300 --unlabeled=1 --test=100 --seed=1
	mv "$unpacked.part/labeled" "$unpacked.part/train"
	mv "$unpacked.part" "$unpacked"
elif [ ! "$SHORT" ]; then
	prepare_images
	[ "$images" = "$unpacked" ] || ln -sfn "$(cd "$images" && pwd)" "$unpacked"
fi
[ -e "$OUT/test.h5" ] || nst-pack -q --no-provenance -o "$OUT/test.h5" "$unpacked/test"

for experiment in ${*:-$ALL}; do
	for seed in $SEEDS; do
		rm -f "$OUT/seed$seed/done-$experiment"
		echo "$experiment $seed"
	done
done > "$OUT/todo"
status=0
xargs -P "$JOBS" -n 2 "$top/tests/experiments/paper.sh" --seed < "$OUT/todo" || status=$?
tests/experiments/summary.sh "$RESULTS" $ALL > "$RESULTS/README.md.new"
mv "$RESULTS/README.md.new" "$RESULTS/README.md"
[ $status -eq 0 ] || [ "$MINUTES" -eq 0 ] || [ "$(seconds_left)" -gt 0 ] || out_of_time
[ $status -eq 0 ]
