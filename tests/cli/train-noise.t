#!/usr/bin/env bash
# nst-train's noise: every option changes what is learned, and what makes no sense is refused.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=60 --unlabeled=40 --test=10 --seed=1 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o u.h5 --unlabeled d/unlabeled || exit 1
train() {
	nst-train -q --arch=wrn-10-1 --size=24 --batch=16 --grain=8 --lr=0.05 --epochs=0.5 \
		--no-provenance "$@"
}
train -o t.h5 l.h5 || exit 1
nst-infer -q -m t.h5 -o p.h5 u.h5 || exit 1
nst-filter -q -o f.h5 p.h5 || exit 1
nst-mix -q --labeled=l.h5 --ratio=1 -o m.h5 f.h5 || exit 1

# model NAME FILE OPTION...: the weights differ from those of every model before.
made=()
model() {
	local name=$1 rows=$2 twin= other
	shift 2
	ok "$name" train "$@" -o "$name.h5" "$rows"
	nst-eval -q -m "$name.h5" --json l.h5 > "$name.json" || return
	grep nll "$name.json" > "$name.nll"
	for other in "${made[@]}"; do
		cmp -s "$name.nll" "$other.nll" && twin=$other
	done
	is "$name learns other weights than all before" "$twin" ""
	made+=("$name")
}
plan() {
	nst-train --arch=wrn-10-1 --batch=32 --dry-run "$@"
}
plain="--crop=plain --no-flip"
model none l.h5 $plain
model tf l.h5 $plain --randaugment=n2,m9
model timm l.h5 $plain --randaugment=rand-m9
model timm-n3 l.h5 $plain --randaugment=rand-m9-n3
model timm-p1 l.h5 $plain --randaugment=rand-m9-p1
model timm-mstd l.h5 $plain --randaugment=rand-m9-mstd0.5
model timm-uniform l.h5 $plain --randaugment=rand-m9-mstd101
model timm-mmax l.h5 $plain --randaugment=rand-m9-mmax5
model timm-inc1 l.h5 $plain --randaugment=rand-m9-inc1
model timm-weights l.h5 $plain --randaugment=rand-m9-tweights
model timm-all l.h5 $plain --randaugment=rand-m9-n3-mstd0.5-inc1
model fixmatch l.h5 $plain --randaugment=fixmatch
model fixmatch-p l.h5 $plain --randaugment=fixmatch,p=0.5
model fixmatch-n3 l.h5 $plain --randaugment=fixmatch,n=3
model fixmatch-cutout l.h5 $plain --randaugment=fixmatch,cutout=3
model fixmatch-ops l.h5 $plain --randaugment=fixmatch,ops=-identity
model v0 l.h5 $plain --autoaugment=v0
model v0r l.h5 $plain --autoaugment=v0r --seed=3
model v0-seed3 l.h5 $plain --autoaugment=v0 --seed=3
model original l.h5 $plain --autoaugment=original
model originalr l.h5 $plain --autoaugment=originalr
model v0-mstd l.h5 $plain --autoaugment=v0-mstd1
model erasing l.h5 $plain --random-erasing=0.9
model erasing-p l.h5 $plain --random-erasing=0.4
model erasing-rand l.h5 $plain --random-erasing=0.9 --random-erasing-mode=rand
model erasing-pixel l.h5 $plain --random-erasing=0.9 --random-erasing-mode=pixel
model erasing-count l.h5 $plain --random-erasing=0.9 --random-erasing-count=3
model bicubic l.h5 --crop=resized
model bilinear l.h5 --crop=resized --train-interpolation=bilinear
model random l.h5 --crop=resized --train-interpolation=random

# Noise of pseudo-labeled rows.
noise="--dropout=0.5 --drop-path=0.5 --randaugment=n2,m15 --cutout=4 --random-erasing=0.5"
model full m.h5 $noise
for what in no-randaugment no-augment none; do
	model "pseudo-$what" m.h5 $noise --pseudo-noise=$what
done
ok "full is what there is without the option" train $noise --pseudo-noise=full -o full2.h5 m.h5
same "to the byte" full.h5 full2.h5
for what in no-randaugment no-augment none; do
	ok "$what on other threads, without the cache" \
		train $noise --pseudo-noise=$what -j3 --cache=0 -o j3.h5 m.h5
	same "$what gives the same bytes" "pseudo-$what.h5" j3.h5
done
ok "everything at once" train -j1 --autoaugment=v0r-mstd0.5 --random-erasing=0.5 \
	--random-erasing-mode=pixel --random-erasing-count=2 --crop=resized \
	--train-interpolation=random --pseudo-noise=no-randaugment -o a1.h5 m.h5
ok "on three threads" train -j3 --autoaugment=v0r-mstd0.5 --random-erasing=0.5 \
	--random-erasing-mode=pixel --random-erasing-count=2 --crop=resized \
	--train-interpolation=random --pseudo-noise=no-randaugment -o a3.h5 m.h5
same "gives the same bytes" a1.h5 a3.h5

# The plan, and so the model, says it in full.
quiet "a plan" plan --crop=resized --randaugment=rand-m9-mstd0.5-inc1 \
	--random-erasing=0.25 --train-interpolation=random --pseudo-noise=no-augment m.h5
contains "timm's string" "$stdout" "randaugment=rand-m9-n2-p0.5-mstd0.5-mmax10-inc1"
contains "erasing" "$stdout" "random-erasing=0.25"
contains "its mode" "$stdout" "random-erasing-mode=const"
contains "its count" "$stdout" "random-erasing-count=1"
contains "the filter of crops" "$stdout" "train-interpolation=random"
contains "the noise of pseudo-labeled rows" "$stdout" "pseudo-noise=no-augment"
quiet "another plan" plan --autoaugment=v0 l.h5
contains "a policy" "$stdout" "autoaugment=v0-mstd0"
if have h5dump; then
	h5dump -d train/option pseudo-no-augment.h5 > options 2>&1
	contains "the model has it" options '"pseudo-noise=no-augment"'
else
	skip "no h5dump" "settings in the model"
fi
ok "a checkpoint" train --randaugment=rand-m9 --keep-checkpoint --checkpoint-every=0 -o c.h5 l.h5
fails 1 "nst-train: 'c.h5.ckpt' is of a run with randaugment=rand-m9-*, this one has randaugment=*" \
	train --randaugment=rand-m9-inc1 --resume -o c.h5 l.h5
ok "magnitudes beyond timm's limit" plan --randaugment=rand-m27 l.h5
contains "are worth a warning" "$stderr" "timm lowers magnitude 27 to 10, unless mmax27 is given"
quiet "unless the limit is raised" plan --randaugment=rand-m27-mmax27 l.h5

# What makes no sense.
fails 1 "nst-train: a view has either RandAugment or AutoAugment" \
	train --randaugment=n2,m9 --autoaugment=v0 -o no.h5 l.h5
ok "RandAugment that is none does not count" train --randaugment=none --autoaugment=v0 -o v.h5 l.h5
fails 1 "nst-train: fixmatch has a cutout of its own: *" \
	train --randaugment=fixmatch --cutout=4 -o no.h5 l.h5
fails 1 "nst-train: --randaugment: RandAugment: timm has no key 'w' any more, *" \
	train --randaugment=rand-m9-w0 -o no.h5 l.h5
fails 1 "nst-train: --randaugment: RandAugment: 'm9' is not known to fixmatch" \
	train --randaugment=fixmatch,m9 -o no.h5 l.h5
fails 1 "nst-train: --autoaugment: 'v1' is none of the policies v0, v0r, original, originalr" \
	train --autoaugment=v1 -o no.h5 l.h5
fails 1 "nst-train: nothing is erased: *" train --random-erasing-count=2 -o no.h5 l.h5
fails 1 "nst-train: nothing is erased: *" train --random-erasing-mode=pixel -o no.h5 l.h5
fails 1 "nst-train: --pseudo-noise is given, but there are no pseudo-labeled rows" \
	train --pseudo-noise=none -o no.h5 l.h5
fails 2 "nst-train: option '--random-erasing' must be *" train --random-erasing=1.5 -o no.h5 l.h5
fails 2 "nst-train: option '--pseudo-noise': *" train --pseudo-noise=some -o no.h5 l.h5
no_output no.h5
done_testing
