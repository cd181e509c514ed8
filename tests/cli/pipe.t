#!/usr/bin/env bash
# The loop through pipes and through files: the same model; and when a tool of a pipeline dies, no
# later one takes what came through for the whole.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=60 --unlabeled=120 --test=30 --seed=3 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o u-%05d.h5 --shard-size=64K --unlabeled d/unlabeled || exit 1
like "several unlabeled shards" "$(ls u-*.h5 | wc -l)" "[2-9]"

train() {
	nst-train -q --arch=wrn-10-1 --size=16 --epochs=4 --batch=32 --lr=0.05 --no-provenance \
		--dropout=0.2 --drop-path=0.1 --randaugment=n2,m9 "$@"
}
label() {
	nst-infer -q --no-provenance -m teacher.h5 "$@"
}
choose() {
	nst-filter -q --no-provenance --per-class=20 "$@"
}
mix() {
	nst-mix -q --no-provenance --labeled=l.h5 --ratio=2 "$@"
}

ok "teacher" train -o teacher.h5 l.h5

ok "predictions in a file" label -o p.h5 u-*.h5
ok "selection in a file" choose -o s.h5 p.h5
ok "mix in a file" mix -o mix.h5 s.h5
ok "student from files" train -o files.h5 mix.h5

from_files() {
	label u-*.h5 | choose | mix - | train -o piped1.h5 -
}
from_pipe() {
	cat u-*.h5 | label | choose - | mix - | train -j1 > piped2.h5
}
embedded() {
	label --embed u-*.h5 | choose | mix --embed -o embedded.h5 - && train -o piped3.h5 embedded.h5
}
half_and_half() {
	label -o p2.h5 u-*.h5 && choose < p2.h5 | mix -o mix2.h5 - && train -j3 -o piped4.h5 - < mix2.h5
}
for way in from_files from_pipe embedded half_and_half; do
	ok "the loop $way" $way
done
for i in 1 2 3 4; do
	same "way $i gives the bytes of the way through files" files.h5 piped$i.h5
done

# As many mixes as there are selections are one training set.
i=0
for u in u-*.h5; do
	label -o part.h5 "$u" && mix -o part-$i.h5 part.h5 || tap_fail "part $i" ""
	i=$((i + 1))
done
ok "several mixes" train -o parts.h5 part-*.h5

# A teacher that dies after its first image.
mkfifo feed
exec 3<> feed
# Not by way of the function: the process that is killed must be the tool itself.
nst-infer -q --no-provenance -m teacher.h5 --embed - < feed > partial 2> said 3>&- &
pid=$!
cat u-*.h5 > feed
for ((i = 0; i < 500; i++)); do
	[ -s partial ] && break
	sleep 0.02
done
kill -KILL $pid
wait $pid 2> /dev/null
is "the teacher was killed" $? 137
exec 3>&-
like "the first predictions came through" "$(wc -c < partial)" "[1-9]*"

# statuses NAME WANTED: of the pipeline that ran last.
after_death() {
	cat partial | nst-filter -o s-dead.h5 2> filter-said
	echo "${PIPESTATUS[1]}"
}
is "nst-filter fails" "$(after_death)" 1
like "with a sentence" "$(cat filter-said)" "nst-filter: *standard input*ended early*"
no_output s-dead.h5
pipeline() {
	cat partial | nst-filter 2> filter-said | nst-mix --labeled=l.h5 -o mix-dead.h5 2> mix-said |
		cat
	echo "${PIPESTATUS[*]:1:2}"
}
is "and so does what follows it" "$(pipeline)" "1 1"
is "each says so in one line" "$(cat filter-said mix-said | wc -l)" 2
no_output mix-dead.h5
whole_pipeline() {
	cat partial | nst-filter 2> filter-said | nst-mix --labeled=l.h5 2> mix-said |
		train -o dead.h5 --log=dead.tsv - 2> train-said
	echo "${PIPESTATUS[*]:1:3}"
}
is "up to the student" "$(whole_pipeline)" "1 1 1"
like "that has its sentence too" "$(cat train-said)" "nst-train: *standard input*"
no_output dead.h5 dead.tsv

# Truncated at any other place, too.
label --embed u-*.h5 > stream || tap_fail "stream" ""
size=$(wc -c < stream)
wrong=
for cut in 1 8 100 1000 $((size / 4)) $((size / 2)) $((size - 1000)) $((size - 1)); do
	head -c "$cut" stream | nst-filter -o cut.h5 2> said && wrong+=" $cut"
	[ "$(wc -l < said)" = 1 ] || wrong+=" $cut:said"
	[ -e cut.h5 ] && wrong+=" $cut:left"
done
is "nst-filter takes no part of a stream for the whole" "$wrong" ""
wrong=
mix s.h5 > stream || tap_fail "stream" ""
size=$(wc -c < stream)
for cut in 1 100 $((size / 2)) $((size - 1)); do
	head -c "$cut" stream | train -o cut.h5 - 2> said && wrong+=" $cut"
	[ "$(wc -l < said)" = 1 ] || wrong+=" $cut:said"
	[ -e cut.h5 ] && wrong+=" $cut:left"
done
is "nor does nst-train" "$wrong" ""

# A reader that goes away ends a writer by SIGPIPE, as everywhere else.
label --embed u-*.h5 u-*.h5 u-*.h5 u-*.h5 | head -c 100 > /dev/null
is "SIGPIPE" "${PIPESTATUS[0]}" 141
done_testing
