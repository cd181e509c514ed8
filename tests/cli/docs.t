#!/usr/bin/env bash
# What is written about the tools agrees with the tools: help, manual pages, completions, and the
# promise that a tool is short enough to be read in one go.
. "${0%/*}/lib.sh"

LINES_OF_A_TOOL=250

# The long options of --help, one a line, without their dashes.
long_options() {
	sed -n 's/^  \(-[a-zA-Z], \|    \)--\([a-z0-9-]*\).*/\2/p' "$1"
}

check_help() {
	quiet "$1 --help" "$1" --help
	cp "$stdout" help
	contains "$1 --help shows the usage" help "usage: $1 "
	is "$1 --help fits 79 columns" "$(awk 'length > 79' help)" ""
	quiet "$1 -h" "$1" -h
	same "$1 -h is --help" "$stdout" help
	quiet "$1 --version" "$1" --version
	like "$1 --version" "$(head -n 1 "$stdout")" "$1 (nst) [0-9]*"
	fails 2 "$1: unknown option '--no-such-option'; try '$1 --help'" "$1" --no-such-option
}

# Every long option is offered for "--", the words of a choice behind its "=".
check_completion() {
	local o missing=
	quiet "$1 --completion=bash" "$1" --completion=bash
	cp "$stdout" completion
	for o in $(long_options help); do
		grep -q -e "[' ]--${o}[ =']" completion || missing+=" --$o"
	done
	is "the completion of $1 knows every option" "$missing" ""
	bash -u -c '. ./completion; compopt() { :; }
		COMP_WORDS=("$1" --hel) COMP_CWORD=1; '"_${1//-/_}"'; echo "${COMPREPLY[*]}"' \
		completion-of "$1" > completed 2>&1
	is "the completion of $1 works in bash" "$(cat completed)" "--help"
}

check_manual() {
	local page=$TOP/man/$1.1
	if [ ! -f "$page" ]; then
		tap_fail "$1 has a manual page" "man/$1.1 is missing"
		return
	fi
	ok "the options in man/$1.1 can be made anew" "$TOP/man/options.sh" "$NST_BIN/$1" "$page"
	same "man/$1.1 and the option table agree (make man)" "$stdout" "$page"
	contains "man/$1.1 names the tool" "$page" ".Nm $1"
	for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -q -x -e ".Sh $section" "$page" || note "man/$1.1 has no section $section"
	done > lacking
	is "man/$1.1 has every section" "$(cat lacking)" ""
}

for source in "$TOP"/tools/nst-*.c; do
	tool=$(basename "$source" .c)
	check_help "$tool"
	check_completion "$tool"
	check_manual "$tool"
	n=$(wc -l < "$source")
	ok "tools/$tool.c has at most $LINES_OF_A_TOOL lines ($n)" [ "$n" -le $LINES_OF_A_TOOL ]
done

# "nst-mix --ratio": the options that stand beside what is done in the papers.
awk '/^\.Ss The papers/ { on = 1; next } /^\.S[sh]/ { on = 0 }
	on && $1 == ".Xr" { tool = $2 } on && $1 == ".Fl" { print tool, "--" $3 }' \
	"$TOP/man/nst.7" | sort -u > named
for source in "$TOP"/tools/nst-*.c; do
	tool=$(basename "$source" .c)
	"$tool" --help | long_options /dev/stdin | sed "s/^/$tool --/"
done | sort > existing
is "the options in nst(7) are those of the tools" "$(comm -23 named existing)" ""
ok "and are more than 30" [ "$(wc -l < named)" -gt 30 ]

# No option without a test that gives it, by its long name or its letter.
for source in "$TOP"/tools/nst-*.c; do
	tool=$(basename "$source" .c)
	"$tool" --help > help
	for o in $(long_options help); do
		letter=$(sed -n "s/^  \(-[a-zA-Z]\), --$o\([ =].*\|\)$/\1/p" help)
		grep -q -E -e "--$o([^a-z-]|\$)" ${letter:+-e "(^|[^a-z-])$letter([^a-z]|\$)"} \
			"$TOP"/tests/cli/*.t || echo "$tool --$o"
	done
done > untested
is "every option is given in a test" "$(cat untested)" ""

shopt -s nullglob
for page in "$TOP"/man/*.[157]; do
	name=man/$(basename "$page")
	if have mandoc; then
		# A reference to another manual cannot be looked up in a scratch directory.
		mandoc -T lint -W warning "$page" 2>&1 |
			grep -v -e 'referenced manual not found' -e 'lower case character in document title' \
				-e 'missing date' -e 'unusual Xr order' > lint
		is "$name is well-formed mdoc" "$(cat lint)" ""
	else
		skip "mandoc is not installed" "$name is well-formed mdoc"
	fi
done

done_testing
