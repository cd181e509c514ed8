#!/usr/bin/env bash
# The runner and the shell helpers can fail: everything else rests on that.
. "${0%/*}/lib.sh"

# runs STATUS LAST-LINE NAME: give the test in file t to the runner.
runs() {
	chmod +x t
	run "$TOP/tests/run" "$NST_BUILD" "$PWD/t"
	is "$3: status" "$status" "$1"
	is "$3: last line" "$(tail -n 1 "$stdout")" "$2"
}

# As runs, of a test with the body $1.
in_script() {
	printf '%s\n' '#!/usr/bin/env bash' ". '$TOP/tests/cli/lib.sh'" "$1" > t
	runs "${@:2}"
}

good='ok true true; is same a a; like glob abc "a*"; done_testing'
in_script "$good" 0 "3 passed, 0 failed" "all pass"
in_script 'ok true true; skip "no reason" name; done_testing' 0 "1 passed, 0 failed, 1 skipped" \
	"a skipped assertion"
in_script 'skip_all "nothing here"' 1 "0 passed, 0 failed, 1 skipped" "nothing but skipped"
in_script 'ok true true; ok false false; done_testing' 1 "1 passed, 1 failed" "one fails"
in_script 'ok true true; exit 0' 1 "1 passed, 1 failed" "the plan is missing"
in_script 'ok true true; done_testing; exit 3' 1 "1 passed, 1 failed" "bad status behind good lines"
in_script 'ok true true; kill -SEGV $$' 1 "1 passed, 1 failed" "a crash"
in_script 'exit 0' 1 "0 passed, 1 failed" "no assertion at all"
in_script 'ok true true; touch "$TMPDIR/leftover"; done_testing' 1 "1 passed, 1 failed" \
	"files left behind"
if [ -e /proc/self/cwd ]; then
	in_script 'ok true true; sleep 1000 > /dev/null 2>&1 & done_testing' \
		1 "1 passed, 1 failed" "a process left running"
	contains "which is named" "$stdout" "left running: sleep 1000"
else
	skip "there is no /proc" "a process left running"
fi

# each of these assertions must fail, so that the summary counts one failure
must_fail() {
	in_script "$1; done_testing" 1 "0 passed, 1 failed" "helper refuses: $1"
}
must_fail 'ok x sh -c "exit 3"'
must_fail 'quiet x sh -c "echo oops >&2"'
must_fail 'is x a b'
must_fail 'like x abc "b*"'
must_fail 'echo ab > f; contains x f "a."'
must_fail 'echo a > f; echo b > g; same x f g'
must_fail 'echo a > f; same x f missing'
must_fail 'touch .f.h5.tmp; no_output f.h5'
must_fail 'fails 1 "*" true'
must_fail 'fails 1 "*" sh -c "echo no >&2; exit 2"'
must_fail 'fails 1 "n*" sh -c "echo no >&2; echo no >&2; exit 1"'
must_fail 'fails 1 "n*" sh -c "echo out; echo no >&2; exit 1"'
must_fail 'fails 1 "y*" sh -c "echo no >&2; exit 1"'
must_fail 'fails 1 "*" sh -c "exit 1"'
must_fail 'fails 139 "*" sh -c "echo no >&2; kill -SEGV \$\$"'
in_script 'fails 1 "n*" sh -c "echo no >&2; exit 1"; done_testing' 0 "1 passed, 0 failed" \
	"an expected failure passes"

fails 2 "tests/run: './none' is not an executable file" "$TOP/tests/run" "$NST_BUILD" ./none
chmod -x t
fails 2 "tests/run: */t' is not an executable file" "$TOP/tests/run" "$NST_BUILD" "$PWD/t"
done_testing
