#!/usr/bin/env bash
# tests/experiments/paper.sh in its short form: every experiment from images to table, what is done
# is not done again, and what was interrupted goes on.
. "${0%/*}/lib.sh"

paper() {
	SHORT=1 OUT=$PWD/short SEEDS='1 2' "$TOP/tests/experiments/paper.sh" "$@"
}

ok "all experiments" paper
experiments="noise labels filter ratio size joint init amount ood iterations rethinking"
for name in $experiments; do
	contains "$name has a table" "short/$name.md" '| model | seed 1 | seed 2 | test top-1 [%] |'
	contains "$name has claims" "short/$name.md" '| the paper | here | |'
	contains "$name has its commands" "short/$name.md" '    nst-train -q --no-provenance'
	is "$name has a number in every cell" "$(grep -v '^| the paper' "short/$name.md" | grep -c '|  *|')" 0
done
is "names no directory of this machine" "$(grep -l "$PWD" short/*.md)" ""
cat short/*.md > before
is "a page has all claims" "$(grep -c '^| .* [+-][0-9]' short/README.md)" \
	"$(cat short/[a-z]*.md | grep -c '^| .* [+-][0-9]')"
is "and a line for each experiment" "$(grep -c '^| \[' short/README.md)" "$(wc -w <<< "$experiments")"
ok "once more" paper
is "nothing is made again" "$(grep -c 'seed' <(grep -v '|' "$stdout"))" 0
cat short/*.md > after
same "the tables are the same" before after

# Another directory, another day: to the digit.
rm -rf short/seed1/usual.h5 short/seed1/usual.json
export JOBS=1
ok "one experiment, one seed after the other" paper noise
unset JOBS
is "only what is missing is made" "$(grep '^noise, ' "$stdout" | paste -s -d ' ')" \
	"noise, seed 1: usual.h5 noise, seed 1: usual.json"
cat short/*.md > after
same "with the same numbers" before after

# Other options make it anew.
sed -i 's/--dropout=0.1/--dropout=0.7/' short/seed1/no-noise.h5.command
ok "a model of another command" paper noise
is "is trained again" "$(grep '^noise, ' "$stdout" | paste -s -d ' ')" "noise, seed 1: no-noise.h5"
# What was measured at full size stands in one page, and in the README.
results=$TOP/tests/experiments/results
"$TOP/tests/experiments/summary.sh" "$results" $experiments > summary
same "the page of the results is that of the tables" summary "$results/README.md"
grep '^| \[' summary | sed 's,](,](tests/experiments/results/,' > lines
is "every line of it is in the README" "$(grep -c -x -F -f lines "$TOP/README.md")" "$(wc -l < lines)"

fails 1 "paper.sh: there is no experiment 'nosie': *" paper nosie

done_testing
