#!/bin/sh
# summary.sh DIR EXPERIMENT...: what the tables of these experiments in DIR say, on one page, on
# standard output.  Those that have not been run are left out.
set -eu
cd "$1"
shift
pages=
for experiment; do
	[ ! -e "$experiment.md" ] || pages="$pages $experiment.md"
done

echo "# The findings of the papers on CIFAR-10 with few labels"
echo
echo "| experiment | agrees | cannot tell | disagrees |"
echo "|---|--:|--:|--:|"
for page in $pages; do
	awk -v page="$page" -F ' [|] ' '
	/^# / { title = substr($0, 3) }
	/[|] agrees [|]$/ { agrees++ }
	/[|] (no difference|one seed says nothing).*[|]$/ { neither++ }
	/[|] disagrees [|]$/ { disagrees++ }
	END { printf "| [%s](%s) | %d | %d | %d |\n", title, page, agrees, neither, disagrees }' "$page"
done
cat << 'END'

Each line is what a paper says, and the difference here in points of test top-1: the mean over the
seeds with its 95 % confidence interval, seed by seed.  It agrees, or disagrees, when that interval
leaves 0 out.
END
for page in $pages; do
	echo
	sed -n '1s/^# /## /p' "$page"
	echo
	sed -n '/^| the paper /,/^$/p' "$page" | sed '/^$/d'
done
