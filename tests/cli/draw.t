#!/usr/bin/env bash
# nst-draw: parts, classes, and the same pictures for the same options.
. "${0%/*}/lib.sh"

quiet "a set" nst-draw -o a --labeled=20 --unlabeled=15 --test=10
is "has the pictures asked for" \
	"$(for d in labeled unlabeled test; do find a/$d -type f | wc -l; done | tr '\n' ' ')" "20 15 10 "
is "in ten classes" "$({ ls a/labeled; ls a/test; } | sort -u | wc -l)" 10
quiet "the same options" nst-draw -o b --labeled=20 --unlabeled=15 --test=10
quiet "give the same pictures" diff -r a b
quiet "more of one part" nst-draw -o c --labeled=30 --unlabeled=15 --test=10
is "leaves the others alone" "$(diff -r a c | grep -cv '^Only in c/labeled')" 0
quiet "another seed" nst-draw -o d --labeled=20 --unlabeled=15 --test=10 --seed=2
is "gives other pictures" "$(diff -rq a d | wc -l)" 45
quiet "strangers" nst-draw -o e --labeled=20 --unlabeled=15 --test=10 --strangers=1
is "are among the unlabeled pictures only" "$(diff -rq a e | grep -c unlabeled)" \
	"$(diff -rq a e | wc -l)"
ok "all of them are sound JPEGs" nst-pack --unlabeled -q -o x.h5 a
mkdir empty
quiet "an empty directory is replaced" nst-draw -o empty --labeled=10 --unlabeled=0 --test=0
fails 1 "nst-draw: 'empty' should be new or an empty directory*" nst-draw -o empty
fails 1 "nst-draw: cannot make the directory 'no/where'*" nst-draw -o no/where
limited() {
	(ulimit -f 1 && exec nst-draw -o x --labeled=10 --hardness=4)
}
fails 1 "nst-draw: cannot write '*': File too large" limited
fails 2 "nst-draw: no directory*" nst-draw
fails 2 "nst-draw: unexpected operand 'x'*" nst-draw -o y x
is "nothing is left behind" "$(ls -d x x.* y y.* 2> /dev/null)" "x.h5"
done_testing
