#!/usr/bin/env bash
# nst-filter: the rules beyond confidence and cap - margin, entropy, rank, floor, gap, agreement,
# relabeling - against twins in awk, on random rows of which some classes have few or none.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

# make_text SEED: a prediction of 300 rows over five classes; the last is never predicted.
make_text() {
	awk -v seed="$1" 'BEGIN {
		srand(seed)
		print "class cat dog owl eel yak"
		print "form full f32"
		print "model 00000000-0000-0000-0000-00000000000" seed
		for (i = 0; i < 300; i++) {
			sum = 0
			for (c = 0; c < 5; c++) {
				p[c] = (c < 4) * (rand() ^ 3 * (c == 0 ? 3 : c == 3 ? .45 : 1) + .002)
				sum += p[c]
			}
			top = 0
			for (c = 0; c < 5; c++) {
				p[c] /= sum
				if (p[c] > p[top])
					top = c
			}
			printf "row k%03d -1 %d %.6f", i, top, p[top]
			for (c = 0; c < 5; c++)
				printf " %.6f", p[c]
			print ""
		}
	}'
}
for i in 1 2 3; do
	make_text $i > text$i
	craft make p$i.h5 < text$i
done

# kept FILE: keys and copies, a line each, sorted.
kept() {
	craft dump "$1" | sed -n 's/^row \([^ ]*\) .* x\([0-9]*\).*/\1*\2/p' | sort
}

# measures: of text1 a line each: key class confidence margin entropy, best confidence first.
awk '/^row/ {
	second = h = 0
	for (i = 6; i <= NF; i++) {
		if (i - 6 != $4 && $i > second)
			second = $i
		if ($i > 0)
			h -= $i * log($i)
	}
	printf "%s %d %.6f %.6f %.6f\n", $2, $4, $5, $5 - second, h
}' text1 | sort -k3,3 -r > measures
is "the rows are of four classes of five" "$(cut -d ' ' -f 2 measures | sort -u | tr '\n' ' ')" "0 1 2 3 "
is "... of which one is small" "$(awk '$2 == 3' measures | wc -l | awk '{ print($1 > 5 && $1 < 40) }')" 1

# once: print keys of the twin's rows, one copy each.
once() { sort | sed 's/$/*1/'; }

# ---- every row that meets the criteria (use_all)
ok "confidence, margin and entropy together" nst-filter --report=r.json \
	--min-confidence=0.6000005 --min-margin=0.4000005 --max-entropy=0.8000005 -o s.h5 p1.h5
is "... keep what the twin keeps" "$(kept s.h5)" \
	"$(awk '$3 > .6 && $4 > .4 && $5 <= .8 { print $1 }' measures | once)"
contains "... count the margin first" r.json "\"margin\": $(awk '$4 <= .4' measures | wc -l)"
contains "... then the entropy" r.json "\"entropy\": $(awk '$4 > .4 && $5 > .8' measures | wc -l)"
contains "... then the confidence" r.json \
	"\"below\": $(awk '$4 > .4 && $5 <= .8 && $3 <= .6' measures | wc -l)"
contains "... and say so" "$stderr" \
	"300 read, $(awk '$4 <= .4' measures | wc -l) below the margin, $(awk '$4 > .4 && $5 > .8' measures | wc -l) above the entropy, "
ok "a margin alone" nst-filter --min-margin=0.2000005 -o s.h5 p1.h5
is "... keeps what the twin keeps" "$(kept s.h5)" "$(awk '$4 > .2 { print $1 }' measures | once)"
ok "an entropy alone" nst-filter --max-entropy=1.0000005 -o s.h5 p1.h5
is "... keeps what the twin keeps" "$(kept s.h5)" "$(awk '$5 <= 1 { print $1 }' measures | once)"
ok "no such rule" nst-filter --report=r.json -o s.h5 p1.h5
is "... nothing about it in the report" "$(grep -c 'margin\|entropy\|disagreed\|gap\|filled' r.json)" 0
is "... keeps everything once" "$(kept s.h5)" "$(cut -d ' ' -f 1 measures | once)"

# ---- the best 20 of a class by another measure
best() { sort -k "$1" | awk -v n="$2" 'count[$2]++ < n { print $1 }' | once; }
ok "the best by margin" nst-filter --rank=margin --per-class=20 --no-duplicate -o s.h5 p1.h5
is "... are the twin's" "$(kept s.h5)" "$(best 4,4nr 20 < measures)"
margin=$(kept s.h5)
ok "the best by entropy" nst-filter --rank=entropy --per-class=20 --no-duplicate -o s.h5 p1.h5
is "... are the twin's" "$(kept s.h5)" "$(best 5,5n 20 < measures)"
ok "... and others than by margin" [ "$(kept s.h5)" != "$margin" ]
ok "the best by confidence" nst-filter --rank=confidence --per-class=20 --no-duplicate -o s.h5 p1.h5
is "... are the twin's" "$(kept s.h5)" "$(best 3,3nr 20 < measures)"
ok "... which is the default" nst-filter --per-class=20 --no-duplicate -o t.h5 p1.h5
is "... the same" "$(kept t.h5)" "$(kept s.h5)"
ok "thresholds stay those of the confidence" \
	nst-filter --rank=entropy --min-confidence=0.8000005 --per-class=20 --no-duplicate -o s.h5 p1.h5
is "... are the twin's" "$(kept s.h5)" "$(awk '$3 > .8' measures | best 5,5n 20)"

# ---- floor and gap.  twin FLOOR GAP FIELD,...: from rows in falling order of rank.
twin() {
	awk -v floor="$1" -v gap="$2" '
	{ key[$2, size[$2]++] = $1 }
	END {
		for (c in size) {
			total = size[c] < floor ? floor : size[c]
			if (smallest == "" || total < smallest)
				smallest = total
		}
		for (c in size) {
			keep = gap >= 0 && size[c] > smallest + gap ? smallest + gap : size[c]
			for (i = 0; i < (keep < floor ? floor : keep); i++)
				copies[key[c, i % keep]]++
		}
		for (k in copies)
			print k "*" copies[k]
	}' | sort
}
ok "a floor" nst-filter -v --class-floor=70 --report=r.json -o s.h5 p1.h5
is "... fills small classes, the best first" "$(kept s.h5)" "$(twin 70 -1 < measures)"
contains "... says how many copies" "$stderr" "are copies for the floor"
contains "... and counts them" r.json "\"filled\": $(kept s.h5 | awk -F '*' '{ n += $2 - 1 } END { print n }')"
contains "... a class without rows stays empty" "$stderr" "1 of 5 classes keep nothing, class 'yak' for one"
ok "a gap" nst-filter --class-gap=15 --report=r.json -o s.h5 p1.h5
is "... cuts large classes to the smallest that has rows" "$(kept s.h5)" "$(twin 0 15 < measures)"
contains "... counts what it cut" r.json "\"gap\": $((300 - $(kept s.h5 | wc -l)))"
ok "no gap at all" nst-filter --class-gap=0 -o s.h5 p1.h5
is "... makes classes equal" "$(kept s.h5)" "$(twin 0 0 < measures)"
ok "floor and gap" nst-filter -c 0.5000005 --class-floor=50 --class-gap=10 -o s.h5 p1.h5
is "... count what was filled" "$(kept s.h5)" "$(awk '$3 > .5' measures | twin 50 10)"
ok "floor and gap by entropy" nst-filter --rank=entropy --class-floor=40 --class-gap=10 -o s.h5 p1.h5
is "... go by its order" "$(kept s.h5)" "$(sort -k 5,5n measures | twin 40 10)"
ok "a cap with a floor" nst-filter --per-class=60 --class-floor=40 -o s.h5 p1.h5
is "... is a cap alone" "$(kept s.h5)" \
	"$(awk 'count[$2]++ < 60' measures | twin 40 -1)"
ok "a cap with a gap" nst-filter --per-class=60 --class-gap=30 -o s.h5 p1.h5
is "... is one, too" "$(kept s.h5)" "$(awk 'count[$2]++ < 60' measures | twin 0 30)"
for j in 1 3; do
	quiet "-j $j" nst-filter -q -j $j --no-provenance --rank=margin --class-floor=40 \
		--class-gap=10 --agree=p2.h5 -o j$j.h5 p1.h5
done
same "threads change nothing" j1.h5 j3.h5
{ sed 3q text1; sed -n '4,$p' text1 | tac; } | craft make reversed.h5
ok "another order of rows" nst-filter --rank=entropy --class-floor=40 --class-gap=10 -o t.h5 reversed.h5
is "... changes nothing" "$(kept t.h5)" "$(sort -k 5,5n measures | twin 40 10)"

# ---- agreement.  votes: of each row how many of three name its class.
paste -d ' ' <(awk '/^row/ { print $2, $4 }' text1) <(awk '/^row/ { print $4 }' text2) \
	<(awk '/^row/ { print $4 }' text3) | awk '{ print $1, 1 + ($3 == $2) + ($4 == $2) }' > votes
ok "three teachers" nst-filter --agree=p2.h5 --agree=p3.h5 --report=r.json -o s.h5 p1.h5
is "... all agree" "$(kept s.h5)" "$(awk '$2 == 3 { print $1 }' votes | once)"
contains "... what they disagree about is counted" r.json "\"disagreed\": $(awk '$2 < 3' votes | wc -l)"
contains "... and told" "$stderr" "300 read, $(awk '$2 < 3' votes | wc -l) disagreed about, 0 below"
is "... targets are those of the first" "$(craft dump s.h5 | grep ^row | sed 's/ x1 / /')" \
	"$(craft dump p1.h5 | grep ^row | grep -f <(awk '$2 == 3 { print "row " $1 " " }' votes))"
ok "two of three" nst-filter --agree=p2.h5 --agree=p3.h5 --min-agree=2 -o s.h5 p1.h5
is "... are enough" "$(kept s.h5)" "$(awk '$2 >= 2 { print $1 }' votes | once)"
ok "... the same through a pipe" bash -c 'cat p1.h5 |
	nst-filter -q --agree=p2.h5 --agree=p3.h5 --min-agree=2 > t.h5'
is "... the same rows" "$(kept t.h5)" "$(kept s.h5)"
ok "... or with a teacher from a pipe" bash -c 'cat p2.h5 |
	nst-filter -q --agree=- --agree=p3.h5 --min-agree=2 -o t.h5 p1.h5'
is "... the same rows" "$(kept t.h5)" "$(kept s.h5)"
sed -n '1,3p;4,203p' text2 | craft make a.h5
sed -n '1,3p;204,$p' text2 | craft make b.h5
cat b.h5 a.h5 > ba.h5
ok "a teacher in two images, in another order" \
	nst-filter --agree=ba.h5 --agree=p3.h5 --min-agree=2 -o t.h5 p1.h5
is "... the same rows" "$(kept t.h5)" "$(kept s.h5)"
ok "agreement comes before the cap" nst-filter --agree=p2.h5 --per-class=10 --no-duplicate -o s.h5 p1.h5
is "... of what is left" "$(kept s.h5)" "$(join <(sort measures) <(sort votes) |
	join - <(awk '/^row/ { print $2, $4 }' text2) | awk '$2 == $7' | best 3,3nr 10)"
ok "the teacher's own predictions" nst-filter --agree=p1.h5 -o s.h5 p1.h5
contains "... tell nothing, which is said" "$stderr" \
	"warning: 'p1.h5' was predicted by the same model as 'p1.h5'"
ok "history" nst-filter -q --agree=p2.h5 -o s.h5 p1.h5
h5attr() { h5dump -a "$1" "$2" > attr; }
uuid() { h5attr uuid "$1" && sed -n 's/.*(0): "\(.*\)".*/\1/p' attr; }
h5attr history s.h5
contains "... names the further teacher" attr "$(uuid p2.h5)"

# ---- statistics of what passes
ok "statistics of rows with a margin" nst-filter -q --stats-only --min-margin=0.4000005 -o st.h5 p1.h5
is "... count these" "$(craft dump st.h5 | awk 'NR > 1 { n += $2 } END { print n }')" \
	"$(awk '$4 > .4' measures | wc -l)"
ok "... for the second pass" nst-filter -q --stats=st.h5 --per-class=20 --min-margin=0.4000005 -o s.h5 p1.h5
ok "... which is the grid rule in one" \
	nst-filter -q --mode=grid --per-class=20 --min-margin=0.4000005 -o t.h5 p1.h5
is "... the same" "$(kept s.h5)" "$(kept t.h5)"
is "... of rows with that margin" \
	"$(kept s.h5 | sed 's/[*].*//' | join -v 1 - <(awk '$4 > .4 { print $1 }' measures | sort))" ""

# ---- what a form of the probabilities can tell
form() { sed "s/^form .*/form $2/" text$1 | craft make "$3"; }
form 1 hard hard.h5
form 1 'topk 1 f32' top1.h5
form 1 'topk 2 f32' top2.h5
form 1 'topk 4 f32' top4.h5
ok "the margin of the top two" nst-filter --min-margin=0.2000005 -o s.h5 top2.h5
is "... is known" "$(kept s.h5)" "$(awk '$4 > .2 { print $1 }' measures | once)"
ok "the entropy of the top four of five" nst-filter --max-entropy=1.0000005 -o s.h5 top4.h5
is "... is known" "$(kept s.h5)" "$(awk '$5 <= 1 { print $1 }' measures | once)"
fails 1 "nst-filter: 'hard.h5' has hard labels: there are no probabilities to take a margin from" \
	nst-filter --min-margin=0.2 -o no.h5 hard.h5
fails 1 "nst-filter: 'hard.h5' has hard labels: there are no probabilities to take an entropy from" \
	nst-filter --rank=entropy --per-class=2 -o no.h5 hard.h5
fails 1 "nst-filter: 'top1.h5' has only the top 1 of 5 probabilities: they do not determine the margin" \
	nst-filter --rank=margin --per-class=2 -o no.h5 top1.h5
fails 1 "nst-filter: 'top2.h5' has only the top 2 of 5 probabilities: they do not determine the entropy" \
	nst-filter --max-entropy=1 --min-margin=0.1 -o no.h5 top2.h5
ok "agreement of hard labels" nst-filter --agree=p2.h5 --agree=p3.h5 -o s.h5 hard.h5
is "... needs no probabilities" "$(kept s.h5)" "$(awk '$2 == 3 { print $1 }' votes | once)"
no_output no.h5

# ---- relabeling
ok "a selection" nst-filter --per-class=50 --seed=3 -o kept.h5 p1.h5
ok "with the targets of another teacher" nst-filter --reassign=kept.h5 --report=r.json -o new.h5 p2.h5
is "... has the same rows and copies" "$(kept new.h5)" "$(kept kept.h5)"
is "... in the same order" "$(craft dump new.h5 | awk '/^row/ { print $2 }')" \
	"$(craft dump kept.h5 | awk '/^row/ { print $2 }')"
is "... the new classes and probabilities" "$(craft dump new.h5 | grep ^row | sed 's/ x[0-9]* / /' | sort)" \
	"$(craft dump p2.h5 | grep -f <(kept kept.h5 | sed 's/^\(.*\)[*].*/^row \1 /') | sort)"
changed=$(join <(craft dump kept.h5 | awk '/^row/ { print $2, $4 }' | sort) \
	<(craft dump new.h5 | awk '/^row/ { print $2, $4 }' | sort) | awk '$2 != $3' | wc -l)
contains "... says what it did" "$stderr" "$(kept kept.h5 | wc -l) kept as 200 rows, $changed of them of another class than before"
contains "... and reports it" r.json "\"changed\": $changed"
h5attr model new.h5
contains "... names the new teacher" attr 00000000-0000-0000-0000-000000000002
h5attr history new.h5
contains "... and the selection" attr "$(uuid kept.h5)"
ok "... can be mixed" nst-mix -q -o m.h5 new.h5
ok "from a pipe" bash -c 'cat p2.h5 | nst-filter -q --reassign=kept.h5 - > piped.h5'
is "... the same" "$(craft dump piped.h5)" "$(craft dump new.h5)"
ok "a selection from a pipe" bash -c 'cat kept.h5 | nst-filter -q --reassign=- p2.h5 > piped.h5'
is "... the same" "$(craft dump piped.h5)" "$(craft dump new.h5)"
ok "... carries its images" nst-pack --verify piped.h5
ok "predictions of other forms" nst-filter -q --reassign=kept.h5 -o hardened.h5 hard.h5
is "... give theirs" "$(kept hardened.h5)" "$(kept kept.h5)"
is "... hard labels here" "$(craft dump hardened.h5 | awk '/^row/ && NF > 6')" ""
nst-filter -q --per-class=5 --seed=1 -o half1.h5 a.h5
nst-filter -q --per-class=5 --seed=1 -o half2.h5 b.h5
ok "two selections" nst-filter -q --reassign=half1.h5 --reassign=half2.h5 -o two.h5 p1.h5
is "... become one" "$(craft dump two.h5 | grep -c selection)" 1
is "... of all their rows" "$(kept two.h5)" "$( (kept half1.h5; kept half2.h5) | sort)"
ok "two selections into a pipe" bash -c 'nst-filter -q --reassign=half1.h5 --reassign=half2.h5 p1.h5 > two.h5'
is "... stay two" "$(craft dump two.h5 | grep -c selection)" 2
sed '/^row k007/d' text2 | craft make lacks.h5
fails 1 "nst-filter: 'lacks.h5' has no prediction of 'k007', row * of 'all.h5'" \
	bash -c 'nst-filter -q -o all.h5 p1.h5 && nst-filter --reassign=all.h5 -o no.h5 lacks.h5'
fails 1 "nst-filter: 'lacks.h5' has no prediction of 'k007', row 7 of 'p1.h5'" \
	nst-filter --agree=lacks.h5 -o no.h5 p1.h5
{ sed 3q text2; echo pixels 2; sed -n '4,$p' text2; } | craft make other.h5
fails 1 "nst-filter: 'k*' is another image in 'all.h5' than in 'other.h5'" \
	nst-filter --reassign=all.h5 -o no.h5 other.h5
fails 1 "nst-filter: 'k000' is another image in 'p1.h5' than in 'other.h5'" \
	nst-filter --agree=other.h5 -o no.h5 p1.h5
sed 's/owl/elk/' text2 | craft make elk.h5
fails 1 "nst-filter: class tables differ: class 2 is 'owl' in 'p1.h5' and 'elk' in 'elk.h5'" \
	nst-filter --agree=elk.h5 -o no.h5 p1.h5
fails 1 "nst-filter: class tables differ: class 2 is 'owl' in 'kept.h5' and 'elk' in 'elk.h5'" \
	nst-filter --reassign=kept.h5 -o no.h5 elk.h5
fails 1 "nst-filter: 'kept.h5' is a selection, a prediction is needed" nst-filter --agree=kept.h5 -o no.h5 p1.h5
fails 1 "nst-filter: 'p1.h5' is a prediction, a selection is needed" nst-filter --reassign=p1.h5 -o no.h5 p2.h5
fails 1 "nst-filter: *'kept.h5'*" nst-filter --reassign=kept.h5 -o kept.h5 p2.h5
fails 1 "nst-filter: *'p2.h5'*" nst-filter --agree=p2.h5 -o p2.h5 p1.h5
no_output no.h5

# ---- together they make no sense
for rule in --min-confidence=0.5 --max-confidence=0.9 --min-margin=0.1 --max-entropy=1 --per-class=3 \
	--class-floor=3 --class-gap=3 --agree=p2.h5 --no-duplicate --mode=exact --rank=margin \
	--stats-only --stats=st.h5; do
	fails 2 "nst-filter: --reassign keeps the rows and copies of a selection: no rule*" \
		nst-filter --reassign=kept.h5 $rule p2.h5
done
fails 2 "nst-filter: --rank is an order for --per-class*" nst-filter --rank=margin p1.h5
for rule in --duplicate --no-duplicate; do
	fails 2 "nst-filter: --duplicate and --no-duplicate are about --per-class*" nst-filter $rule p1.h5
done
fails 2 "nst-filter: --max-confidence=0.2 is below --min-confidence=0.5*" \
	nst-filter --min-confidence=0.5 --max-confidence=0.2 p1.h5
for rule in --class-floor=3 --class-gap=3 '--rank=margin --per-class=3'; do
	fails 2 "nst-filter: the grid decides each row by itself*" nst-filter --mode=grid $rule p1.h5
	fails 2 "nst-filter: the grid decides each row by itself*" nst-filter --stats=st.h5 $rule p1.h5
	fails 2 "nst-filter: --stats-only chooses no rows of a class*" nst-filter --stats-only $rule p1.h5
done
fails 2 "nst-filter: --duplicate fills classes up to --per-class*" \
	nst-filter --per-class=5 --duplicate --class-gap=3 p1.h5
fails 2 "nst-filter: --class-floor is reached by copies*" nst-filter --no-duplicate --class-floor=3 p1.h5
fails 2 "nst-filter: --class-floor=6 is above --per-class=5*" \
	nst-filter --per-class=5 --class-floor=6 p1.h5
fails 2 "nst-filter: --min-agree counts teachers*" nst-filter --min-agree=2 p1.h5
fails 2 "nst-filter: --min-agree=3: there are only 2 teachers*" \
	nst-filter --min-agree=3 --agree=p2.h5 p1.h5
fails 2 "nst-filter: *--min-agree*" nst-filter --min-agree=1 --agree=p2.h5 p1.h5
fails 2 "nst-filter: standard input cannot be read twice*" \
	bash -c 'cat p1.h5 | nst-filter --agree=- -'
fails 2 "nst-filter: standard input cannot be read twice*" \
	bash -c 'cat p1.h5 | nst-filter --reassign=-'

done_testing
