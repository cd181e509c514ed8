/* libcore/cli: the option table and everything made from it, messages, endings, signals, progress,
 * JSON.  What prints or exits runs in a child process whose standard error is a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "libcore/cli/json.h"
#include "libcore/cli/table.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/io/atomic.h"
#include "libcore/io/map.h"
#include "libcore/par/pool.h"
#include "libcore/util/version.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- a table with a row of every type ------------------------------------------------------- */

struct point {
	int x, y;
};

static int parse_point(const char *word, void *target, struct nst_err *err)
{
	struct point *p = target;
	char end;

	if (sscanf(word, "%d,%d%c", &p->x, &p->y, &end) != 2)
		return nst_fail(err, NST_EFORMAT, "'%s' is not X,Y", word);
	return 0;
}

static struct {
	struct nst_common common;
	int flip, mode, json;
	const char *name, *resume;
	struct nst_words list;
	int64_t epochs, unset;
	uint64_t seed, size;
	double rate, open, half;
	struct point at;
} v;

static const char *const modes[] = {"soft", "hard", "both", NULL};

static const struct nst_opt table[] = {
	NST_OPT_SECTION("Training"),
	NST_OPT_STRING('n', "name", "WORD", &v.name, "call it WORD"),
	NST_OPT_OPTIONAL(0, "resume", "FILE", &v.resume, "go on from FILE"),
	NST_OPT_LIST('m', "model", "FILE", &v.list, "use FILE, again for several"),
	NST_OPT_INT('e', "epochs", "N", &v.epochs, 1, 1000, "train for N epochs"),
	NST_OPT_INT(0, "unset", "N", &v.unset, 0, INT64_MAX, "an option without a default"),
	NST_OPT_SEED(&v.seed),
	NST_OPT_SIZE(0, "shard-size", "SIZE", &v.size, 1024, 1ull << 40, "close a shard at SIZE"),
	NST_OPT_DOUBLE(0, "rate", "R", &v.rate, 0, 1, NST_CLOSED, "drop with probability R"),
	NST_OPT_DOUBLE(0, "open", "R", &v.open, 0, 1, NST_OPEN, "strictly between"),
	NST_OPT_DOUBLE(0, "half", "R", &v.half, 0, (double)INFINITY, NST_OPEN_LOW, "above nothing"),
	NST_OPT_ENUM(0, "mode", "WORD", &v.mode, modes, "which labels"),
	NST_OPT_UNFLAG(0, "no-flip", &v.flip, "do not flip"),
	NST_OPT_SET(0, "flip-both", &v.flip, 2, "flip both ways"),
	NST_OPT_WORD(0, "at", "X,Y", &v.at, parse_point, "3,4", ".begin at a back\\slash"),
	NST_OPT_JSON(&v.json),
	NST_OPT_COMMON(&v.common),
	NST_OPT_END
};

static const char *const libraries[] = {"hdf5 1.10.8", "jansson 2.14", NULL};
static const struct nst_tool tool = {
	.name = "nst-try",
	.operands = "FILE ...",
	.about = "try the option table",
	.libraries = libraries,
};

static int reset(void **state)
{
	(void)state;
	nst_words_release(&v.list);
	memset(&v, 0, sizeof(v));
	v.flip = 1;
	v.epochs = 350;
	v.unset = -1;
	v.size = 256 << 20;
	v.rate = 0.25;
	v.open = NAN;
	v.half = 1;
	v.name = "x";
	return 0;
}

#define MOST_ARGS 12
static struct nst_err err;
static char *args[MOST_ARGS + 2];

/* Scan the words of a line (separated by spaces). */
static int scan(const char *line, const struct nst_opt **asked)
{
	static char copy[400];
	int argc = 0;

	snprintf(copy, sizeof(copy), "nst-try %s", line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		args[argc++] = w;
	args[argc] = NULL;
	return nst_opt_scan(table, argc, args, asked, &err);
}

static void check_good(const char *line, int first)
{
	const struct nst_opt *asked;
	int r = scan(line, &asked);

	if (r < 0)
		fail_msg("%s: %s", line, err.msg);
	assert_int_equal(r, first);
	assert_null(asked);
}

static void check_bad(const char *line, const char *sentence)
{
	const struct nst_opt *asked;

	assert_int_equal(scan(line, &asked), NST_EINVAL);
	assert_string_equal(err.msg, sentence);
}

static void test_every_type_is_stored(void **state)
{
	(void)state;
	check_good("--name=a -m b --model c -m d --epochs 7 --seed=18446744073709551615", 11);
	assert_string_equal(v.name, "a");
	assert_int_equal(v.list.n, 3);
	assert_string_equal(v.list.word[0], "b");
	assert_string_equal(v.list.word[2], "d");
	assert_int_equal(v.epochs, 7);
	assert_true(v.seed == UINT64_MAX);
	check_good("--shard-size=64M --rate=1 --open=.5 --half=1e9 --mode=both --at=-1,2", 7);
	assert_true(v.size == 64 << 20);
	assert_true(v.rate == 1 && v.open == .5 && v.half == 1e9);
	assert_int_equal(v.mode, 2);
	assert_int_equal(v.at.x, -1);
	assert_int_equal(v.at.y, 2);
	check_good("--no-flip", 2);
	assert_int_equal(v.flip, 0);
	check_good("--flip-both --json -qvv -j3 -o out.h5", 7);
	assert_int_equal(v.flip, 2);
	assert_int_equal(v.json, 1);
	assert_int_equal(v.common.quiet, 1);
	assert_int_equal(v.common.verbose, 2);
	assert_int_equal(v.common.threads, 3);
	assert_string_equal(v.common.output, "out.h5");
}

static void test_optional_value(void **state)
{
	(void)state;
	check_good("file", 1);
	assert_null(v.resume);
	check_good("--resume file", 2);
	assert_string_equal(v.resume, "");
	assert_string_equal(args[2], "file");
	check_good("--resume=a.ckpt", 2);
	assert_string_equal(v.resume, "a.ckpt");
}

static void test_operands_go_last(void **state)
{
	(void)state;
	check_good("a -e 3 - b --name z", 5);
	assert_string_equal(args[5], "a");
	assert_string_equal(args[6], "-");
	assert_string_equal(args[7], "b");
	check_good("-e 4 -- --name", 4);
	assert_string_equal(args[4], "--name");
	check_good("--epo=5", 2);
	assert_int_equal(v.epochs, 5);
}

static void test_mistakes(void **state)
{
	static const struct { const char *line, *sentence; } bad[] = {
		{"--frob", "unknown option '--frob'"},
		{"--frob=3 a", "unknown option '--frob'"},
		{"-z", "unknown option '-z'"},
		{"-qz", "unknown option '-z'"},
		{"--no=3", "option '--no' is ambiguous: '--no-flip' or '--no-provenance'"},
		{"--name", "option '--name' needs a value (WORD)"},
		{"-e", "option '--epochs' needs a value (N)"},
		{"--quiet=3", "option '--quiet' takes no value"},
		{"--epochs=x", "option '--epochs': 'x' is not a whole number"},
		{"--epochs=3x", "option '--epochs': '3x' is not a whole number"},
		{"--epochs=", "option '--epochs': '' is not a whole number"},
		{"--epochs=0", "option '--epochs' must be 1 to 1000, not 0"},
		{"--epochs=1001", "option '--epochs' must be 1 to 1000, not 1001"},
		{"--epochs=99999999999999999999",
		 "option '--epochs' must be 1 to 1000, not 99999999999999999999"},
		{"--unset=-1", "option '--unset' must be at least 0, not -1"},
		{"--unset=99999999999999999999",
		 "option '--unset' must be 0 to 9223372036854775807, not 99999999999999999999"},
		{"--seed=-1", "option '--seed' must be a whole number of 64 bits, not '-1'"},
		{"--seed=18446744073709551616", "option '--seed' must be a whole number of 64 "
						"bits, not '18446744073709551616'"},
		{"--shard-size=12Q",
		 "option '--shard-size': '12Q' is not a size such as 4096, 64K or 1G"},
		{"--shard-size=1",
		 "option '--shard-size' must be 1024 to 1099511627776 bytes, not 1"},
		{"--rate=x", "option '--rate': 'x' is not a number"},
		{"--rate=nan", "option '--rate': 'nan' is not a number"},
		{"--rate=1.5", "option '--rate' must be at least 0 and at most 1, not 1.5"},
		{"--open=0", "option '--open' must be more than 0 and less than 1, not 0"},
		{"--open=1", "option '--open' must be more than 0 and less than 1, not 1"},
		{"--half=0", "option '--half' must be more than 0, not 0"},
		{"--mode=Soft", "option '--mode': 'Soft' is not one of soft, hard, both"},
		{"--mode=so", "option '--mode': 'so' is not one of soft, hard, both"},
		{"--at=3", "option '--at': '3' is not X,Y"},
		{"--at=3,4,5", "option '--at': '3,4,5' is not X,Y"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		reset(NULL);
		check_bad(bad[i].line, bad[i].sentence);
	}
	assert_int_equal(v.epochs, 350);
}

static void test_requests_win_over_mistakes(void **state)
{
	const struct nst_opt *asked;

	(void)state;
	assert_true(scan("--epochs=5 --frob -e --help", &asked) < 0); /* here it is a value */
	reset(NULL);
	assert_true(scan("--epochs=5 --frob --help", &asked) >= 0);
	assert_non_null(asked);
	assert_int_equal(asked->type, NST_OPT_T_HELP);
	assert_int_equal(v.epochs, 350);
	assert_true(scan("-h", &asked) >= 0 && asked && asked->type == NST_OPT_T_HELP);
	assert_true(scan("--version", &asked) >= 0 && asked && asked->type == NST_OPT_T_VERSION);
	check_good("-- --help", 2);
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* What a function prints to a FILE; freed by the caller. */
static char *text_of(void (*print)(FILE *f))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	print(f);
	if (fclose(f) || !text)
		abort();
	return text;
}

static void help(FILE *f)
{
	nst_opt_help(f, &tool, table);
}

static void version(FILE *f)
{
	nst_opt_version(f, &tool);
}

static void manual(FILE *f)
{
	nst_opt_manual(f, table);
}

static void completion(FILE *f)
{
	nst_opt_completion(f, &tool, table);
}

static void check_has(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		print_error("'%s' is not in:\n%s\n", part, text);
		fail();
	}
}

static void test_help(void **state)
{
	char *text = text_of(help);

	(void)state;
	check_has(text, "usage: nst-try [OPTION ...] FILE ...\ntry the option table\n\n"
			"Training:\n");
	check_has(text, "  -n, --name=WORD             call it WORD [x]\n");
	check_has(text, "      --resume[=FILE]         go on from FILE\n");
	check_has(text, "      --unset=N               an option without a default\n");
	check_has(text, "      --shard-size=SIZE       close a shard at SIZE [256M]\n");
	check_has(text, "      --rate=R                drop with probability R [0.25]\n");
	check_has(text, "      --open=R                strictly between\n");
	check_has(text, "      --mode=WORD             which labels: soft, hard, both [soft]\n");
	check_has(text, "      --at=X,Y                .begin at a back\\slash [3,4]\n");
	check_has(text, "\nCommon options:\n  -o, --output=FILE ");
	check_has(text, "  -h, --help                  print this help\n");
	assert_null(strstr(text, "--completion"));
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 79);
	free(text);
}

static void test_version(void **state)
{
	char *text = text_of(version);

	(void)state;
	assert_memory_equal(text, "nst-try (nst) ", 14);
	check_has(text, "\nlibraries: hdf5 1.10.8, jansson 2.14\n");
	free(text);
}

static void test_manual(void **state)
{
	char *text = text_of(manual);

	(void)state;
	check_has(text, ".Ss Training\n.Bl -tag -width Ds\n.It Fl n , Fl -name Ns = Ns Ar WORD\n"
			"Call it WORD.\nThe default is x.\n");
	check_has(text, ".It Fl -resume Ns Oo = Ns Ar FILE Oc\nGo on from FILE.\n");
	check_has(text, "Which labels.\nOne of soft, hard, both.\nThe default is soft.\n");
	check_has(text, "\n\\&.begin at a back\\eslash.\nThe default is 3,4.\n");
	check_has(text, ".El\n.Ss Common options\n.Bl -tag -width Ds\n");
	assert_null(strstr(text, "completion"));
	assert_string_equal(text + strlen(text) - 4, ".El\n");
	free(text);
}

static void test_completion_lists_the_options(void **state)
{
	char *text = text_of(completion);

	(void)state;
	check_has(text, "\t--mode) COMPREPLY=($(compgen -W 'soft hard both' -- \"$word\"))");
	check_has(text, " --no-flip --flip-both --at= --json --output= ");
	check_has(text, "complete -o default -F _nst_try nst-try\n");
	assert_null(strstr(text, "--completion"));
	free(text);
}

/* ---- provenance ----------------------------------------------------------------------------- */

static void test_run_line_can_be_pasted(void **state)
{
	char *argv[] = {(char *)"/usr/bin/nst-try", (char *)"-o", (char *)"a b.h5", (char *)"it's",
			(char *)"--rate=0.3", (char *)"", (char *)"$HOME", NULL};
	char *line = nst_run_line("nst-try", 7, argv, &err);

	(void)state;
	assert_string_equal(line, "nst-try " NST_VERSION ": nst-try -o 'a b.h5' 'it'\\''s' "
				  "--rate=0.3 '' '$HOME'");
	free(line);
}

/* ---- child processes ------------------------------------------------------------------------ */

struct outcome {
	int status, signal; /* one of them */
	char said[2000];    /* standard error */
};

/* Run body in a child, with standard error on fd[1] (a pipe or a pseudo-terminal read by fd[0]). */
static struct outcome child_on(void (*body)(void), const int fd[2])
{
	struct outcome o = {0};
	size_t n = 0;
	ssize_t got;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		for (int s = 1; s < 32; s++) /* cmocka's own handlers */
			signal(s, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		body();
		_exit(99);
	}
	close(fd[1]);
	while (n + 1 < sizeof(o.said) &&
	       (got = read(fd[0], o.said + n, sizeof(o.said) - 1 - n)) > 0)
		n += (size_t)got;
	close(fd[0]);
	assert_true(waitpid(pid, &status, 0) == pid);
	o.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return o;
}

static struct outcome child(void (*body)(void))
{
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	return child_on(body, fd);
}

static void check_outcome(void (*body)(void), int status, int sig, const char *said)
{
	struct outcome o = child(body);

	assert_string_equal(o.said, said);
	assert_int_equal(o.signal, sig);
	if (!sig)
		assert_int_equal(o.status, status);
}

static void talk(void)
{
	nst_start("nst-try");
	nst_warn("'%s' is odd", "a\nb\033[2J");
	nst_note("%d rows", 3);
	nst_info("not shown");
	nst_set_verbosity(1);
	nst_info("shown");
	nst_set_verbosity(-1);
	nst_warn("not shown");
	nst_note("not shown");
	nst_fail(&err, NST_EFORMAT, "cannot read 'a.h5'");
	nst_die(&err);
}

static void talk_long(void)
{
	char word[3000];

	nst_start("nst-try");
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	nst_note("%s", word);
	_exit(0);
}

static void test_messages(void **state)
{
	struct outcome o;

	(void)state;
	check_outcome(talk, 1, 0,
		      "nst-try: warning: 'a?b?[2J' is odd\nnst-try: 3 rows\nnst-try: shown\n"
		      "nst-try: cannot read 'a.h5'\n");
	o = child(talk_long);
	assert_int_equal(strlen(o.said), 1023);
	assert_int_equal(o.said[1022], '\n');
}

static void parse_wrong(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"--epochs=0", NULL};

	nst_opt_parse(&tool, table, 2, argv);
}

static void parse_quiet(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"-q", (char *)"a", NULL};

	if (nst_opt_parse(&tool, table, 3, argv) == 2)
		_exit(nst_verbosity() == -1 ? 0 : 3);
}

static void parse_help(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"--help", NULL};

	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	nst_opt_parse(&tool, table, 2, argv);
}

static void parse_help_full(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"--help", NULL};

	dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
	nst_opt_parse(&tool, table, 2, argv);
}

static void parse_unknown_shell(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"--completion=tcsh", NULL};

	nst_opt_parse(&tool, table, 2, argv);
}

static void parse_for_the_build(void)
{
	char *argv[] = {(char *)"nst-try", (char *)"--options=man", NULL};

	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	nst_opt_parse(&tool, table, 2, argv);
}

static void test_statuses(void **state)
{
	(void)state;
	check_outcome(parse_wrong, 2, 0, "nst-try: option '--epochs' must be 1 to 1000, not 0; try "
					 "'nst-try --help'\n");
	check_outcome(parse_quiet, 0, 0, "");
	check_outcome(parse_help, 0, 0, "");
	check_outcome(parse_help_full, 1, 0,
		      "nst-try: cannot write standard output: No space left on device\n");
	check_outcome(parse_unknown_shell, 2, 0, "nst-try: unknown option '--completion'; try "
						 "'nst-try --help'\n");
	check_outcome(parse_for_the_build, 0, 0, "");
}

static void write_closed(void)
{
	close(STDOUT_FILENO);
	nst_start("nst-try");
	printf("lost");
	nst_finish_stdout();
}

static void write_nobody_reads(void)
{
	int fd[2];

	signal(SIGPIPE, SIG_IGN); /* as a parent may have left it */
	if (pipe(fd))
		_exit(98);
	close(fd[0]);
	dup2(fd[1], STDOUT_FILENO);
	nst_start("nst-try");
	printf("lost");
	nst_finish_stdout();
}

static void test_standard_output_is_checked(void **state)
{
	(void)state;
	check_outcome(write_closed, 1, 0,
		      "nst-try: cannot write standard output: Bad file descriptor\n");
	check_outcome(write_nobody_reads, 0, SIGPIPE, "");
}

static void hook(void)
{
	if (write(STDERR_FILENO, "hook\n", 5) != 5)
		_exit(98);
}

static void die_with_hook(void)
{
	nst_start("nst-try");
	nst_on_fatal_signal(hook);
	raise(SIGTERM);
}

static void ignored_stays_ignored(void)
{
	signal(SIGHUP, SIG_IGN);
	nst_start("nst-try");
	nst_on_fatal_signal(hook);
	raise(SIGHUP);
	_exit(7);
}

static void save_on_interrupt(void)
{
	nst_start("nst-try");
	nst_catch_interrupts();
	nst_on_fatal_signal(hook); /* in either order */
	if (nst_interrupted())
		_exit(98);
	raise(SIGINT);
	if (nst_interrupted() != SIGINT)
		_exit(97);
	nst_fail(&err, NST_EINTERRUPTED, "interrupted; state saved");
	nst_die(&err);
}

static void second_interrupt_is_fatal(void)
{
	nst_start("nst-try");
	nst_on_fatal_signal(hook);
	nst_catch_interrupts();
	raise(SIGINT);
	raise(SIGTERM);
}

static void test_signals(void **state)
{
	(void)state;
	check_outcome(die_with_hook, 0, SIGTERM, "hook\n");
	check_outcome(ignored_stays_ignored, 7, 0, "");
	check_outcome(save_on_interrupt, 0, SIGINT, "nst-try: interrupted; state saved\nhook\n");
	check_outcome(second_interrupt_is_fatal, 0, SIGTERM, "hook\n");
}

/* ---- a mapped file that becomes shorter ------------------------------------------------------- */

#define LOST "nst-try: cannot read an input: a file became shorter while it was read, or its disk fails\n"

static char lost_dir[200], lost_input[210], lost_output[210];
static struct nst_map lost;

/* Map a file, begin another one, and cut the first. */
static void lose(void)
{
	struct nst_atomic out;
	int fd = open(lost_input, O_RDWR | O_CREAT, 0600);

	nst_start("nst-try");
	if (fd < 0 || ftruncate(fd, 100000) < 0 || nst_map_fd(&lost, fd, lost_input, &err) < 0 ||
	    nst_atomic_open(&out, lost_output, &err) < 0 || ftruncate(fd, 0) < 0)
		_exit(98);
}

static void touch(void *ctx, size_t number, unsigned worker)
{
	int by = *(int *)ctx;

	(void)number;
	if (by == 2 || by == (int)worker)
		_exit(*(const volatile uint8_t *)(lost.data + 50000) ? 96 : 97);
	sleep(20); /* the other one has the other task, and ends all */
}

static void touched_by(int worker)
{
	struct nst_pool *pool;

	lose();
	if (nst_pool_new(2, &pool, &err) < 0)
		_exit(98);
	nst_pool_run(pool, 2, touch, &worker);
}

static void touched_by_main(void)
{
	touched_by(0);
}

static void touched_by_worker(void)
{
	touched_by(1);
}

static void touched_by_both(void)
{
	touched_by(2);
}

static void test_lost_bytes(void **state)
{
	static void (*const body[])(void) = {touched_by_main, touched_by_worker};
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(lost_dir, sizeof(lost_dir), "%s/nst-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(lost_dir));
	snprintf(lost_input, sizeof(lost_input), "%s/in", lost_dir);
	snprintf(lost_output, sizeof(lost_output), "%s/out", lost_dir);
	for (size_t i = 0; i < COUNT(body); i++)
		check_outcome(body[i], 1, 0, LOST);
	assert_int_equal(child(touched_by_both).status, 1); /* either may speak before it ends */
	assert_int_equal(unlink(lost_input), 0);
	assert_int_equal(rmdir(lost_dir), 0); /* no temporary was left */
}

/* ---- terminals ------------------------------------------------------------------------------ */

/* A pseudo-terminal: fd[0] is the screen's side, fd[1] the program's. */
static void open_terminal(int fd[2])
{
	char name[100];

	fd[0] = posix_openpt(O_RDWR | O_NOCTTY);
	if (fd[0] < 0)
		skip();
	assert_int_equal(grantpt(fd[0]), 0);
	assert_int_equal(unlockpt(fd[0]), 0);
	assert_int_equal(ptsname_r(fd[0], name, sizeof(name)), 0);
	fd[1] = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd[1] >= 0);
}

/* Progress through 100 steps whose clock is turned back, so that nobody waits. */
static void work(void)
{
	struct nst_progress p;

	setenv("TERM", "xterm", 1);
	nst_start("nst-try");
	nst_progress_start(&p, "training", "images", 100);
	p.start -= 10;
	nst_progress_note(&p, "loss %.2f", 1.5);
	for (uint64_t i = 0; i <= 50; i++)
		nst_progress_at(&p, i);
	p.drawn = 0;
	nst_progress_at(&p, 50);
	nst_warn("odd");
	nst_progress_end(&p);
	nst_progress_end(&p);
	_exit(0);
}

static void work_briefly(void)
{
	struct nst_progress p;

	setenv("TERM", "xterm", 1);
	nst_start("nst-try");
	nst_progress_start(&p, "training", "images", 100);
	for (uint64_t i = 0; i <= 100; i++)
		nst_progress_at(&p, i);
	nst_progress_end(&p);
	_exit(0);
}

static void test_progress(void **state)
{
	struct outcome o;
	int fd[2];

	(void)state;
	check_outcome(work, 0, 0, "nst-try: warning: odd\n");
	open_terminal(fd);
	o = child_on(work, fd);
	check_has(o.said, "\rtraining [........................]   0%  0.0 images/s");
	check_has(o.said, "############............]  50%  5.0 images/s  left 0:10  "
			  "loss 1.50\033[K");
	check_has(o.said, "\033[K\r\033[Knst-try: warning: odd\r\n");
	open_terminal(fd);
	o = child_on(work_briefly, fd);
	assert_string_equal(o.said, "");
}

static void binary_to_terminal(void)
{
	nst_start("nst-try");
	dup2(STDERR_FILENO, STDOUT_FILENO);
	nst_refuse_terminal("out.h5");
	nst_refuse_terminal(NULL);
}

static void nothing_to_read(void)
{
	nst_start("nst-try");
	dup2(STDERR_FILENO, STDIN_FILENO);
	nst_need_input(1, "a shard");
	nst_need_input(0, "a shard");
}

static void test_terminals(void **state)
{
	struct outcome o;
	int fd[2];

	(void)state;
	check_outcome(binary_to_terminal, 99, 0, "");
	check_outcome(nothing_to_read, 99, 0, "");
	open_terminal(fd);
	o = child_on(binary_to_terminal, fd);
	assert_int_equal(o.status, 2);
	check_has(o.said, "nst-try: binary data is not written to a terminal");
	open_terminal(fd);
	o = child_on(nothing_to_read, fd);
	assert_int_equal(o.status, 2);
	check_has(o.said, "nst-try: a shard is needed: name a file, or - for standard input; try");
	assert_true(nst_is_stdout(NULL) && nst_is_stdout("-") && !nst_is_stdout("a"));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void check_json(struct nst_json *value, const char *want)
{
	struct nst_buf b = {0};

	assert_int_equal(nst_json_append(value, &b, &err), 0);
	assert_int_equal(nst_buf_append(&b, "", 1, &err), 0);
	assert_string_equal((char *)b.data, want);
	nst_buf_release(&b);
	nst_json_free(value);
}

static void test_json_layout(void **state)
{
	struct nst_json *o = nst_json_object(), *m = nst_json_array();

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct nst_json *row = nst_json_array();

		nst_json_add_int(row, i);
		nst_json_add_double(row, i / 2.0);
		nst_json_add_string(row, "s");
		nst_json_add(m, row);
	}
	nst_json_set_int(o, "rows", INT64_MIN);
	nst_json_set_double(o, "top1", 0.1);
	nst_json_set_string(o, "name", "a\"\\\n\xc3\xa9");
	nst_json_set_string(o, "none", NULL);
	nst_json_set_bool(o, "ok", 5);
	nst_json_set(o, "matrix", m);
	nst_json_set(o, "empty", nst_json_array());
	nst_json_set(o, "object", nst_json_object());
	nst_json_set_int(o, "rows", 3);
	check_json(o, "{\n  \"rows\": 3,\n  \"top1\": 0.1,\n  \"name\": \"a\\\"\\\\\\n\xc3\xa9\",\n"
		      "  \"none\": null,\n  \"ok\": true,\n"
		      "  \"matrix\": [\n    [0, 0.0, \"s\"],\n    [1, 0.5, \"s\"]\n  ],\n"
		      "  \"empty\": [],\n  \"object\": {}\n}\n");
}

static void test_json_doubles_read_back(void **state)
{
	static const struct { double d; const char *text; } known[] = {
		{0.1, "[0.1]\n"}, {1, "[1.0]\n"}, {-0.0, "[-0.0]\n"}, {1e300, "[1e+300]\n"},
		{5e-324, "[5e-324]\n"}, {1.0 / 3, "[0.3333333333333333]\n"},
		{123456, "[123456.0]\n"},
		{NAN, "[null]\n"}, {INFINITY, "[null]\n"}, {-INFINITY, "[null]\n"},
	};
	uint64_t bits = 88172645463325252u;

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct nst_json *a = nst_json_array();

		nst_json_add_double(a, known[i].d);
		check_json(a, known[i].text);
	}
	for (int i = 0; i < 2000; i++) {
		struct nst_buf b = {0};
		struct nst_json *a = nst_json_array();
		double d;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			d = i;
		nst_json_add_double(a, d);
		assert_int_equal(nst_json_append(a, &b, &err), 0);
		assert_true(strtod((char *)b.data + 1, NULL) == d);
		nst_buf_release(&b);
		nst_json_free(a);
	}
}

/* Bytes that are not UTF-8, one replacement each; well-formed text is left alone. */
static void test_json_repairs_strings(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{"\xff", "[\"\xef\xbf\xbd\"]\n"},
		{"a\xc3", "[\"a\xef\xbf\xbd\"]\n"},
		{"\xc0\xaf", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xed\xa0\x80", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xf0\x9f\x98\x80", "[\"\xf0\x9f\x98\x80\"]\n"},
		{"\xe2\x82\xac", "[\"\xe2\x82\xac\"]\n"},
		{"\xf4\x90\x80\x80", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct nst_json *a = nst_json_array();

		nst_json_add_string(a, cases[i].in);
		check_json(a, cases[i].out);
	}
}

/* A value that lost something is not written as if it were whole. */
static void test_json_remembers_losses(void **state)
{
	struct nst_json *o = nst_json_object();
	struct nst_buf b = {0};
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	nst_json_set_int(o, "a", 1);
	assert_int_equal(nst_json_write(o, full, &err), NST_EIO);
	assert_string_equal(err.msg, "cannot write the JSON text: No space left on device");
	fclose(full);
	nst_json_set(o, "lost", NULL);
	assert_int_equal(nst_json_append(o, &b, &err), NST_ENOMEM);
	nst_json_free(o);
	assert_int_equal(nst_json_append(NULL, &b, &err), NST_ENOMEM);
	nst_json_set_int(NULL, "a", 1);
	nst_json_add_string(NULL, "a");
	nst_json_free(NULL);
	nst_buf_release(&b);
}

/* A table as text and as JSON: nothing, text, numbers, bytes, and a text that is too long. */
static void test_tables(void **state)
{
	static const struct nst_label columns[] = {
		{"name", "layer"}, {"count", "number"}, {"kind", "kind"}};
	static const char want[] = "layer   number  kind\n"
				   "a            7  x\n"
				   "bcdefg       -  yz\n"
				   "\n"
				   "rows                            2\n"
				   "memory                          3 MiB\n",
			  json[] = "{\n  \"rows\": 2,\n  \"bytes\": 3145728,\n  \"list\": [\n"
				   "    {\n      \"name\": \"a\",\n      \"count\": 7,\n"
				   "      \"kind\": \"x\"\n    },\n"
				   "    {\n      \"name\": \"bcdefg\",\n      \"count\": null,\n"
				   "      \"kind\": \"yz\"\n    }\n  ]\n}\n";
	struct nst_table t = {.name = "list", .column = columns, .columns = 3};
	struct nst_buf b = {0};
	struct nst_value *row, long_text;
	char big[200];

	(void)state;
	row = nst_table_row(&t, &err);
	row[0] = nst_value_text("a");
	row[1] = nst_value_number(7);
	row[2] = nst_value_text("x");
	row = nst_table_row(&t, &err);
	assert_int_equal(row[0].kind, NST_VALUE_NONE);
	row[0] = nst_value_text("bcdefg");
	row[2] = nst_value_text("yz");
	nst_table_fact(&t, "rows", "rows", nst_value_number(2));
	nst_table_fact(&t, "bytes", "memory", nst_value_bytes(3 << 20));
	assert_int_equal(nst_table_text(&t, &b, &err), 0);
	assert_string_equal((const char *)b.data, want);
	b.len = 0;
	assert_int_equal(nst_table_json(&t, &b, &err), 0);
	assert_int_equal(nst_buf_append(&b, "", 1, &err), 0);
	assert_string_equal((const char *)b.data, json);
	nst_buf_release(&b);

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	long_text = nst_value_text(big);
	assert_int_equal(strlen(long_text.text), sizeof(long_text.text) - 1);
	for (int i = 0; i < 1000; i++)
		assert_non_null(nst_table_row(&t, &err));
	for (int i = 0; i < 2 * NST_TABLE_FACTS; i++)
		nst_table_fact(&t, "x", "x", long_text);
	assert_int_equal(t.facts, NST_TABLE_FACTS);
	assert_int_equal(t.rows, 1002);
	assert_string_equal(t.cell[3].text, "bcdefg");
	nst_table_release(&t);
	assert_null(t.cell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_type_is_stored, reset, reset),
		cmocka_unit_test_setup_teardown(test_optional_value, reset, reset),
		cmocka_unit_test_setup_teardown(test_operands_go_last, reset, reset),
		cmocka_unit_test_setup_teardown(test_mistakes, reset, reset),
		cmocka_unit_test_setup_teardown(test_requests_win_over_mistakes, reset, reset),
		cmocka_unit_test_setup_teardown(test_help, reset, reset),
		cmocka_unit_test_setup_teardown(test_version, reset, reset),
		cmocka_unit_test_setup_teardown(test_manual, reset, reset),
		cmocka_unit_test_setup_teardown(test_completion_lists_the_options, reset, reset),
		cmocka_unit_test(test_run_line_can_be_pasted),
		cmocka_unit_test(test_messages),
		cmocka_unit_test_setup_teardown(test_statuses, reset, reset),
		cmocka_unit_test(test_standard_output_is_checked),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_lost_bytes),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_terminals),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_json_layout),
		cmocka_unit_test(test_json_doubles_read_back),
		cmocka_unit_test(test_json_repairs_strings),
		cmocka_unit_test(test_json_remembers_losses),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
