# Shell tests: TAP helpers.  A test is an executable file tests/cli/NAME.t that begins with
#
#	#!/usr/bin/env bash
#	. "${0%/*}/lib.sh"
#
# and ends with `done_testing`.  It runs in an empty scratch directory of its own, which is removed.
# First in PATH are the built tools and the helpers compiled from tests/cli/*.c; $TOP is the source
# tree and $NST_BUILD the build directory.
#
# Rules: the status of a tool is never lost (`pipefail` is on; no `tool | grep`: keep the output in
# a file and look at it with `contains`), and dying by a signal is never an expected failure.

set -u -o pipefail
LC_ALL=C
export LC_ALL
unset CDPATH NST_SIMD SOURCE_DATE_EPOCH MAKEFLAGS MAKELEVEL MFLAGS

TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd) || exit 1
NST_BUILD=$(cd "$TOP" && cd "${NST_BUILD:-build}" && pwd) || exit 1
NST_BIN=${NST_BIN:-$NST_BUILD/bin}
PATH=$NST_BIN:$NST_BUILD/test-cli:$PATH
HDF5_PLUGIN_PATH=$NST_BUILD/lib
export TOP NST_BUILD NST_BIN PATH HDF5_PLUGIN_PATH

scratch=$(mktemp -d "${TMPDIR:-/tmp}/nst-test.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
mkdir "$scratch/work" && cd "$scratch/work" || exit 1

stdout=$scratch/stdout # what the last command said
stderr=$scratch/stderr
status=                # how it ended
tap_count=0

tap_pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

# tap_fail NAME EXPLANATION
tap_fail() {
	tap_count=$((tap_count + 1))
	echo "not ok $tap_count - $1"
	note "$2"
}

# Text as TAP comments.
note() {
	printf '%s\n' "$1" | sed 's/^/#   /'
}

tap_streams() {
	note "--- standard output (first lines)"
	head -n 20 "$stdout" | sed 's/^/#   /'
	note "--- standard error (last lines)"
	tail -n 20 "$stderr" | sed 's/^/#   /'
}

# run COMMAND...: run it; its streams are then in the files $stdout and $stderr, its status in
# $status.
run() {
	("$@") > "$stdout" 2> "$stderr" < /dev/null
	status=$?
}

# ok NAME COMMAND...: COMMAND (a tool or a shell function) succeeds.
ok() {
	local name=$1
	shift
	run "$@"
	if [ $status -eq 0 ]; then
		tap_pass "$name"
	else
		tap_fail "$name" "status $status: $*"
		tap_streams
	fi
}

# quiet NAME COMMAND...: as ok, and nothing on standard error.
quiet() {
	local name=$1
	shift
	run "$@"
	if [ $status -eq 0 ] && [ ! -s "$stderr" ]; then
		tap_pass "$name"
	else
		tap_fail "$name" "status $status, or standard error is not empty: $*"
		tap_streams
	fi
}

# fails STATUS GLOB COMMAND...: COMMAND exits with STATUS, writes nothing on standard output and
# exactly one line on standard error, which matches GLOB.
fails() {
	local want=$1 glob=$2 why='' said
	shift 2
	run "$@"
	said=$(cat "$stderr")
	if [ $status -gt 128 ]; then
		why="died by signal $((status - 128))"
	elif [ $status -ne "$want" ]; then
		why="status is $status, not $want"
	elif [ -s "$stdout" ]; then
		why="standard output is not empty"
	elif [ "$(wc -l < "$stderr")" -ne 1 ]; then
		why="standard error is not one line"
	elif [[ $said != $glob ]]; then
		why="the sentence is another one than: $glob"
	fi
	if [ -z "$why" ]; then
		tap_pass "fails: $glob"
	else
		tap_fail "fails: $glob" "$why: $*"
		tap_streams
	fi
}

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		tap_pass "$1"
	else
		tap_fail "$1" "got:    $2"
		note "wanted: $3"
	fi
}

# like NAME GOT GLOB
like() {
	if [[ $2 == $3 ]]; then
		tap_pass "$1"
	else
		tap_fail "$1" "got: $2"
		note "not like: $3"
	fi
}

# contains NAME FILE TEXT: a line of FILE contains TEXT as it stands.
contains() {
	if grep -qF -e "$3" "$2"; then
		tap_pass "$1"
	else
		tap_fail "$1" "'$3' is not in '$2':"
		head -n 20 "$2" | sed 's/^/#   /'
	fi
}

# same NAME FILE FILE: equal bytes.
same() {
	local why
	if why=$(cmp "$2" "$3" 2>&1); then
		tap_pass "$1"
	else
		tap_fail "$1" "$why"
	fi
}

# no_output FILE...: none of them exists, nor a temporary beside them.
no_output() {
	local f left=''
	for f; do
		left+=$(find "$(dirname "$f")" -maxdepth 1 -name "*$(basename "$f")*" 2>&1)
	done
	if [ -z "$left" ]; then
		tap_pass "nothing left of $*"
	else
		tap_fail "nothing left of $*" "$left"
	fi
}

# skip REASON [NAME]: one assertion that cannot be made here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - ${2:-} # SKIP $1"
}

# skip_all REASON: instead of everything, before the first assertion.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# have COMMAND...: all of them are installed.
have() {
	local c
	for c; do
		command -v "$c" > /dev/null || return 1
	done
}

done_testing() {
	echo "1..$tap_count"
}
