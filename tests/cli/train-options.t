#!/usr/bin/env bash
# nst-train: what each option of the papers changes, and which combinations make no sense.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=60 --unlabeled=90 --test=20 --seed=1 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o u.h5 --unlabeled d/unlabeled || exit 1

small="--arch=wrn-10-1 --size=16 --batch=16 --grain=8 --epochs=2 --lr=0.05"
train() {
	nst-train $small -q --no-provenance "$@"
}

train -o teacher.h5 --seed=9 l.h5 || exit 1
nst-infer -q -m teacher.h5 --precision=f32 -o soft.h5 u.h5 || exit 1
nst-mix -q --labeled=l.h5 --ratio=2 -o mix.h5 soft.h5 || exit 1
nst-mix -q --labeled=l.h5 --ratio=2 --hard -o hard.h5 soft.h5 || exit 1

# differs NAME OPTION...: the options give another model than none, the same on three threads, and
# stand in the model's settings.
ok "a student" train -o base.h5 --log=base.tsv mix.h5
differs() {
	local name=$1
	shift
	ok "$name" train -j1 -o with.h5 "$@"
	run cmp base.h5 with.h5
	is "$name: another model" $status 1
	ok "$name, three threads" train -j3 -o three.h5 "$@"
	same "$name: the threads do not show" with.h5 three.h5
}
has_setting() {
	if have h5dump; then
		h5dump -d train/option with.h5 > options 2>&1
		contains "the model says so" options "\"$1\""
	else
		skip "no h5dump" "the model says so"
	fi
}

# Optimizers and schedules.
differs "AdamW" --optimizer=adamw --lr=0.002 mix.h5
has_setting optimizer=adamw
has_setting weight-decay=0.05
has_setting beta2=0.999
cp with.h5 adamw.h5
ok "AdamW, beta2" train --optimizer=adamw --lr=0.002 --beta2=0.9 -o with.h5 mix.h5
run cmp adamw.h5 with.h5
is "beta2 matters" $status 1
ok "AdamW, eps" train --optimizer=adamw --lr=0.002 --eps=0.1 -o with.h5 mix.h5
run cmp adamw.h5 with.h5
is "eps matters" $status 1
differs "plain momentum" --no-nesterov mix.h5
ok "Nesterov's is the rule of these nets" train --nesterov -o with.h5 mix.h5
same "is the default" base.h5 with.h5
differs "weight decay" --weight-decay=0.01 mix.h5
has_setting weight-decay=0.01
differs "less smoothing" --label-smoothing=0.02 mix.h5
has_setting label-smoothing=0.02
differs "LAMB" --optimizer=lamb mix.h5
has_setting optimizer=lamb
stairs="--schedule=staircase --warmup=0 --batch=20 --grain=10"
differs "stairs" $stairs --decay-rate=0.5 --decay-epochs=1 --log=stairs.tsv mix.h5
has_setting decay-rate=0.5
has_setting decay-epochs=1
is "the second is half of the first" "$(sed 1d stairs.tsv | cut -f 3 | paste -s -d ' ')" "0.05 0.025"
ok "two in an epoch" train $stairs --decay-rate=0.5 --decay-epochs=0.5 --log=two.tsv -o with.h5 mix.h5
is "are a quarter of that at the end" "$(tail -n 1 two.tsv | cut -f 3)" 0.00625
ok "a final rate" train $stairs --final-lr=0.01 --dry-run -o no.h5 mix.h5
like "makes the stairs" "$(grep decay-epochs "$stdout")" "decay-epochs=0.03785*"
fails 1 "nst-train: --decay-rate and --decay-epochs are of --schedule=staircase" \
	train --decay-rate=0.9 -o no.h5 l.h5
fails 1 "nst-train: --decay-rate and --decay-epochs are of --schedule=staircase" \
	train --schedule=linear --decay-epochs=1 -o no.h5 l.h5
fails 1 "nst-train: --schedule=constant has no --final-lr" \
	train --schedule=constant --final-lr=0.01 -o no.h5 l.h5
fails 1 "nst-train: --optimizer=sgd has no --beta2 and no --eps" train --beta2=0.9 -o no.h5 l.h5
fails 1 "nst-train: --optimizer=sgd has no --beta2 and no --eps" train --eps=0.1 -o no.h5 l.h5
differs "a linear schedule" --schedule=linear mix.h5
has_setting schedule=linear
cp with.h5 linear.h5
ok "a polynomial one of power 1" train --schedule=polynomial --final-lr=0.01 --log=p1.tsv -o p1.h5 mix.h5
ok "a linear one" train --schedule=linear --final-lr=0.01 --log=l1.tsv -o l1.h5 mix.h5
same "are the same" p1.tsv l1.tsv
differs "a polynomial one of power 2" --schedule=polynomial --power=2 mix.h5
has_setting power=2
differs "a limit of the gradient's length" --clip-grad=0.1 mix.h5
has_setting clip-mode=norm
cp with.h5 clipped.h5
ok "a limit of its numbers" train --clip-grad=0.1 --clip-mode=value -o with.h5 mix.h5
run cmp clipped.h5 with.h5
is "is another limit" $status 1
ok "a limit out of reach" train --clip-grad=1e6 --log=free.tsv -o with.h5 mix.h5
same "changes nothing" base.tsv free.tsv
ok "two batches of 16 before an update" train --grad-accum-steps=2 --log=twice.tsv -o twice.h5 mix.h5
ok "one of 32" train --batch=32 --log=once.tsv -o once.h5 mix.h5
same "are the same" twice.h5 once.h5

# The end of a schedule.
ok "two epochs of whole steps" train --batch=20 --grain=10 --log=all.tsv -o with.h5 mix.h5
ok "the last of them" train --batch=20 --grain=10 --last-epochs=1 --log=last.tsv -o with.h5 mix.h5
has_setting last-epochs=1
is "ends at the same rate" "$(tail -n 1 last.tsv | cut -f 3)" "$(tail -n 1 all.tsv | cut -f 3)"
is "in half the steps" "$(tail -n 1 last.tsv | cut -f 2)" 3
fails 1 "nst-train: the last 3 of 2 epochs cannot be trained" train --last-epochs=3 -o no.h5 mix.h5

# Losses.
differs "the normalized loss" --loss=normalized mix.h5
has_setting loss=normalized
cp with.h5 normalized.h5
ok "another alpha" train --loss=normalized --loss-alpha=3 -o with.h5 mix.h5
run cmp normalized.h5 with.h5
is "alpha matters" $status 1
differs "alpha with another loss" --loss-alpha=0.5 mix.h5
ok "half the labeled rows count" train --label-sample-prob=0.5 --log=half.tsv --dry-run -o no.h5 mix.h5
contains "the pseudo-labeled share is halved" "$stdout" "16 labeled and 16 pseudo-labeled rows"
contains "an epoch is twice as long" "$stdout" "steps: 15 "
differs "half the labeled rows" --label-sample-prob=0.5 mix.h5
differs "another ratio" --ratio=1 mix.h5
has_setting ratio=1

# Batch norm.
differs "grains of one role" --bn-stats=split mix.h5
has_setting bn-stats=split
cp with.h5 split.h5
ok "labeled statistics alone" train --bn-stats=labeled -o with.h5 mix.h5
run cmp split.h5 with.h5
is "differ" $status 1
fails 1 "nst-train: --bn-stats=split needs labeled and pseudo-labeled rows" \
	train --bn-stats=split -o no.h5 l.h5
fails 1 "nst-train: --bn-stats=labeled needs grains of labeled rows alone: change --batch (12) to a multiple of --grain (8)" \
	train --bn-stats=labeled --batch=12 -o no.h5 mix.h5

# Mixing rows.
differs "mixup" --mixup=0.2 mix.h5
has_setting mixup=0.2
cp with.h5 mixup.h5
differs "cutmix" --cutmix=1 mix.h5
run cmp mixup.h5 with.h5
is "cutmix is not mixup" $status 1
for rows in labeled pseudo; do
	ok "mixup of $rows rows" train --mixup=0.2 --mixup-rows=$rows -o with.h5 mix.h5
	run cmp mixup.h5 with.h5
	is "is not that of both" $status 1
	has_setting mixup-rows=$rows
done
ok "mixing at random" train --mixup=0.2 --mixup-prob=0.5 -o with.h5 mix.h5
run cmp mixup.h5 with.h5
is "is less mixing" $status 1
ok "both kinds" train --mixup=0.2 --cutmix=1 -o both.h5 mix.h5
ok "more of one" train --mixup=0.2 --cutmix=1 --mixup-switch-prob=0.9 -o with.h5 mix.h5
run cmp both.h5 with.h5
is "the switch matters" $status 1

# Freezing.
ok "a model without an average" train --ema=0 -o raw.h5 l.h5
ok "frozen blocks" train --init=raw.h5 --freeze=2 --ema=0 -o with.h5 l.h5
has_setting freeze=2
if have h5dump; then
	for part in "stays 0 400" "learns 78400 180"; do
		set -- $part
		h5dump -y -w 0 -d param/data -s "$2" -c "$3" raw.h5 > a 2>&1
		h5dump -y -w 0 -d param/data -s "$2" -c "$3" with.h5 > b 2>&1
		contains "these are weights" a "COUNT ( $3 )"
		sed -i 1d a b
		run cmp a b
		case $1 in learns) is "the classifier learns" $status 1 ;; *) is "the stem stays" $status 0 ;; esac
	done
else
	skip "no h5dump" "frozen blocks"
fi
fails 1 "nst-train: --freeze keeps the blocks of a model: it needs --init" train --freeze=1 -o no.h5 l.h5
fails 1 "nst-train: --freeze keeps the blocks of a model: it needs --init" train --freeze=1 --dry-run l.h5
fails 1 "nst-train: 'wrn-10-1' has 3 blocks, 4 cannot be frozen" \
	train --freeze=4 --init=teacher.h5 -o no.h5 l.h5

# A teacher on the fly gives what its stored probabilities give.
ok "stored probabilities" train --ratio=2 --log=stored.tsv -o stored.h5 mix.h5
ok "the teacher itself" train --ratio=2 --teacher=teacher.h5 --log=fly.tsv -o fly.h5 l.h5 u.h5
same "teach the same" stored.tsv fly.tsv
ok "stored classes" train --ratio=2 --log=stored.tsv -o stored.h5 hard.h5
ok "the teacher's classes" train --ratio=2 --teacher=teacher.h5 --hard-teacher --log=fly.tsv -o fly.h5 l.h5 u.h5
same "teach the same" stored.tsv fly.tsv
ok "a teacher replaces what a mix says" train --ratio=2 --teacher=teacher.h5 --hard-teacher --log=fly.tsv -o fly.h5 mix.h5
same "and teaches the same" stored.tsv fly.tsv
ok "two teachers" train --teacher=teacher.h5 --teacher=base.h5 -o with.h5 l.h5 u.h5
run cmp fly.h5 with.h5
is "teach another student" $status 1
differs "a temperature" --teacher=teacher.h5 --temperature=0.5 l.h5 u.h5
fails 1 "nst-train: --teacher labels unlabeled or pseudo-labeled rows, but there are none" \
	train --teacher=teacher.h5 -o no.h5 l.h5
fails 1 "nst-train: --hard-teacher needs --teacher" train --hard-teacher -o no.h5 l.h5
long="--loss=normalized --teacher=teacher.h5 --epochs=40"
ok "a run with a teacher and a normalized loss" train $long -o whole.h5 l.h5 u.h5
nst-train $small -q --no-provenance $long --checkpoint=part.ckpt --checkpoint-every=0 -o part.h5 \
	l.h5 u.h5 2> said &
pid=$!
while [ ! -e part.ckpt ] && kill -0 $pid 2> /dev/null; do sleep 0.01; done
kill -TERM $pid
wait $pid
contains "another is interrupted" said "interrupted at step"
no_output part.h5
ok "it goes on" train $long --resume=part.ckpt -o part.h5 l.h5 u.h5
same "as if there had been no break" whole.h5 part.h5

# Pre-training on pseudo labels, then fine-tuning on labels.
nst-mix -q -o pseudo.h5 soft.h5 || exit 1
ok "pseudo labels alone" train -o pre.h5 pseudo.h5
ok "then labels alone" train --init=pre.h5 -o fine.h5 l.h5
run cmp fine.h5 base.h5
is "is not training on both" $status 1

# What is about rows of a role that are not there, or has nothing to act on.
for option in --ratio=2 --loss=alg1 --loss-alpha=2 --no-smooth-pseudo "--mixup-rows=pseudo --mixup=1"; do
	fails 1 "nst-train: ${option%%[= ]*}* is given, but there are no pseudo-labeled rows" \
		train $option -o no.h5 l.h5
done
for option in --ratio=2 --loss=code --label-sample-prob=0.5 "--mixup-rows=labeled --mixup=1"; do
	fails 1 "nst-train: ${option%%[= ]*}* is given, but there are no labeled rows" \
		train $option -o no.h5 pseudo.h5
done
fails 1 "nst-train: --temperature is given, but there are no soft targets" \
	train --temperature=2 -o no.h5 l.h5
fails 1 "nst-train: --temperature is given, but there are no soft targets" \
	train --temperature=2 -o no.h5 hard.h5
differs "a temperature" --temperature=2 mix.h5
has_setting temperature=2
fails 1 "nst-train: --new-classifier goes with --init: there is no other classifier" \
	train --new-classifier -o no.h5 l.h5
fails 1 "nst-train: --val-every goes with --val" train --val-every=2 -o no.h5 l.h5
fails 1 "nst-train: --train-interpolation is of --crop=resized" \
	train --crop=shift --train-interpolation=box -o no.h5 l.h5
fails 2 "nst-train: --checkpoint-every and --keep-checkpoint need -o FILE or --checkpoint=FILE; *" \
	train --keep-checkpoint l.h5
fails 1 "nst-train: cannot start from 'teacher.h5' (wrn-10-1): tensor *" \
	train --dry-run --arch=resnet20 --init=teacher.h5 l.h5

# Threads.
ok "threads from the environment" env NST_THREADS=3 nst-train $small --dry-run l.h5
contains "are three" "$stdout" "for 3 threads"
ok "-j goes before" env NST_THREADS=3 nst-train $small -j2 --dry-run l.h5
contains "are two" "$stdout" "for 2 threads"
fails 2 "nst-train: NST_THREADS: option '--threads': 'many' is not a whole number; *" \
	env NST_THREADS=many nst-train $small --dry-run l.h5

# Channels and presets.
differs "other means and deviations" --mean=0.5,0.5,0.5 --std=0.25,0.25,0.3 mix.h5
has_setting mean=0.5,0.5,0.5
has_setting std=0.25,0.25,0.300000012
fails 1 "nst-train: --mean: '1,2' is not three numbers 'R,G,B' from -1e+06 to 1e+06" train --mean=1,2 -o no.h5 l.h5
fails 1 "nst-train: --std: '1,0,1' is not three numbers 'R,G,B' from 1e-06 to 1e+06" train --std=1,0,1 -o no.h5 l.h5
fails 2 "nst-train: option '--preset': there is no preset 'b9', --list-presets shows them; try *" \
	nst-train --preset=b9 -o no.h5 l.h5

# The paper's section 3.1 and the repository's scripts, row by row.
settings() {
	ok "preset $1" nst-train --preset="$1" --dry-run l.h5
	contains "$1 says what it sets" "$stderr" "nst-train: preset $1 --arch="
	for line in $2; do
		is "$1: $line" "$(grep -cx -- "$line" "$stdout")" 1
	done
}
common="batch=2048 lr=0.128 schedule=staircase decay-rate=0.97 warmup=5 optimizer=rmsprop-tf
momentum=0.9 beta2=0.9 eps=0.001 weight-decay=1e-05 ema=0.9999 label-smoothing=0.1 drop-path=0.2
crop=resized flip=1 cutout=0 loss=concat"
ra() {
	echo "randaugment=n2,m$1,form=tf,std=0,p=1,translate=100,cutout=40"
}
table="b0 224 700 4.8 1 0.2 none
b1 240 700 4.8 3 0.2 none
b2 260 700 4.8 3 0.3 6
b3 300 700 4.8 3 0.3 12
b4 380 700 4.8 3 0.4 15
b5 456 350 2.4 3 0.4 18
b6 528 350 2.4 3 0.5 24
b7 600 350 2.4 3 0.5 27
l2 475 350 2.4 14 0.5 27"
while read -r name size epochs decay ratio dropout magnitude; do
	case $magnitude in none) augment=randaugment=none ;; *) augment=$(ra "$magnitude") ;; esac
	settings noisy-student-$name "$common arch=efficientnet-$name size=$size epochs=$epochs
		decay-epochs=$decay ratio=$ratio dropout=$dropout $augment"
done <<< "$table"
settings noisy-student-svhn "arch=efficientnet-b0-32 size=32 batch=128 ratio=5 epochs=202.33 lr=0.008
	weight-decay=0.0001 flip=0 cutout=8 crop=shift randaugment=n2,m5,form=tf,std=0,p=1,translate=4,cutout=4
	ema=0.9999 temperature=1"
like "a stair of the SVHN run" "$(grep decay-epochs "$stdout")" "decay-epochs=1.37*"
ok "an option overrides the preset" nst-train --epochs=10 --preset=noisy-student-b0 --dry-run l.h5
contains "its epochs" "$stdout" "epochs=10"
contains "all else is the preset's" "$stdout" "batch=2048"
ok "another optimizer leaves what the preset's had" \
	nst-train --optimizer=sgd --schedule=cosine --preset=noisy-student-b0 --dry-run l.h5
quiet "--list-presets" nst-train --list-presets
is "lists them all" "$(cut -d ' ' -f 1 "$stdout" | paste -s -d ' ')" "noisy-student-b0 \
noisy-student-b1 noisy-student-b2 noisy-student-b3 noisy-student-b4 noisy-student-b5 \
noisy-student-b6 noisy-student-b7 noisy-student-l2 noisy-student-svhn"
no_output no.h5

done_testing
