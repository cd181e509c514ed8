#!/usr/bin/env bash
# nst-filter: the rules on predictions made by hand, both passes, and what it refuses.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

cat > text <<'END'
class cat dog owl
form full f32
row a 0 0 0.9 0.9 0.05 0.05
row b 0 0 0.6 0.6 0.3 0.1
row c 1 0 0.5 0.5 0.4 0.1
row d 1 1 0.7 0.2 0.7 0.1
row e 2 1 0.35 0.33 0.35 0.32
row f 2 2 0.2 0.3 0.3 0.4
END
craft make p.h5 < text

# kept FILE: keys and copies in one line.
kept() {
	craft dump "$1" | sed -n 's/^row \([^ ]*\) .* x\([0-9]*\).*/\1*\2/p' | tr '\n' ' '
}

# ---- the exact rule
ok "no rule keeps everything" nst-filter -o s.h5 p.h5
is "... once" "$(kept s.h5)" "a*1 b*1 c*1 d*1 e*1 f*1 "
contains "... and says so" "$stderr" "6 read, 0 below the threshold, 0 above the maximum, 0 over the cap, 6 kept as 6 rows"

ok "a threshold" nst-filter --min-confidence=0.5 -o s.h5 p.h5
is "... keeps equal and better ones" "$(kept s.h5)" "a*1 b*1 c*1 d*1 "
contains "... and warns of an empty class" "$stderr" "1 of 3 classes keep nothing, class 'owl' for one"
ok "a threshold that no float is" nst-filter -c 0.35 -o s.h5 p.h5
is "... keeps what was rounded likewise" "$(kept s.h5)" "a*1 b*1 c*1 d*1 e*1 "
ok "a maximum" nst-filter --max-confidence=0.6 -o s.h5 p.h5
is "... drops better ones" "$(kept s.h5)" "b*1 c*1 e*1 f*1 "

ok "a cap without copies" nst-filter --per-class=2 --no-duplicate -o s.h5 p.h5
is "... keeps the best" "$(kept s.h5)" "a*1 b*1 d*1 e*1 f*1 "
ok "a cap with copies" nst-filter -v --per-class=2 --report=r.json -o s.h5 p.h5
is "... fills up" "$(kept s.h5)" "a*1 b*1 d*1 e*1 f*2 "
contains "... -v tells it by class" "$stderr" "class 'cat': 3 read, 0 below the threshold, 0 above the maximum, 1 over the cap, 2 kept as 2 rows"
contains "... the report counts rows" r.json '"rows": 6'
contains "... and what the cap dropped" r.json '"capped": 1'
contains "... with readable numbers" r.json '"lowest": 0.35'
ok "copies that do not divide" nst-filter --per-class=5 --seed=1 -o s.h5 p.h5
is "... are spread" "$(kept s.h5 | sed 's/[a-f]//g' | tr ' ' '\n' | sort | tr '\n' ' ')" \
	"*1 *2 *2 *2 *3 *5 "
ok "another seed" nst-filter --per-class=5 --seed=2 -o t.h5 p.h5
ok "the same seed" nst-filter --per-class=5 --seed=1 -o u.h5 p.h5
is "... the same copies" "$(kept u.h5)" "$(kept s.h5)"

# ---- order and pipes
{ sed 2q text; sed -n '3,$p' text | tac; } | craft make reversed.h5
ok "the same rows in another order" nst-filter --per-class=5 --seed=1 -o u.h5 reversed.h5
is "... are kept with the same copies" "$(kept u.h5 | tr ' ' '\n' | sort | tr '\n' ' ')" \
	"$(kept s.h5 | tr ' ' '\n' | sort | tr '\n' ' ')"
pipe() { nst-filter --per-class=5 --seed=1 < p.h5 > u.h5; }
ok "from standard input" pipe
is "... the same" "$(kept u.h5)" "$(kept s.h5)"
pipe() { cat p.h5 | nst-filter --per-class=5 --seed=1 - | cat > u.h5; }
ok "through pipes" pipe
is "... the same" "$(kept u.h5)" "$(kept s.h5)"
contains "the targets are those of the input" <(craft dump u.h5) "row e 2 1 0.3500 x"
contains "... to the digit" <(craft dump u.h5) "0.330 0.350 0.320"
quiet "-q" nst-filter -q --per-class=1 --no-provenance -o one.h5 p.h5
quiet "-q again" nst-filter -q --per-class=1 --no-provenance -o two.h5 p.h5
same "equal runs make equal files" one.h5 two.h5

# Two files become one, and two images in a pipe.
sed '/^row [d-f]/d' text | craft make p1.h5
sed '/^row [a-c]/d' text | craft make p2.h5
ok "two files" nst-filter --per-class=5 --seed=1 -o u.h5 p1.h5 p2.h5
is "... count as one" "$(kept u.h5)" "$(kept s.h5)"
is "... and become one" "$(craft dump u.h5 | grep -c selection)" 1
pipe() { nst-filter --per-class=5 --seed=1 p1.h5 p2.h5 > u.h5; }
ok "two files into a pipe" pipe
is "... stay two images" "$(craft dump u.h5 | grep -c selection)" 2
is "... of the same rows" "$(kept u.h5)" "$(kept s.h5)"

# ---- the grid rule
ok "statistics" nst-filter --stats-only -o stats.h5 p.h5
is "... are counted by class and hundredth" "$(craft dump stats.h5 | tr '\n' ';')" \
	"statistics;cat 3 50:1 60:1 90:1;dog 2 35:1 70:1;owl 1 20:1;"
ok "statistics of the parts" nst-filter --stats-only -o stats1.h5 p1.h5
ok "... and the other part" nst-filter --stats-only -o stats2.h5 p2.h5
ok "thresholds of the whole" nst-filter --stats=stats.h5 --per-class=2 -o s.h5 p.h5
is "... reach the wanted number" "$(kept s.h5)" "a*1 b*1 d*1 e*1 f*2 "
for i in 1 2; do
	ok "thresholds of added parts, part $i" \
		nst-filter --stats=stats1.h5 --stats=stats2.h5 --per-class=2 -o u$i.h5 p$i.h5
done
is "... keep the same" "$(kept u1.h5)$(kept u2.h5)" "$(kept s.h5)"
ok "the grid rule without statistics files" nst-filter --mode=grid --per-class=2 -o u.h5 p.h5
is "... counts by itself" "$(kept u.h5)" "$(kept s.h5)"
ok "an empty part of a full whole" nst-filter --stats=stats.h5 --min-confidence=0.7 -q -o u.h5 p2.h5
cp p1.h5 p1b.h5
ok "no row of this file, but of others" \
	nst-filter --stats=stats.h5 --per-class=1 --min-confidence=0.8 -o u.h5 p2.h5
is "... is an empty selection" "$(kept u.h5)" ""

# ---- refused
fails 1 "nst-filter: no prediction is kept: of 6 the highest confidence is 0.900 (*" \
	nst-filter --min-confidence=0.95 -o no.h5 p.h5
no_output no.h5
quiet "unless it is accepted" nst-filter -q --min-confidence=0.95 --allow-empty -o empty.h5 p.h5
is "... an empty selection" "$(kept empty.h5)" ""
fails 1 "nst-filter: key 'a' occurs twice, in 'p.h5' and in 'p1b.h5'" nst-filter -o no.h5 p.h5 p1b.h5
fails 1 "nst-filter: 'dup.h5': key 'a' occurs twice, in rows 0 and 6" \
	bash -c '{ cat text; echo row a 0 0 0.9 0.9 0.05 0.05; } | craft make dup.h5 && nst-filter dup.h5'
sed 's/owl/eel/' text | sed 's/^row /row x/' | craft make eel.h5
fails 1 "nst-filter: class tables differ: class 2 is 'owl' in 'p.h5' and 'eel' in 'eel.h5'" \
	nst-filter -o no.h5 p.h5 eel.h5
fails 1 "nst-filter: class tables differ: class 2 is 'owl' in 'p.h5' and 'eel' in 'stats-eel.h5'" \
	bash -c 'nst-filter -q --stats-only -o stats-eel.h5 eel.h5 &&
		nst-filter --stats=stats-eel.h5 -o no.h5 p.h5'
printf 'class cat dog\nform full\nrow z 0 0 0.9 0.9 0.1\n' | craft make two.h5
fails 1 "nst-filter: class tables differ: 'p.h5' has 3 classes, 'two.h5' has 2" \
	nst-filter -o no.h5 p.h5 two.h5
sed 's/form full f32/form topk 2/; s/^row /row t/' text | craft make topk.h5
fails 1 "nst-filter: 'topk.h5' has the top 2 probabilities in 16-bit numbers, but 'p.h5' has all probabilities in 32-bit numbers" \
	nst-filter -o no.h5 p.h5 topk.h5
sed 's/0.9 0.9/0.9 nan/' text | craft make nan.h5
fails 1 "nst-filter: *'nan.h5'*" nst-filter -o no.h5 nan.h5
printf 'class cat\nrow a 0\n' | craft make shard.h5
fails 1 "nst-filter: 'shard.h5' is a shard, a prediction is needed" nst-filter -o no.h5 shard.h5
fails 1 "nst-filter: *'p.h5'*statistics*needed*" nst-filter --stats=p.h5 -o no.h5 p.h5
fails 1 "nst-filter: *'missing.h5'*No such file*" nst-filter -o no.h5 missing.h5
: > zero.h5
fails 1 "nst-filter: *'zero.h5'*" nst-filter -o no.h5 zero.h5
head -c 3000 p.h5 > cut.h5
fails 1 "nst-filter: *'cut.h5'*" nst-filter -o no.h5 cut.h5
fails 1 "nst-filter: *standard input*" bash -c 'head -c 3000 p.h5 | nst-filter -o no.h5'
fails 1 "nst-filter: *'p.h5'*" nst-filter -o p.h5 p.h5
fails 1 "nst-filter: *'stats.h5'*" nst-filter --stats=stats.h5 -o stats.h5 p.h5
fails 1 "nst-filter: the output 'p.h5' is also an input" nst-filter --report=p.h5 -o no.h5 p.h5
fails 1 "nst-filter: *'nowhere/no.h5'*" nst-filter -o nowhere/no.h5 p.h5
no_output no.h5
ok "the input is untouched" craft dump p.h5
if [ -w /dev/full ]; then
	fails 1 "nst-filter: *No space left on device" bash -c 'nst-filter -q p.h5 > /dev/full'
else
	skip "there is no /dev/full" "no space left"
fi
fails 2 "nst-filter: *--min-confidence*" nst-filter --min-confidence=1.5 p.h5
fails 2 "nst-filter: *--per-class*" nst-filter --per-class=0 p.h5
fails 2 "nst-filter: --mode=exact cannot use --stats*" nst-filter --mode=exact --stats=stats.h5 p.h5
fails 2 "nst-filter: --stats-only goes with neither*" nst-filter --stats-only --stats=stats.h5 p.h5

done_testing
