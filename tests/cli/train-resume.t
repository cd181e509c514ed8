#!/usr/bin/env bash
# nst-train stopped at any moment and continued: the same model and the same log, to the byte.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=100 --unlabeled=10 --test=20 --seed=2 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o t.h5 d/test || exit 1

settings=(--arch=wrn-10-1 --size=16 --batch=32 --lr=0.05 --epochs=8 --dropout=0.1 -q
	--randaugment=n1,m5 --no-provenance --val=t.h5)
train() {
	nst-train "${settings[@]}" "$@" l.h5
}

ok "without a break" train -o whole.h5 --log=whole.tsv

# Killed again and again, each time a little later.
wait_for() {
	local i
	for ((i = 0; i < 1000; i++)); do
		[ -s "$1" ] && return
		sleep 0.02
	done
	return 1
}
seconds=(0.05 0.12 0.2 0.3)
kills=0
for s in "${seconds[@]}"; do
	nst-train "${settings[@]}" -o killed.h5 --log=killed.tsv --resume --checkpoint-every=0 l.h5 &
	pid=$!
	wait_for killed.h5.ckpt
	sleep "$s"
	kill -KILL $pid 2> /dev/null && kills=$((kills + 1))
	wait $pid 2> /dev/null
	[ -e killed.h5 ] && break
done
like "was killed on the way" "$kills" "[1-9]"
ok "goes on after SIGKILL" train -o killed.h5 --log=killed.tsv --resume
same "the model is the same" whole.h5 killed.h5
same "the log is the same" whole.tsv killed.tsv
run test -e killed.h5.ckpt
is "the checkpoint is gone" $status 1

# Signals that ask: the state is saved, the status is that of the signal.
stop_with() {
	rm -f stopped.h5 stopped.h5.ckpt stopped.tsv
	set -m # or the shell makes background jobs ignore SIGINT
	nst-train "${settings[@]}" -o stopped.h5 --log=stopped.tsv --checkpoint-every=0 l.h5 2> said &
	pid=$!
	set +m
	wait_for stopped.h5.ckpt
	kill -"$1" $pid
	wait $pid 2> /dev/null
	status=$?
}
for signal in INT TERM HUP; do
	stop_with $signal
	is "dies by SIG$signal" $status $((128 + $(kill -l $signal)))
	like "says what to do" "$(cat said)" \
		"nst-train: interrupted at step * of *, --resume continues from 'stopped.h5.ckpt'"
	is "leaves the checkpoint and the log" "$(ls -d stopped*)" \
		"$(printf '%s\n' stopped.h5.ckpt stopped.tsv)"
	ok "goes on after SIG$signal" train -j1 -o stopped.h5 --log=stopped.tsv --resume
	same "the model is the same" whole.h5 stopped.h5
	same "the log is the same" whole.tsv stopped.tsv
done

# A name of its own, and standard output.
nst-train "${settings[@]}" --checkpoint=own.ckpt --checkpoint-every=0 l.h5 > half.h5 2> said &
pid=$!
wait_for own.ckpt
kill -TERM $pid
wait $pid 2> /dev/null
is "a checkpoint for standard output" "$(ls own.ckpt)" own.ckpt
is "nothing was written to it" "$(wc -c < half.h5)" 0
to_stdout() {
	train -o - --resume=own.ckpt > piped.h5
}
ok "goes on to standard output" to_stdout
same "the model is the same" whole.h5 piped.h5
ok "--keep-checkpoint" train -o kept.h5 --keep-checkpoint --checkpoint-every=0
ok "a finished run is only written again" train -o kept.h5 --resume
same "the model is the same" whole.h5 kept.h5
ok "--resume without a checkpoint starts afresh" train -o fresh.h5 --resume
same "the model is the same" whole.h5 fresh.h5

# Checkpoints that do not fit.
stop_with TERM
fails 1 "nst-train: 'stopped.h5.ckpt' is there: --resume continues from it; *" train -o stopped.h5
fails 2 "nst-train: the checkpoint cannot have the name of the model; *" \
	train -o x.h5 --checkpoint=x.h5
fails 1 "nst-train: 'stopped.h5.ckpt' is of a run with lr=0.05, this one has lr=0.06: *" \
	train -o stopped.h5 --resume --lr=0.06
fails 1 "nst-train: 'stopped.h5.ckpt' is of a run with *, this one has input=*" \
	train -o stopped.h5 --resume t.h5
cp stopped.h5.ckpt good.ckpt
head -c 5000 good.ckpt > stopped.h5.ckpt
fails 1 "nst-train: *'stopped.h5.ckpt'*" train -o stopped.h5 --resume
cp whole.h5 stopped.h5.ckpt
fails 1 "nst-train: 'stopped.h5.ckpt' is *" train -o stopped.h5 --resume
cp l.h5 stopped.h5.ckpt
fails 1 "nst-train: 'stopped.h5.ckpt' is a shard, *" train -o stopped.h5 --resume
done_testing
