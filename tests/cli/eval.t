#!/usr/bin/env bash
# nst-eval: numbers known beforehand, the forms of output, and what it refuses.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

# Four of six right; the label's probabilities .9 .6 .4 .7 .32 .6, confidences .9 .6 .5 .7 .35 .6.
cat > text <<'END'
class cat dog owl
form full f32
row a 0 0 0.9 0.9 0.05 0.05
row b 0 0 0.6 0.6 0.3 0.1
row c 1 0 0.5 0.5 0.4 0.1
row d 1 1 0.7 0.2 0.7 0.1
row e 2 1 0.35 0.33 0.35 0.32
row f 2 2 0.6 0.2 0.2 0.6
END
craft make p.h5 < text

quiet "a prediction" nst-eval p.h5
contains "... its accuracy" "$stdout" "66.67%"
quiet "as JSON" nst-eval --json p.h5
cp "$stdout" json
contains "... rows" json '"rows": 6'
contains "... top1" json '"top1": 0.66666'
contains "... top5 of three classes" json '"top5": 1.0'
contains "... nll is the mean of -ln p" json '"nll": 0.58990'
# Bins (5/15,6/15] .35 wrong; (7/15,8/15] .5 wrong; (8/15,9/15] .6 .6 right; .7 right; .9 right:
# (.35 + .5 + .8 + .3 + .1) / 6
contains "... ece" json '"ece": 0.34166'
contains "... the mean of classes" json '"balanced": 0.66666'
quiet "to a file" nst-eval --json -o out.json p.h5
is "... and not to standard output" "$(cat "$stdout")" ""
same "... the same" out.json json
quiet "from standard input" bash -c 'nst-eval --json < p.h5'
same "... the same" "$stdout" json
quiet "every class" nst-eval --json --per-class --confusion p.h5
contains "... has its rows" "$stdout" '"class": "dog"'
contains "... and its row of the matrix" "$stdout" '[0, 1, 1]'
quiet "every class for people" nst-eval --per-class --confusion p.h5
like "... in a table" "$(grep ^dog "$stdout" | head -n 1)" "dog  *2   50.00%  100.00%"
like "... and a matrix" "$(grep ^owl "$stdout" | tail -n 1)" "owl  *0  *1  *1"
quiet "a report" nst-eval --report=report.h5 p.h5
ok "... is a file of ours" nst-pack --verify report.h5

# ---- what the input cannot tell
printf 'class a b c d e f g\nform hard\nrow x 0 0 0.9 1 0 0 0 0 0 0\nrow y 1 2 0.5 0 0 1 0 0 0 0\n' |
	craft make hard.h5
quiet "hard labels" nst-eval --json hard.h5
contains "... have accuracy" "$stdout" '"top1": 0.5'
contains "... but no log loss" "$stdout" '"nll": null'
contains "... and no top five" "$stdout" '"top5": null'
quiet "hard labels for people" nst-eval --per-class hard.h5
like "... show a dash" "$(grep ^top-5 "$stdout")" "top-5  *-"
like "... and for classes without rows" "$(grep '^g ' "$stdout")" "g  *0  *-  *-"
printf 'class a b c d e f g\nform topk 5\nrow x 6 0 0.5 0.5 0.2 0.1 0.1 0.05 0.03 0.02\nrow y 4 0 0.5 0.5 0.2 0.1 0.1 0.05 0.03 0.02\n' |
	craft make topk.h5
quiet "the top five" nst-eval --json topk.h5
contains "... know who is among them" "$stdout" '"top5": 0.5'

# ---- labels
sed 's/^row c 1/row c -1/' text | craft make unlabeled.h5
fails 1 "nst-eval: 'unlabeled.h5': row 2 has no label*" nst-eval unlabeled.h5
quiet "unlabeled rows" nst-eval --json --skip-unlabeled unlabeled.h5
contains "... can be left out" "$stdout" '"rows": 5'
contains "... and are counted" "$stdout" '"skipped": 1'
sed 's/^row \(.\) ./row \1 -1/' text | craft make none.h5
fails 1 "nst-eval: there is no labeled row*" nst-eval --skip-unlabeled none.h5

# ---- models
craft model m.h5 resnet20 8 1 cat dog owl
printf 'class owl cat\nrow x 0\nrow y 1\nrow z 1\n' | craft make test.h5
quiet "a model and a test set that lacks a class" nst-eval --json --per-class --confusion -m m.h5 test.h5
contains "... and has another order: matched by name" <(tr -d ' \n' < "$stdout") \
	'"class":"owl","rows":1'
contains "... no rows of a class: null" <(tr -d ' \n' < "$stdout") '"class":"dog","rows":0,"top1":null'
quiet "the same through predictions" bash -c 'nst-infer -q --precision=f32 -m m.h5 -o q.h5 test.h5 &&
	nst-eval --json --per-class --confusion q.h5'
cp "$stdout" stored
quiet "... asked" nst-eval --json --per-class --confusion -m m.h5 test.h5
same "... equals stored" "$stdout" stored
quiet "one model twice" nst-eval --json -m m.h5 -m m.h5 test.h5
is "... is that model" "$(grep top1 "$stdout")" "$(grep -m 1 top1 stored)"
for j in 1 2; do
	quiet "-j $j" nst-eval --json -j $j -m m.h5 test.h5
	cp "$stdout" j$j
done
same "... changes nothing" j1 j2

printf 'class cat zebra\nrow x 0\nrow y 1\n' | craft make zebra.h5
fails 1 "nst-eval: class 'zebra' of 'zebra.h5' is not among the 3 classes of 'm.h5'" \
	nst-eval -m m.h5 zebra.h5
printf 'class cat dog\nrow x 0\nrow y -1\n' | craft make half.h5
fails 1 "nst-eval: *'y'*'half.h5'*has no label*" nst-eval -m m.h5 half.h5
quiet "... or it is left out" nst-eval -m m.h5 --skip-unlabeled half.h5
craft model other.h5 resnet20 8 1 cat dog eel
fails 1 "nst-eval: class tables differ: 'other.h5' has class 'eel', 'm.h5' does not" \
	nst-eval -m m.h5 -m other.h5 test.h5
fails 1 "nst-eval: 'test.h5' is a shard, a model is needed" nst-eval -m test.h5 test.h5
fails 1 "nst-eval: 'm.h5' is a model, a shard is needed" nst-eval -m m.h5 m.h5
fails 1 "nst-eval: 'test.h5' is a shard, *prediction*needed" nst-eval test.h5
fails 1 "nst-eval: *'missing.h5'*No such file*" nst-eval -m missing.h5 test.h5
: > zero.h5
fails 1 "nst-eval: *'zero.h5'*" nst-eval -m m.h5 zero.h5
craft model nan.h5 resnet20 8 nan cat dog owl
fails 1 "nst-eval: *nan*" nst-eval -m nan.h5 test.h5
fails 1 "nst-eval: *'nowhere/x.json'*" nst-eval -o nowhere/x.json p.h5
fails 1 "nst-eval: the output 'p.h5' is also an input" nst-eval --report=p.h5 p.h5
fails 1 "nst-eval: the output 'p.h5' is also an input" nst-eval -o p.h5 p.h5
fails 1 "nst-eval: the output 'm.h5' is also an input" nst-eval -o m.h5 -m m.h5 test.h5
sed 's/owl/eel/; s/^row /row x/' text | craft make eel.h5
fails 1 "nst-eval: class tables differ: class 2 is 'owl' in 'p.h5' and 'eel' in 'eel.h5'" \
	nst-eval p.h5 eel.h5
if [ -w /dev/full ]; then
	run bash -c 'nst-eval p.h5 > /dev/full'
	is "no space left: status" $status 1
	contains "... and a sentence" "$stderr" "No space left on device"
else
	skip "there is no /dev/full" "no space left"
fi
fails 2 "nst-eval: --temperature and --raw-weights are for models*" nst-eval --temperature=2 p.h5

# ---- temperature.  Rows that a model is right about in two cases of three.
craft model n.h5 resnet20 8 2 owl cat dog
{ echo class cat dog owl; for i in $(seq 1 90); do echo "row r$i -1"; done; } | craft make u.h5
nst-infer -q -m m.h5 -o u-p.h5 u.h5
{
	echo class cat dog owl
	craft dump u-p.h5 | awk '/^row/ { print "row", $2, n++ % 3 ? $4 : ($4 + 1) % 3 }'
} | craft make fit.h5

# number NAME FILE: a value of JSON.
number() { sed -n "s/.*\"$1\": \([-0-9.e]*\).*/\1/p" "$2" | head -n "${3:-1}" | tail -n 1; }
quiet "a fitted temperature" nst-eval --json --fit-temperature -m m.h5 fit.h5
cp "$stdout" fitted.json
quiet "... beside what is without" nst-eval --json -m m.h5 fit.h5
is "... which stays" "$(grep -v 'fitted\|    "\|  }' fitted.json | tr -d ,)" "$(tr -d , < "$stdout")"
t=$(number temperature fitted.json)
ok "... lies within the interval" awk -v t="$t" 'BEGIN { exit !(t > .21 && t < 4.99) }'
sed -n '/"fitted"/,$p' fitted.json > fitted
quiet "at that temperature" nst-eval --json --temperature="$t" -m m.h5 fit.h5
is "... the log loss is what was said" "$(number nll "$stdout" | cut -c 1-9)" "$(number nll fitted | cut -c 1-9)"
is "... and the calibration error" "$(number ece "$stdout" | cut -c 1-9)" "$(number ece fitted | cut -c 1-9)"
is "... no class has changed" "$(number top1 "$stdout")" "$(number top1 fitted.json)"
for near in 0.98 1.02; do
	other=$(awk -v t="$t" -v by=$near 'BEGIN { print t * by }')
	run nst-eval --json --temperature="$other" -m m.h5 fit.h5
	ok "... $near of it is worse" awk -v a="$(number nll "$stdout")" -v b="$(number nll fitted)" \
		'BEGIN { exit !(a > b) }'
done
for j in 1 3; do
	quiet "-j $j" nst-eval --json -j $j --fit-temperature -m m.h5 -m n.h5 fit.h5
	cp "$stdout" fit$j
done
same "... of two models, in any number of threads" fit1 fit3
ok "... is another one" [ "$(number temperature fit1)" != "$t" ]
quiet "for people" nst-eval --fit-temperature -m m.h5 --report=report.h5 fit.h5
like "... in the table" "$(grep ^temperature "$stdout")" "temperature  *$(printf %.4f "$t")"
ok "... and in the report" nst-pack --verify report.h5
h5dump -d metric/name report.h5 > dump
contains "... by name" dump fitted_temperature
sed 's/^row r7 .*/row r7 -1/' <(craft dump fit.h5 | grep '^class\|^row') | craft make gap.h5
quiet "without unlabeled rows" nst-eval --json --skip-unlabeled --fit-temperature -m m.h5 gap.h5
contains "... fits the others" "$stdout" '"rows": 89'
fails 2 "nst-eval: --fit-temperature finds the temperature*" \
	nst-eval --fit-temperature --temperature=2 -m m.h5 fit.h5
fails 2 "nst-eval: --fit-temperature is for models*" nst-eval --fit-temperature p.h5

done_testing
