#!/usr/bin/env bash
# nst-train: what it writes, and what it says about input it cannot use.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=60 --unlabeled=40 --test=30 --seed=1 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o u.h5 --unlabeled d/unlabeled || exit 1
nst-pack -q -o t.h5 d/test || exit 1

small="--arch=wrn-10-1 --size=16 --batch=32 --lr=0.05"
train() {
	nst-train $small --no-provenance "$@"
}

ok "trains on a shard" train --epochs=3 -o m.h5 --val=t.h5 --log=log.tsv l.h5
is "one line an epoch" "$(grep -c '^nst-train: epoch ' "$stderr")" 3
like "an epoch's line" "$(head -n 1 "$stderr")" \
	"nst-train: epoch 1: loss *, labeled * (*% right), validation * (*% right), lr *, * images/s"
is "nothing else is left" "$(ls)" "$(printf '%s\n' d l.h5 log.tsv m.h5 t.h5 u.h5)"
is "the log has a line an epoch" "$(cut -f 1 log.tsv | paste -s -d ' ')" "epoch 1 2 3.2"
is "the log names ten columns" "$(awk -F '\t' 'NF != 10' log.tsv)" ""
ok "the model can be used" nst-eval -m m.h5 --json t.h5
quiet "-q says nothing" train -q --epochs=1 -o q.h5 l.h5

ok "one thread" train -q -j1 --epochs=3 -o j1.h5 --val=t.h5 l.h5
same "-j1 gives the same bytes" m.h5 j1.h5
ok "three threads" train -q -j3 --epochs=3 -o j3.h5 --val=t.h5 l.h5
same "-j3 gives the same bytes" m.h5 j3.h5
ok "no cache of decoded images" train -q --cache=0 --epochs=3 -o c0.h5 --val=t.h5 l.h5
same "the cache changes nothing" m.h5 c0.h5
to_stdout() {
	train -q --epochs=3 --val=t.h5 - < l.h5 > piped.h5
}
ok "reads and writes standard streams" to_stdout
same "with the same bytes" m.h5 piped.h5
ok "measures every other epoch, and at the end" \
	train -q --epochs=3 --val=t.h5 --val-every=2 --log=other-epochs.tsv -o two.h5 l.h5
is "not in the first" "$(sed 1d other-epochs.tsv | cut -f 9 | sed 's/[0-9].*/N/' | paste -s -d ' ')" \
	"NA N N"
ok "another seed" train -q --seed=1 --epochs=3 -o s1.h5 --val=t.h5 l.h5
run cmp m.h5 s1.h5
is "gives another model" $status 1

ok "with provenance" nst-train $small -q --epochs=1 -o with.h5 l.h5
if have h5dump; then
	h5dump -a history with.h5 > history 2>&1
	contains "the history has the command line" history "nst-train --arch=wrn-10-1 --size=16"
	h5dump -d train/option m.h5 > options 2>&1
	contains "the model knows its settings" options '"lr=0.05"'
else
	skip "no h5dump" "history"
	skip "no h5dump" "settings"
fi

# How test images are cropped and resized: the model says it, and other tools do it.
same_but() {
	local what=$1
	shift
	ok "$what" train -q --size=24 --ema=0 --val=t.h5 --log=other.tsv --epochs=2 "$@" -o other.h5 l.h5
	run cmp other.tsv usual.tsv
	is "$what: validates on other pixels" $status 1
	ok "$what: can be evaluated" nst-eval -m other.h5 --json t.h5
	grep nll "$stdout" > other.nll
	run cmp other.nll usual.nll
	is "$what: evaluates on other pixels" $status 1
}
ok "the usual way" \
	train -q --size=24 --ema=0 --val=t.h5 --log=usual.tsv --epochs=2 -o usual.h5 l.h5
ok "its evaluation" nst-eval -m usual.h5 --json t.h5
grep nll "$stdout" > usual.nll
same_but "--crop-padding" --crop-padding=6
same_but "--crop-fraction" --crop-fraction=0.6
same_but "--interpolation" --interpolation=box
quiet "--crop-fraction in the plan" \
	train --dry-run --crop-fraction=0.875 --interpolation=bilinear l.h5
contains "as it was given" "$stdout" "crop-fraction=0.875"
contains "with the filter" "$stdout" "interpolation=bilinear"
quiet "--crop-padding in the plan" train --dry-run --crop-padding=5 l.h5
contains "is what was given" "$stdout" "crop-padding=5"
fails 1 "nst-train: --crop-padding and --crop-fraction are two ways of cropping test images: *" \
	train --crop-padding=32 --crop-fraction=0.875 -o no.h5 l.h5
fails 2 "nst-train: option '--crop-fraction' must be *" train --crop-fraction=1.5 -o no.h5 l.h5

# Plans and lists.
quiet "--list-archs" nst-train --list-archs
for arch in efficientnet-b0 efficientnet-b0-32 resnet20 resnet56 wrn-28-2; do
	is "lists $arch" "$(grep -cx $arch "$stdout")" 1
done
quiet "--dry-run" train --dry-run --epochs=3 -o no.h5 l.h5
contains "plans the rows" "$stdout" "rows: 60 labeled, 0 pseudo-labeled, 10 classes"
contains "plans the steps" "$stdout" "steps: 6 of 32 labeled and 0 pseudo-labeled rows"
contains "counts the parameters" "$stdout" "net: 78106 parameters"
contains "shows the settings" "$stdout" "schedule=cosine"
no_output no.h5
for arch in efficientnet-b0 efficientnet-b0-32 resnet20 wrn-28-2; do
	ok "plans $arch" nst-train --arch=$arch --dry-run l.h5
done

# Starting from a model.
ok "--init" train -q --epochs=1 --init=m.h5 -o i.h5 l.h5
fails 1 "nst-train: cannot start from 'm.h5' (wrn-10-1): 'm.h5' has no tensor '*'" \
	nst-train --arch=wrn-16-1 --size=16 --init=m.h5 -o no.h5 l.h5
mkdir -p two
cp -R d/labeled/"$(ls d/labeled | head -n 1)" d/labeled/"$(ls d/labeled | tail -n 1)" two
nst-pack -q -o two.h5 two || exit 1
ok "--new-classifier fits another number of classes" \
	train -q --epochs=1 --init=m.h5 --new-classifier --batch=8 --grain=4 -o i2.h5 two.h5
mkdir -p strange/zebra strange/yak
cp d/labeled/"$(ls d/labeled | head -n 1)"/* strange/zebra
cp d/labeled/"$(ls d/labeled | tail -n 1)"/* strange/yak
nst-pack -q -o strange.h5 strange || exit 1
fails 1 "nst-train: class 'yak' of 'strange.h5' is not among the 10 classes of 'm.h5'" \
	train --epochs=1 --init=m.h5 -o no.h5 strange.h5
fails 1 "nst-train: class 'yak' of 'strange.h5' is not among the 10 classes of 'l.h5'" \
	train --epochs=1 --val=strange.h5 -o no.h5 l.h5

# Bad input: one sentence, status 1, nothing left.
nst-infer -q -m m.h5 -o p.h5 u.h5 || exit 1
fails 1 "nst-train: 'u.h5' has 0 classes, training needs two or more" train -o no.h5 u.h5
fails 1 "nst-train: '*' in 'u.h5' has no label: nst-infer, nst-filter and nst-mix give *" \
	train -o no.h5 l.h5 u.h5
fails 1 "nst-train: '*' in 'u.h5' has no label and cannot validate" train --val=u.h5 -o no.h5 l.h5
fails 1 "nst-train: 'm.h5' is a model, *" train -o no.h5 m.h5
fails 1 "nst-train: 'p.h5' is a prediction, *" train -o no.h5 p.h5
fails 1 "nst-train: 'l.h5' is a shard, *" train --init=l.h5 -o no.h5 l.h5
fails 1 "nst-train: cannot open 'gone.h5': No such file or directory" train -o no.h5 gone.h5
head -c 9000 l.h5 > cut.h5
fails 1 "nst-train: *'cut.h5'*" train -o no.h5 cut.h5
: > empty.h5
fails 1 "nst-train: *'empty.h5'*" train -o no.h5 empty.h5
echo "not a file of ours, but long enough to look at closely for the signature" > text.h5
fails 1 "nst-train: *'text.h5'*" train -o no.h5 text.h5
fails 1 "nst-train: *standard input*" train -o no.h5 -
fails 1 "nst-train: *resnet2[0-9]*" nst-train --arch=resnet21 -o no.h5 l.h5
fails 1 "nst-train: no architecture: *--list-archs*" nst-train -o no.h5 l.h5
fails 1 "nst-train: a step of 33 rows leaves a grain of a single row*" \
	nst-train --arch=efficientnet-b0 --size=32 --batch=33 --grain=32 -o no.h5 l.h5
fails 1 "nst-train: --randaugment: *" train --randaugment=n2,q7 -o no.h5 l.h5
fails 1 "nst-train: the warm-up of 9 epochs must lie within the 3 of the training" \
	train --epochs=3 --warmup=9 -o no.h5 l.h5
fails 1 "nst-train: * is not finite at step *; a lower learning rate or *" \
	train -q --lr=1e6 --warmup=0 --epochs=50 --momentum=0.99 -o no.h5 l.h5
fails 1 "nst-train: *'l.h5'*" train -o l.h5 l.h5
fails 1 "nst-train: *'missing/no.h5'*No such file or directory" train -o missing/no.h5 l.h5
fails 2 "nst-train: option '--lr' must be *" nst-train --arch=resnet20 --lr=-1 -o no.h5 l.h5
fails 2 "nst-train: --resume needs -o FILE or --checkpoint=FILE; try *" train --resume l.h5
no_output no.h5
ok "l.h5 is as it was" nst-pack --verify l.h5

# A full disk at the end: the sentence, and no half of a model.
full() {
	(ulimit -f 64 && train -q --epochs=1 -o no.h5 l.h5)
}
fails 1 "nst-train: cannot write 'no.h5': *" full
no_output no.h5

# Where the time goes.
ok "a model" train -q --no-provenance --epochs=1 --seed=4 -o plain.h5 l.h5
quiet "a profile" train -q --no-provenance --epochs=1 --seed=4 --profile=where -o watched.h5 l.h5
same "changes no bit of the model" plain.h5 watched.h5
is "it has phases" "$(grep -c '^augment  *[0-9.]*  *[0-9.]*%$' where)" 1
is "and operations, forward and backward" "$(grep -c \
	'^layer1.0.conv1 *|  *[0-9.]*  *[0-9.]*  *[0-9.]* |  *[0-9.]*  *[0-9.]*  *[0-9.]*$' where)" 1
is "flame graphs have stacks" "$(grep -vc '^nst-train;[a-z]*\(;[a-z0-9_.]*\)\{0,1\} [0-9]*$' where.folded)" 0
contains "of the backward pass, too" where.folded 'nst-train;backward;layer3.0.conv2 '
fails 1 "nst-train: the output 'l.h5' is also an input" train -q --profile=l.h5 -o no.h5 l.h5
fails 1 "nst-train: the output 'l.h5' is also an input" train -q --log=l.h5 -o no.h5 l.h5
no_output no.h5

# Warnings.
mkdir -p gap/a gap/b
cp d/labeled/"$(ls d/labeled | head -n 1)"/* gap/a
cp d/labeled/"$(ls d/labeled | tail -n 1)"/* gap/b
printf '%s\n' a b c > gap.classes
nst-pack -q --classes=gap.classes -o gap.h5 gap || exit 1
ok "a class without rows" train --epochs=1 --batch=8 --grain=4 -o w.h5 gap.h5
contains "is worth a warning" "$stderr" "nst-train: warning: class 'c' has no rows"
ok "fewer rows than a step takes" train --epochs=1 --batch=64 -o w.h5 l.h5
contains "are worth a warning" "$stderr" "a step takes 64 labeled rows, but there are only 60"
done_testing
