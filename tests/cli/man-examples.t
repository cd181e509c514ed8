#!/usr/bin/env bash
# The examples of the manual pages work.  In a page, a literal display that follows the comment
#
#	.\" run
#
# is run by bash in a directory of its own, prepared by tests/cli/man-setup.sh: its lines that begin
# with "$ ", with the indented lines that follow them, or all lines when none begins so.
. "${0%/*}/lib.sh"

# Print display number $2 of page $1 that is marked; nothing when there are fewer.
display() {
	awk -v want="$2" '
		/^\.\\" run$/ { marked = 1; next }
		/^\.Bd -literal/ { if (marked && ++n == want) inside = 1; marked = 0; next }
		/^\.Ed/ { inside = 0; next }
		/^\./ && !inside { if ($0 !~ /^\.Pp/) marked = 0 }
		inside { print }' "$1" |
		sed -e 's/\\(aq/'"'"'/g; s/\\(dq/"/g; s/\\-/-/g; s/\\&//g; s/\\(ha/^/g; s/\\(ti/~/g' \
			-e 's/\\e/\\/g'
}

# Of a display with prompts, the commands alone.
commands() {
	awk '/^\$ / { prompts = 1 }
		{ line[NR] = $0 }
		END {
			for (i = 1; i <= NR; i++) {
				command = line[i] ~ /^\$ /
				keep = !prompts || command || (keep && line[i] ~ /^ /)
				sub(/^\$ /, "", line[i])
				if (keep)
					print line[i]
			}
		}'
}

run_example() {
	(cd example && bash -e -u -o pipefail ../script)
}

mkdir prepared
ok "the data of the examples can be made" bash -e -u "$TOP/tests/cli/man-setup.sh" prepared

shopt -s nullglob
for page in "$TOP"/man/*.[157]; do
	i=1
	while display "$page" $i | commands > script && [ -s script ]; do
		rm -rf example
		cp -R prepared example
		ok "man/$(basename "$page"), example $i" run_example
		i=$((i + 1))
	done
done
done_testing
