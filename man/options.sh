#!/bin/sh
# Print a manual page with its OPTIONS section made anew from the tool's option table:
#
#	man/options.sh TOOL PAGE
#
# The section stands between the comments `options begin` and `options end`.
set -eu
table=$("$1" --options=man)
table=$table awk '
	/^\.\\" options end$/ { inside = 0; ended = 1 }
	!inside { print }
	/^\.\\" options begin$/ { inside = 1; begun = 1; print ENVIRON["table"] }
	END {
		if (!begun || !ended || inside) {
			print FILENAME ": the comments options begin and options end are missing" > "/dev/stderr"
			exit 1
		}
	}' "$2"
