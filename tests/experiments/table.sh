#!/bin/sh
# table.sh OUT EXPERIMENT TITLE SEEDS: the results of an experiment of paper.sh as a page, on standard
# output: accuracy of each model, mean over the seeds with its 95 % confidence interval (Student's t);
# and of each claim the difference, seed by seed, with its own interval.  A claim is agreed with or
# not when that interval leaves 0 out.
set -eu
out=$1 experiment=$2 title=$3 seeds=$4
first=${seeds%% *}
arms=$out/seed$first/arms-$experiment claims=$out/seed$first/claims-$experiment

# ARM SEED PERCENT
for arm in $(cat "$arms"); do
	for seed in $seeds; do
		sed -n 's/^ *"top1": *\([0-9.eE+-]*\),*$/\1/p' "$out/seed$seed/$arm.json" |
			awk -v arm="$arm" -v seed="$seed" '{ printf "%s\t%s\t%.17g\n", arm, seed, 100 * $1 }'
	done
done > "$out/accuracies-$experiment"

echo "# $title"
echo
awk -F '\t' -v seeds="$seeds" '
# Half of the interval around the mean of v[1..n].
function half(v, n, mean,    i, squares) {
	squares = 0
	for (i = 1; i <= n; i++)
		squares += (v[i] - mean) ^ 2
	return n < 2 ? -1 : t[n - 1] * sqrt(squares / (n - 1) / n)
}
function average(v, n,    i, sum) {
	sum = 0
	for (i = 1; i <= n; i++)
		sum += v[i]
	return sum / n
}
# Accuracy of a model, or mean of those of several joined by plus signs.
function accuracy(names, s,    list, i, m, sum) {
	m = split(names, list, "+")
	for (i = 1; i <= m; i++)
		sum += top1[list[i], s]
	return sum / m
}
function interval(h) {
	return h < 0 ? "" : sprintf(" +- %.2f", h)
}
BEGIN {
	split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262", t, " ")
	n = split(seeds, seed, " ")
}
FILENAME != claims {
	if (!($1 in seen)) {
		seen[$1] = 1
		arm[++arms] = $1
	}
	top1[$1, $2] = $3
	next
}
{
	a[++wanted] = $1
	b[wanted] = $2
	says[wanted] = $3
}
END {
	line = "| model |"
	rule = "|---|"
	for (i = 1; i <= n; i++) {
		line = line " seed " seed[i] " |"
		rule = rule "--:|"
	}
	print line " test top-1 [%] |"
	print rule "--:|"
	for (k = 1; k <= arms; k++) {
		line = "| " arm[k] " |"
		for (i = 1; i <= n; i++) {
			v[i] = top1[arm[k], seed[i]]
			line = line sprintf(" %.2f |", v[i])
		}
		mean = average(v, n)
		print line sprintf(" %.2f%s |", mean, interval(half(v, n, mean)))
	}
	print ""
	print "| the paper | here | |"
	print "|---|--:|---|"
	for (k = 1; k <= wanted; k++) {
		for (i = 1; i <= n; i++)
			v[i] = accuracy(a[k], seed[i]) - accuracy(b[k], seed[i])
		mean = average(v, n)
		h = half(v, n, mean)
		verdict = h < 0 ? "one seed says nothing" : mean - h > 0 ? "agrees" : \
			mean + h < 0 ? "disagrees" : "no difference that " n " seeds can tell"
		if (a[k] !~ /[+]/)
			says[k] = says[k] ": " a[k] " > " b[k]
		printf "| %s | %+.2f%s | %s |\n", says[k], mean, interval(h), verdict
	}
}' claims="$claims" "$out/accuracies-$experiment" "$claims"
echo
echo "Commands of seed $first, in the order in which they were run, with NST_SIMD=avx2 and"
echo "OPENBLAS_CORETYPE=Haswell; \`../test.h5\` is the whole test set:"
echo
sed "s,^,    ," "$out/seed$first/commands-$experiment"
