#!/usr/bin/env bash
# nst-mix: roles, copies, targets and weights of what it writes, and what it refuses.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

cat > text <<'END'
class cat dog owl
form full f32
row a 0 0 0.9 0.9 0.05 0.05
row b 0 0 0.6 0.6 0.3 0.1
row d 1 1 0.7 0.2 0.7 0.1
END
craft make p.h5 < text
sed 's/form full f32/form topk 2/' text | craft make topk.h5
sed 's/form full f32/form hard/' text | craft make hard.h5
printf 'class cat dog owl\nrow x 0\nrow y 1\n' | craft make l.h5
printf 'class cat dog owl\nrow z 2\n' | craft make l2.h5
nst-filter -q --per-class=2 -o s.h5 p.h5

# lines FILE: roles, keys, copies.
lines() {
	craft dump "$1" | sed -n 's/^\([lp][a-z]*\) \([^ ]*\) \([0-9]*\) weight [^ ]* copy \([0-9]*\).*/\1 \2 \3 \4/p' |
		tr '\n' ';'
}

ok "a selection and two shards" \
	nst-mix --labeled=l.h5 --labeled=l2.h5 --ratio=3 --weight=0.5 -o m.h5 s.h5
is "... labeled rows first, then copies" "$(lines m.h5)" \
	"labeled x 0 0;labeled y 1 0;labeled z 2 0;pseudo a 0 0;pseudo b 0 0;pseudo d 1 0;pseudo d 1 1;"
craft dump m.h5 > dump
contains "... with their ratio" dump "ratio 3"
contains "... targets and weights" dump "pseudo b 0 weight 0.5 copy 0 0.600 0.300 0.100"
contains "... labeled rows weigh 1" dump "labeled x 0 weight 1 copy 0"
contains "... and the summary says what" "$stderr" "7 rows mixed from 3 labeled and 3 pseudo-labeled ones"

ok "a prediction is a selection of all" nst-mix --labeled=l.h5 -o m.h5 p.h5
is "... once" "$(lines m.h5)" "labeled x 0 0;labeled y 1 0;pseudo a 0 0;pseudo b 0 0;pseudo d 1 0;"
ok "pseudo rows alone" nst-mix -o m.h5 p.h5
is "... make a mix" "$(lines m.h5)" "pseudo a 0 0;pseudo b 0 0;pseudo d 1 0;"

# ---- targets
ok "hard targets of soft ones" nst-mix --hard -o m.h5 p.h5
contains "... hold no probabilities" <(craft dump m.h5 | sed 's/$/|/') "pseudo b 0 weight 1 copy 0|"
ok "hard predictions" nst-mix -o m.h5 hard.h5
contains "... are hard targets" <(craft dump m.h5 | sed 's/$/|/') "pseudo b 0 weight 1 copy 0|"
ok "top-k predictions" nst-mix -o m.h5 topk.h5
contains "... with the rest spread" <(craft dump m.h5) "pseudo b 0 weight 1 copy 0 0.600 0.300 0.100"
# sqrt(.6 .3 .1) / sum
ok "temperature" nst-mix --temperature=2 -o m.h5 p.h5
contains "... of all probabilities" <(craft dump m.h5) "0.473 0.334 0.193"
ok "temperature" nst-mix --temperature=2 -o m.h5 topk.h5
contains "... of the top k" <(craft dump m.h5) "0.473 0.334 0.193"

# ---- sub-sampling, order
ok "two of three" nst-mix --take-pseudo=2 --take-labeled=1 --seed=1 --labeled=l.h5 -o m.h5 p.h5
is "... of each side" "$(lines m.h5 | grep -o 'labeled\|pseudo' | uniq -c | tr -s ' \n' ' ')" \
	" 1 labeled 2 pseudo "
ok "more than there are" nst-mix --take-pseudo=20 --labeled=l.h5 -o m.h5 p.h5
is "... are all" "$(lines m.h5)" "labeled x 0 0;labeled y 1 0;pseudo a 0 0;pseudo b 0 0;pseudo d 1 0;"
ok "shuffled" nst-mix --shuffle --seed=4 --labeled=l.h5 -o m1.h5 p.h5
ok "shuffled again" nst-mix --shuffle --seed=4 --labeled=l.h5 -o m2.h5 p.h5
is "... the same order" "$(lines m1.h5)" "$(lines m2.h5)"
is "... of the same rows" "$(lines m1.h5 | tr ';' '\n' | sort)" "$(lines m.h5 | tr ';' '\n' | sort)"
ok "shuffled otherwise" nst-mix --shuffle --seed=5 --labeled=l.h5 -o m2.h5 p.h5
ok "... is another order" [ "$(lines m1.h5)" != "$(lines m2.h5)" ]
contains "targets follow their rows" <(craft dump m1.h5) "pseudo d 1 weight 1 copy 0 0.200 0.700 0.100"

# ---- where the images are
ok "self-contained" nst-mix --embed --labeled=l.h5 -o m.h5 s.h5
mkdir away && cp m.h5 away
ok "... may go away alone" nst-pack --verify away/m.h5
pipe() { cat s.h5 | nst-mix --labeled=l.h5 - | cat > m2.h5; }
ok "from a pipe" pipe
is "... the same rows" "$(lines m2.h5)" "$(lines m.h5)"
ok "several files" nst-mix --embed --shard-size=400 --labeled=l.h5 -o 'm-%03d.h5' s.h5
is "... of bounded size" "$(echo m-*)" "m-000.h5 m-001.h5"
is "... together everything" "$(lines m-000.h5)$(lines m-001.h5)" "$(lines m.h5)"
pipe() { nst-mix --embed --shard-size=400 --labeled=l.h5 s.h5 > m3.h5; }
ok "several images in a pipe" pipe
is "... together everything" "$(lines m3.h5)" "$(lines m.h5)"
quiet "-q" nst-mix -q --no-provenance --labeled=l.h5 -o one.h5 s.h5
quiet "-q again" nst-mix -q --no-provenance --labeled=l.h5 -o two.h5 s.h5
same "equal runs make equal files" one.h5 two.h5

# ---- both labeled and pseudo-labeled
printf 'class cat dog owl\nrow a 0\n' | craft make la.h5
ok "a key on both sides" nst-mix --labeled=la.h5 -o m.h5 p.h5
contains "... is allowed, with a warning" "$stderr" "warning: 1 key is both labeled and pseudo-labeled"

# ---- soft, hard, hard and smoothed: what the student makes of them
{
	echo class cat dog owl
	for i in $(seq 1 16); do echo "row l$i $((i % 3))"; done
} | craft make labeled.h5
# says TOP REST: 32 rows with these probabilities of the class and of each of the two others.
says() {
	echo class cat dog owl
	echo "form full f32"
	for i in $(seq 1 32); do
		echo "row p$i -1 $((i % 3)) $1 $(for c in 0 1 2; do [ $c = $((i % 3)) ] && echo "$1" || echo "$2"; done | paste -s -d ' ')"
	done
}
says 0.6 0.2 | craft make teacher.h5
says 0.9333333 0.03333333 | craft make smoothed.h5
# learn NAME PREDICTION MIX-OPTION... -- TRAIN-OPTION...: the losses of the pseudo-labeled rows, by
# epoch, to six digits.
learn() {
	local name=$1 from=$2 mix=()
	shift 2
	while [ "$1" != -- ]; do mix+=("$1"); shift; done
	shift
	nst-mix -q --labeled=labeled.h5 --ratio=2 "${mix[@]}" -o mixed.h5 "$from" &&
		nst-train -q --arch=wrn-10-1 --size=8 --epochs=2 --batch=8 --crop=plain --no-flip \
			--log="$name.tsv" -o "$name-student.h5" "$@" mixed.h5 &&
		awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "pseudo_loss") at = i }
			NR > 1 { printf "%.6f\n", $at }' "$name.tsv" > "$name"
}
ok "soft" learn soft teacher.h5 --soft --
ok "hard and smoothed" learn hard-smooth teacher.h5 --hard --
ok "hard" learn hard teacher.h5 --hard -- --no-smooth-pseudo
is "... are three trainings" "$(cat soft hard-smooth hard | sort -u | wc -l)" 6
is "... of two epochs" "$(cat soft hard-smooth hard | wc -l)" 6
ok "soft labels that are what smoothing makes" learn twin smoothed.h5 --soft --
is "... are hard and smoothed ones" "$(paste hard-smooth twin | awk '($1 - $2) ^ 2 > 1e-8')" ""
ok "... and not smoothed once more" learn twin2 smoothed.h5 --soft -- --no-smooth-pseudo
same "... with or without the option" twin.tsv twin2.tsv
ok "less smoothing" learn less teacher.h5 --hard -- --label-smoothing=0.02
ok "... is another training" [ "$(cat less)" != "$(cat hard-smooth)" ]
says 0.98 0.01 | craft make sure.h5
ok "hard labels of a surer teacher" learn sure sure.h5 --hard -- --no-smooth-pseudo
same "... are the same labels" sure.tsv hard.tsv

# ---- refused
printf 'class cat dog owl\nrow u -1\n' | craft make u.h5
fails 1 "nst-mix: 'u.h5': 'u' has no label" nst-mix --labeled=l.h5 --labeled=u.h5 -o no.h5 p.h5
printf 'class dog cat owl\nrow u 0\n' | craft make order.h5
fails 1 "nst-mix: class tables differ: class 0 is 'dog' in 'order.h5' and 'cat' in 'p.h5'" \
	nst-mix --labeled=order.h5 -o no.h5 p.h5
fails 1 "nst-mix: class tables differ: class 0 is 'cat' in 'l.h5' and 'dog' in 'order.h5'" \
	nst-mix --labeled=l.h5 --labeled=order.h5 -o no.h5 p.h5
fails 1 "nst-mix: key 'x' occurs twice, in 'l.h5' and in 'l1.h5'" \
	bash -c 'cp l.h5 l1.h5 && nst-mix --labeled=l.h5 --labeled=l1.h5 -o no.h5 p.h5'
fails 1 "nst-mix: key 'a' occurs twice, in 'p.h5' and in 's.h5'" nst-mix -o no.h5 p.h5 s.h5
fails 1 "nst-mix: 'p.h5' is a prediction, a shard is needed" nst-mix --labeled=p.h5 -o no.h5 p.h5
fails 1 "nst-mix: 'l.h5' is a shard, *prediction*selection*needed" nst-mix -o no.h5 l.h5
fails 1 "nst-mix: 'hard.h5' has hard labels*" nst-mix --soft -o no.h5 hard.h5
fails 1 "nst-mix: 'hard.h5' has hard labels*" nst-mix --temperature=2 -o no.h5 hard.h5
sed 's/^row /row t/; s/form full f32/form topk 2/' text | craft make topk2.h5
fails 1 "nst-mix: 'topk2.h5' has the top 2 probabilities*, but 'p.h5' has all probabilities*" \
	nst-mix -o no.h5 p.h5 topk2.h5
ok "two forms as hard labels" nst-mix --hard -o m.h5 p.h5 topk2.h5
fails 1 "nst-mix: *'s.h5'*" nst-mix --labeled=l.h5 -o s.h5 s.h5
fails 1 "nst-mix: *'l.h5'*" nst-mix --labeled=l.h5 -o l.h5 s.h5
cp p.h5 moved.h5
nst-filter -q -o refers.h5 moved.h5
rm moved.h5
fails 1 "nst-mix: *'refers.h5'*moved.h5'*" nst-mix -o no.h5 refers.h5
cp topk.h5 moved.h5
fails 1 "nst-mix: *'refers.h5'*moved.h5'*" nst-mix -o no.h5 refers.h5
fails 1 "nst-mix: *'b%d-%d.h5'*" nst-mix --embed --shard-size=400 -o 'b%d-%d.h5' p.h5
no_output no.h5
fails 2 "nst-mix: standard input cannot be both*" nst-mix --labeled=- -
fails 2 "nst-mix: standard input cannot be both*" nst-mix --labeled=-
fails 2 "nst-mix: --temperature is for soft targets*" nst-mix --hard --temperature=2 p.h5
fails 2 "nst-mix: --compress is for soft targets*" nst-mix --hard --compress=gzip p.h5
fails 2 "nst-mix: --take-labeled chooses rows of --labeled*" nst-mix --take-labeled=2 p.h5
fails 2 "nst-mix: --shard-size needs --embed*" nst-mix --shard-size=400 p.h5
fails 2 "nst-mix: --shard-size needs a name*" nst-mix --embed --shard-size=400 -o m.h5 p.h5
fails 2 "nst-mix: a name with a number needs*" nst-mix --embed -o 'm-%d.h5' p.h5
fails 2 "nst-mix: *--ratio*" nst-mix --ratio=0 p.h5

done_testing
