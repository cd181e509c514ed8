#!/usr/bin/env bash
# nst-infer: forms of output, references and embedded images, labels by name, and what it refuses.
. "${0%/*}/lib.sh"
PATH=$NST_BUILD/test-cli:$PATH

craft model m.h5 resnet20 8 1 cat dog owl
craft model n.h5 resnet20 8 2 owl cat dog
craft model big.h5 resnet20 16 3 cat dog owl
{
	echo class cat dog owl
	for i in $(seq 1 20); do echo "row $i $((i % 4 - 1))"; done
} > text
craft make s.h5 < text

ok "a shard" nst-infer -m m.h5 -o p.h5 s.h5
contains "... the summary" "$stderr" "20 images labeled, mean confidence 0."
craft dump p.h5 > dump
is "... a prediction of every row" "$(grep -c ^row dump)" 20
contains "... with its key and label" dump "row 3 2 "
contains "... or none" dump "row 4 -1 "

# sums FILE: of the probabilities of each row, in thousandths, different ones.
sums() {
	craft dump "$1" | awk '/^row/ { printf "%.2f\n", $6 + $7 + $8 }' | sort -u | tr '\n' ' '
}
is "... probabilities that add up to 1" "$(sums p.h5)" "1.00 "
awk '/^row/ { top = $6; c = 0; if ($7 > top) { top = $7; c = 1 } if ($8 > top) { top = $8; c = 2 }
	if (c != $4 || (top - $5) ^ 2 > 1e-6) print }' dump > wrong
is "... of which the class is the largest" "$(cat wrong)" ""

# ---- forms
ok "hard" nst-infer -m m.h5 --hard -o hard.h5 s.h5
is "... class and confidence of soft" "$(craft dump hard.h5 | grep ^row)" "$(awk '/^row/ { print $1, $2, $3, $4, $5 }' dump)"
ok "top 2 of 3" nst-infer -m m.h5 --topk=2 -o topk.h5 s.h5
is "... with the rest are all" "$(craft dump topk.h5 | awk '/^row/ { print $2, $4, $5 }')" "$(awk '/^row/ { print $2, $4, $5 }' dump)"
is "... and add up" "$(sums topk.h5)" "1.00 "
ok "32 bits" nst-infer -m m.h5 --precision=f32 -o f32.h5 s.h5
craft dump f32.h5 > dump32
is "... differ by rounding" "$(paste -d ' ' dump dump32 | awk '
	/^row/ { for (i = 5; i <= 8; i++) if (($i - $(i + 8)) ^ 2 > 1.1e-6) print }')" ""
ok "a high temperature" nst-infer -m m.h5 --temperature=1000 -o soft.h5 s.h5
is "... makes all alike" "$(craft dump soft.h5 | awk '/^row/ && ($6 < .330 || $6 > .337)')" ""
is "... and changes no class" "$(craft dump soft.h5 | awk '/^row/ { print $2, $4 }')" "$(awk '/^row/ { print $2, $4 }' dump)"

# ---- files and pipes, threads, batches
pipe() { cat s.h5 | nst-infer -m m.h5 | cat > piped.h5; }
ok "through pipes" pipe
is "... the same" "$(craft dump piped.h5)" "$(cat dump)"
ok "... self-contained" nst-pack --verify piped.h5
ok "embedded" nst-infer -m m.h5 --embed -o embedded.h5 s.h5
mkdir away && cp embedded.h5 p.h5 away
ok "... may go away alone" craft dump away/embedded.h5
run craft dump away/p.h5
is "... others need their shard" $status 1
for j in 1 2 3; do
	quiet "-j $j" nst-infer -q -j $j --no-provenance -m m.h5 -o j$j.h5 s.h5
done
same "-j 1 is -j 2" j1.h5 j2.h5
same "-j 1 is -j 3" j1.h5 j3.h5
{ sed 1q text; sed -n 8p text; } | craft make one.h5
ok "a row alone" nst-infer --precision=f32 -m m.h5 -o alone.h5 one.h5
is "... is what it is among others" "$(craft dump alone.h5 | grep ^row)" "$(craft dump f32.h5 | grep '^row 7 ')"
sed '/^row 1/d' text | craft make part2.h5
sed '/^row [02-9]/d' text | craft make part1.h5
ok "two shards" nst-infer -m m.h5 -o two.h5 part1.h5 part2.h5
is "... are one prediction" "$(craft dump two.h5 | grep -c '^prediction')" 1
is "... of all rows" "$(craft dump two.h5 | grep ^row | sort)" "$(grep ^row dump | sort)"
# A thread asks for 1024 rows at a time, of as many shards as that takes.
many() { echo class cat dog owl && seq -f "row %g -1" "$1" "$2"; }
many 1 2400 | craft make whole.h5
for i in 0 1 2 3; do
	many $((600 * i + 1)) $((600 * i + 600)) | craft make quarter$i.h5
done
ok "many rows" nst-infer -j 1 -m m.h5 -o whole-p.h5 whole.h5
ok "... of several shards" nst-infer -j 1 -m m.h5 -o quarters-p.h5 quarter?.h5
is "... are labeled alike, in their order" "$(craft dump quarters-p.h5 | grep ^row)" "$(craft dump whole-p.h5 | grep ^row)"
if have h5dump; then
	is "... which all are named, with the model" \
		"$(h5dump -a history quarters-p.h5 | tr -d '\n' | sed 's/.*< //' | grep -o '[0-9a-f-]\{36\}' | sort -u | wc -l)" 5
else
	skip "h5dump is not installed" "names of the shards"
fi
pipe() { nst-infer -m m.h5 part1.h5 part2.h5 > two.h5; }
ok "two shards into a pipe" pipe
is "... are two images" "$(craft dump two.h5 | grep -c '^prediction')" 2

# ---- arithmetic
for j in 1 2; do
	quiet "bfloat16 -j $j" nst-infer -q -j $j --no-provenance --precision=f32 \
		--arithmetic=bfloat16 -m m.h5 -o b$j.h5 s.h5
done
same "bfloat16 -j 1 is -j 2" b1.h5 b2.h5
ok "bfloat16, a row alone" nst-infer --precision=f32 --arithmetic=bfloat16 -m m.h5 -o alone.h5 one.h5
craft dump b1.h5 > dumpb
is "... is what it is among others" "$(craft dump alone.h5 | grep ^row)" "$(grep '^row 7 ' dumpb)"
differ() { ! cmp -s "$1" "$2"; }
ok "bfloat16 is not float32" differ dumpb dump32
is "... but near" "$(paste -d ' ' dumpb dump32 | awk '
	/^row/ { for (i = 5; i <= 8; i++) if (($i - $(i + 8)) ^ 2 > 1e-3) print }')" ""
fails 2 "nst-infer: *--arithmetic*" nst-infer --arithmetic=bf17 -m m.h5 -o no.h5 s.h5

# ---- several models
ok "one model twice" nst-infer --precision=f32 -m m.h5 -m m.h5 -o twice.h5 s.h5
is "... is that model" "$(craft dump twice.h5)" "$(cat dump32)"
ok "models of other input sizes and orders of classes" \
	nst-infer --precision=f32 -m m.h5 -m n.h5 -m big.h5 -o three.h5 s.h5
nst-infer -q --precision=f32 -m n.h5 -o n-p.h5 s.h5
nst-infer -q --precision=f32 -m big.h5 -o big-p.h5 s.h5
paste -d ' ' <(craft dump f32.h5 | grep ^row) <(craft dump n-p.h5 | grep ^row) \
	<(craft dump big-p.h5 | grep ^row) <(craft dump three.h5 | grep ^row) | awk '
	function far(a, b) { return (a - b) ^ 2 > 4e-6 }
	far(($6 + $15 + $22) / 3, $30) || far(($7 + $16 + $23) / 3, $31) ||
	far(($8 + $14 + $24) / 3, $32)' > wrong
is "... are averaged class by class" "$(cat wrong)" ""

# ---- labels by name
printf 'class owl cat\nrow x 0\nrow y 1\n' | craft make other.h5
ok "a shard with another class table" nst-infer -m m.h5 -o o.h5 other.h5
contains "... its labels are matched by name" <(craft dump o.h5) "row x 2 "
contains "... all of them" <(craft dump o.h5) "row y 0 "
printf 'class\nrow x -1\n' | craft make bare.h5
ok "a shard without classes" nst-infer -m m.h5 -o o.h5 bare.h5

# ---- refused
printf 'class cat zebra\nrow x 0\nrow y 1\n' | craft make zebra.h5
fails 1 "nst-infer: class 'zebra' of 'zebra.h5' is not among the 3 classes of 'm.h5'" \
	nst-infer -m m.h5 -o no.h5 zebra.h5
craft model eel.h5 resnet20 8 1 cat dog eel
fails 1 "nst-infer: class tables differ: 'eel.h5' has class 'eel', 'm.h5' does not" \
	nst-infer -m m.h5 -m eel.h5 -o no.h5 s.h5
craft model two.h5 resnet20 8 1 cat dog
fails 1 "nst-infer: class tables differ: 'm.h5' has 3 classes, 'two.h5' has 2" \
	nst-infer -m m.h5 -m two.h5 -o no.h5 s.h5
fails 1 "nst-infer: --topk=4: 'm.h5' has only 3 classes" nst-infer -m m.h5 --topk=4 -o no.h5 s.h5
fails 1 "nst-infer: 's.h5' is a shard, a model is needed" nst-infer -m s.h5 -o no.h5 s.h5
fails 1 "nst-infer: 'm.h5' is a model, a shard is needed" nst-infer -m m.h5 -o no.h5 m.h5
fails 1 "nst-infer: 'p.h5' is a prediction, a shard is needed" nst-infer -m m.h5 -o no.h5 p.h5
fails 1 "nst-infer: *'missing.h5'*No such file*" nst-infer -m missing.h5 -o no.h5 s.h5
fails 1 "nst-infer: *'missing.h5'*No such file*" nst-infer -m m.h5 -o no.h5 missing.h5
craft model nan.h5 resnet20 8 nan cat dog owl
fails 1 "nst-infer: *nan*" nst-infer -m nan.h5 -o no.h5 s.h5
: > zero.h5
fails 1 "nst-infer: *'zero.h5'*" nst-infer -m m.h5 -o no.h5 zero.h5
head -c 2000 s.h5 > cut.h5
fails 1 "nst-infer: *'cut.h5'*" nst-infer -m m.h5 -o no.h5 cut.h5
fails 1 "nst-infer: *standard input*" bash -c 'head -c 2000 s.h5 | nst-infer -m m.h5 -o no.h5'
fails 1 "nst-infer: *standard input*" bash -c ': | nst-infer -m m.h5 -o no.h5'
fails 1 "nst-infer: *came through a pipe and cannot be referred to*" \
	bash -c 'cat s.h5 | nst-infer -m m.h5 --refer -o no.h5'
fails 1 "nst-infer: *'s.h5'*" nst-infer -m m.h5 -o s.h5 s.h5
fails 1 "nst-infer: *'m.h5'*" nst-infer -m m.h5 -o m.h5 s.h5
fails 1 "nst-infer: *'nowhere/no.h5'*" nst-infer -m m.h5 -o nowhere/no.h5 s.h5
no_output no.h5
if [ -w /dev/full ]; then
	fails 1 "nst-infer: *No space left on device" bash -c 'nst-infer -q -m m.h5 s.h5 > /dev/full'
else
	skip "there is no /dev/full" "no space left"
fi
# Where the time goes.
ok "labels" nst-infer -q --no-provenance -m m.h5 -o plain.h5 s.h5
quiet "a profile" nst-infer -q --no-provenance -m m.h5 --profile=where -o watched.h5 s.h5
same "changes no bit of the labels" plain.h5 watched.h5
is "it has phases" "$(grep -c '^decode  *[0-9.]*  *[0-9.]*%$' where)" 1
contains "and stacks for flame graphs" where.folded 'nst-infer;forward;layer1.0.conv1 '
fails 1 "nst-infer: the output 's.h5' is also an input" nst-infer -m m.h5 --profile=s.h5 -o no.h5 s.h5
no_output no.h5
# Entry points: nothing changes but the time that decoding takes.
craft model eye.h5 resnet20 48 1 cat dog owl
craft jpegs points.h5 30 points
craft jpegs bare.h5 30 bare
for s in points bare; do
	ok "labels of JPEGs, $s" nst-infer -q -m eye.h5 --precision=f32 -o p-$s.h5 $s.h5
done
quiet "entry points are verified" nst-pack -q --verify points.h5
craft jpegs wrong.h5 2 wrong
fails 1 "nst-pack: cannot read 'wrong.h5': sample '0' (row 0): JPEG has entry points that are not its own" \
	nst-pack --verify wrong.h5
fails 1 "nst-infer: cannot decode *: JPEG has entry points that are not its own" \
	nst-infer -m eye.h5 -o no.h5 wrong.h5
no_output no.h5
if have h5dump; then
	contains "one shard has entry points" <(h5dump -H points.h5) '"entry_offset"'
	is "the other has none" "$(h5dump -H bare.h5 | grep -c '"entry_offset"')" 0
	for s in points bare; do
		ok "h5dump reads the labels, $s" h5dump -d prediction/probability -y -m %.9g -o $s.txt p-$s.h5
	done
	same "both give the same labels" points.txt bare.txt
	nst-pack -x -q -C tree points.h5 && nst-pack -q -o packed.h5 tree
	ok "images carried along" nst-infer -q -m eye.h5 --embed -o carried.h5 points.h5
	for s in points packed carried; do
		ok "h5dump reads entry points, $s" h5dump -d image/entry -y -o $s.txt $s.h5
		tr -s ' ,' '\n\n' < $s.txt | grep . | sort > $s.sorted
	done
	is "there are eight a row of units, and a mask" "$(wc -l < points.sorted)" $((30 * (1 + 19 * 8)))
	same "nst-pack finds the same" points.sorted packed.sorted
	same "images are carried along with theirs" points.txt carried.txt
else
	skip "h5dump is not here" h5dump
fi
# One byte of one image is not what it was.
nst-draw -q -o drawn --labeled=20 --unlabeled=0 --test=0
nst-pack -q --unlabeled -o jpeg.h5 drawn/labeled
at=$(LC_ALL=C grep -obUaP '\xff\xd8\xff' jpeg.h5 | sed -n 5p | cut -d: -f1)
printf '\x5a\xa5' | dd of=jpeg.h5 bs=1 seek=$((at + 300)) conv=notrunc 2> dd.log
fails 1 "nst-infer: cannot read 'jpeg.h5': sample '*.jpg' (row 4) is damaged" nst-infer -m m.h5 -o no.h5 jpeg.h5
no_output no.h5
fails 2 "nst-infer: no model: give one with -m*" nst-infer s.h5
fails 2 "nst-infer: *--topk*" nst-infer -m m.h5 --topk=0 s.h5
for form in soft hard; do
	fails 2 "nst-infer: --soft stores all classes, --topk some, --hard one*" \
		nst-infer -m m.h5 --topk=2 --$form s.h5
done
for idle in precision=f32 compress=gzip; do
	fails 2 "nst-infer: --precision and --compress are for --soft and --topk*" \
		nst-infer -m m.h5 --hard --$idle s.h5
done
fails 2 "nst-infer: *--temperature*" nst-infer -m m.h5 --temperature=0 s.h5

done_testing
