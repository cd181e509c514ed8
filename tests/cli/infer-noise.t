#!/usr/bin/env bash
# nst-infer --noise and --calibrate: what each option changes, that nothing else does, and what is
# refused.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

craft model m.h5 wrn-10-1 8 1 cat dog owl
craft model n.h5 resnet20 8 2 owl cat dog
{
	echo class cat dog owl
	for i in $(seq 1 40); do echo "row k$i $((i % 4 - 1))"; done
} > text
craft make s.h5 < text
differ() { ! cmp -s "$1" "$2"; }

# infer FILE OPTION...: label s.h5.
infer() {
	local out=$1
	shift
	nst-infer -q --precision=f32 --no-provenance -m m.h5 -o "$out" "$@" s.h5
}
# near FILE FILE: probabilities differ by rounding only.
near() {
	paste -d ' ' <(craft dump "$1") <(craft dump "$2") |
		awk '/^row/ { for (i = 5; i <= 8; i++) if (($i - $(i + 8)) ^ 2 > 1.1e-6) print }'
}

# ---- noise
quiet "without noise" infer clean.h5
none='--noise --dropout=0 --drop-path=0 --crop=plain --no-flip --randaugment=none --cutout=0'
quiet "noise of nothing" infer zero.h5 $none
is "... is none" "$(near zero.h5 clean.h5)" ""
quiet "noise as far as is known" infer noised.h5 --noise
ok "... is some: crops and flips" differ noised.h5 clean.h5
quiet "the same spelled out" infer spelled.h5 --noise --dropout=0 --drop-path=0 --crop=shift --flip --cutout=0
same "... is what a model without settings has" spelled.h5 noised.h5
for option in --dropout=0.5 --drop-path=0.9 --crop=resized --flip --randaugment=n2,m9 --cutout=2; do
	quiet "$option" infer with.h5 $none $option
	ok "... changes something" differ with.h5 zero.h5
	quiet "$option with another seed" infer other.h5 $none $option --seed=1
	ok "... draws otherwise" differ other.h5 with.h5
done
# What a model was trained with is what --noise means.
nst-draw -q -o d --labeled=30 --unlabeled=1 --test=1 --seed=1 && nst-pack -q -o l.h5 d/labeled || exit 1
trained() {
	nst-train -q --no-provenance --arch=wrn-10-1 --size=16 --batch=16 --grain=8 --epochs=1 --lr=1e-9 \
		"$@" -o trained.h5 l.h5 &&
	nst-infer -q --no-provenance --precision=f32 -m trained.h5 --noise -o noised.h5 l.h5 &&
	craft dump noised.h5 | grep ^row > rows
}
ok "a model without more" trained
mv rows plain-rows
for option in --autoaugment=v0 --random-erasing=0.9 "--crop=resized --train-interpolation=box" \
	"--dropout=0.5" "--randaugment=n2,m9"; do
	ok "trained with $option" trained $option
	run cmp rows plain-rows
	is "... noise is that of the training" $status 1
done
ok "trained with --autoaugment=v0" trained --autoaugment=v0
quiet "RandAugment instead" nst-infer -q --no-provenance --precision=f32 -m trained.h5 --noise \
	--randaugment=none -o instead.h5 l.h5
craft dump instead.h5 | grep ^row > plain-rows
run cmp rows plain-rows
is "... leaves AutoAugment out" $status 1

all='--noise --dropout=0.5 --drop-path=0.5 --crop=resized --flip --randaugment=n2,m9 --seed=3'
for j in 1 3; do
	quiet "-j $j" infer j$j.h5 -j $j $all
done
same "threads change nothing" j1.h5 j3.h5
ok "nor does the width of vectors" env NST_SIMD=plain \
	nst-infer -q --precision=f32 --no-provenance -m m.h5 -o plain.h5 $all s.h5
same "... the same bytes" plain.h5 j1.h5
{ sed 1q text; sed -n '30p' text; } | craft make one.h5
ok "a row alone" nst-infer -q --precision=f32 -m m.h5 $all -o one-p.h5 one.h5
is "... is what it is among others" "$(craft dump one-p.h5 | grep ^row)" \
	"$(craft dump j1.h5 | grep "^row $(sed -n '30s/row \(k[0-9]*\).*/\1/p' text) ")"
ok "through pipes" bash -c "cat s.h5 | nst-infer -q --precision=f32 -m m.h5 $all > piped.h5"
is "... the same" "$(craft dump piped.h5)" "$(craft dump j1.h5)"
quiet "two models" nst-infer -q --precision=f32 --no-provenance -m m.h5 -m n.h5 $all -o both.h5 s.h5
nst-infer -q --precision=f32 -m n.h5 $all -o n-p.h5 s.h5
paste -d ' ' <(craft dump j1.h5 | grep ^row) <(craft dump n-p.h5 | grep ^row) \
	<(craft dump both.h5 | grep ^row) | awk '
	function far(a, b) { return (a - b) ^ 2 > 4e-6 }
	far(($6 + $15) / 2, $22) || far(($7 + $16) / 2, $23) || far(($8 + $14) / 2, $24)' > wrong
is "... are averaged, each with its noise" "$(cat wrong)" ""
quiet "a profile" infer profiled.h5 $all --profile=where
same "... changes nothing" profiled.h5 j1.h5
ok "... and knows the net" grep -q '^layer1.0.conv1 ' where

# ---- what the model was trained with
craft make train.h5 < <(grep -v ' -1$' text)
train='nst-train -q --arch=wrn-10-1 --size=8 --epochs=1 --batch=8'
$train --dropout=0.5 --drop-path=0.4 --randaugment=n1,m5 --crop=resized --no-flip --cutout=1 \
	-o trained.h5 train.h5
quiet "the noise of the training" nst-infer -q --no-provenance --noise -m trained.h5 -o own.h5 s.h5
quiet "... is that of its options" nst-infer -q --no-provenance --noise -m trained.h5 -o asked.h5 \
	--dropout=0.5 --drop-path=0.4 --randaugment=n1,m5 --crop=resized --no-flip --cutout=1 s.h5
same "... to the bit" own.h5 asked.h5
for option in --dropout=0.1 --drop-path=0 --randaugment=none --crop=shift --flip --cutout=0; do
	quiet "instead of that, $option" \
		nst-infer -q --no-provenance --noise -m trained.h5 -o asked.h5 $option s.h5
	ok "... is another noise" differ asked.h5 own.h5
done
quiet "raw weights" nst-infer -q --no-provenance --noise --raw-weights -m trained.h5 -o raw.h5 s.h5
ok "... are others" differ raw.h5 own.h5

fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --dropout=0.5 s.h5
fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --drop-path=0.5 s.h5
fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --randaugment=n1,m1 s.h5
fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --crop=plain s.h5
fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --no-flip s.h5
fails 2 "nst-infer: *they need --noise*" nst-infer -m m.h5 --cutout=1 s.h5
fails 2 "nst-infer: --arithmetic=bfloat16 does not go with --noise*" \
	nst-infer -m m.h5 --noise --arithmetic=bfloat16 s.h5
fails 2 "nst-infer: --calibrate fits the model without noise*" \
	nst-infer -m m.h5 --noise --calibrate=s.h5 s.h5
fails 1 "nst-infer: --randaugment: *" nst-infer -m m.h5 --noise --randaugment=q3 -o no.h5 s.h5
fails 2 "nst-infer: *--dropout*" nst-infer -m m.h5 --noise --dropout=1 s.h5
for setting in dropout=2 drop-path=-1 dropout=x flip=7 cutout=1e9 crop=round randaugment=q3; do
	craft model odd.h5 wrn-10-1 8 1 cat dog owl $setting
	fails 1 "nst-infer: 'odd.h5' was trained with '$setting', which makes no sense" \
		nst-infer -m odd.h5 --noise -o no.h5 s.h5
done
ok "... which does not matter without noise" nst-infer -q -m odd.h5 -o even.h5 s.h5
craft model nan.h5 resnet20 8 nan cat dog owl
fails 1 "nst-infer: *'nan.h5' gives no number*" nst-infer -m nan.h5 --noise -o no.h5 s.h5
no_output no.h5

# ---- calibration.  Rows that a model is right about in two cases of three.
{
	echo class cat dog owl
	craft dump clean.h5 | awk '/^row/ { print "row", $2, n++ % 3 ? $4 : ($4 + 1) % 3 }'
} > labels
craft make fit.h5 < labels
attr() { h5dump -a "$1" "$2" | sed -n 's/.*(0): "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p'; }
ok "a calibrated teacher" nst-infer --precision=f32 -m m.h5 --calibrate=fit.h5 -o cal.h5 s.h5
t=$(nst-eval --json --fit-temperature -m m.h5 fit.h5 | sed -n 's/.*"temperature": \([0-9.]*\).*/\1/p')
contains "... says its temperature" "$stderr" "temperature $(printf %.4f "$t"), fitted to 40 labeled images"
like "... and stores it" "$(attr temperature cal.h5)" "$(printf %.4f "$t")*"
ok "... which is that of nst-eval" infer given.h5 --temperature="$t"
is "... and labels with it" "$(near cal.h5 given.h5)" ""
ok "... not without" differ given.h5 clean.h5
h5dump -a history cal.h5 > history
contains "... the rows it was fitted to are in the history" history "$(attr uuid fit.h5)"
for j in 1 3; do
	quiet "-j $j" infer j$j.h5 -j $j --calibrate=fit.h5
done
same "threads change nothing" j1.h5 j3.h5
{ sed 1q labels; sed -n '2,20p' labels; } | craft make fit1.h5
{ sed 1q labels; sed -n '21,$p' labels; } | craft make fit2.h5
quiet "two shards" infer two.h5 --calibrate=fit1.h5 --calibrate=fit2.h5
is "... are one set" "$(attr temperature two.h5)" "$(attr temperature cal.h5)"
quiet "from a pipe" bash -c 'cat fit.h5 | nst-infer -q --no-provenance --precision=f32 -m m.h5 --calibrate=- -o piped.h5 s.h5'
same "... the same" piped.h5 j1.h5
ok "several models" nst-infer -q -m m.h5 -m n.h5 --calibrate=fit.h5 -o both.h5 s.h5
ok "... have one temperature of their own" [ "$(attr temperature both.h5)" != "$(attr temperature cal.h5)" ]
{ sed 1q labels; craft dump clean.h5 | awk '/^row/ { print "row", $2, $4 }'; } | craft make right.h5
ok "a model that is always right" nst-infer -m m.h5 --calibrate=right.h5 -o sharp.h5 s.h5
contains "... is told to be sharper than the search goes" "$stderr" \
	"warning: no temperature between 0.2 and 5 fits best: this is an end"
printf 'class cat\nrow k0 0\nrow k1 -1\n' | craft make half.h5
fails 1 "nst-infer: 'k1' in 'half.h5' has no label to calibrate with" \
	nst-infer -m m.h5 --calibrate=half.h5 -o no.h5 s.h5
fails 1 "nst-infer: class 'emu' of 'emu.h5' is not among the 3 classes of 'm.h5'" bash -c '
	printf "class emu\nrow k0 0\n" | craft make emu.h5
	nst-infer -q -m m.h5 --calibrate=emu.h5 -o no.h5 s.h5'
fails 1 "nst-infer: 'cal.h5' is a prediction, a shard is needed" \
	nst-infer -m m.h5 --calibrate=cal.h5 -o no.h5 s.h5
fails 1 "nst-infer: *'fit.h5'*" nst-infer -m m.h5 --calibrate=fit.h5 -o fit.h5 s.h5
fails 2 "nst-infer: --calibrate finds the temperature that --temperature sets*" \
	nst-infer -m m.h5 --calibrate=fit.h5 --temperature=1 s.h5
fails 2 "nst-infer: standard input cannot be read twice*" \
	bash -c 'cat s.h5 | nst-infer -m m.h5 --calibrate=-'
no_output no.h5

done_testing
