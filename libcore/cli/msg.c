/* Messages, endings and signals.  The state here (name, verbosity, the caught signal) belongs to
 * the process as argv does; it is the only such state in the toolkit. */
#include "libcore/cli/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcore/cli/line.h"

static const char *program = "nst";
static int verbosity;
static volatile sig_atomic_t caught;
static void (*fatal_hook)(void);
static int catching; /* interrupts are only noted */
static char lost_bytes[200]; /* a line, made when it is safe to make one */

static const int ending[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT};

/* ---- start -------------------------------------------------------------------------------- */

/* A file opened later must not become descriptor 0, 1 or 2 and take messages for data.  The stand-
 * ins are opened the wrong way round, so that using one is still the error it would have been. */
static void fill_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
			_exit(1);
}

/* Inputs are read where they are mapped.  That bytes of one are gone is told by a signal to whoever
 * touches them, in any thread. */
static void on_lost_bytes(int sig)
{
	(void)sig;
	nst_line_wipe();
	nst_line_write(lost_bytes, strlen(lost_bytes));
	_exit(1);
}

void nst_start(const char *name)
{
	sigset_t pipe_only;

	program = name;
	snprintf(lost_bytes, sizeof(lost_bytes), "%s: cannot read an input: a file became shorter while "
		 "it was read, or its disk fails\n", name);
	signal(SIGBUS, on_lost_bytes);
	fill_descriptors();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &pipe_only, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

const char *nst_program(void)
{
	return program;
}

void nst_set_verbosity(int level)
{
	verbosity = level;
}

int nst_verbosity(void)
{
	return verbosity;
}

/* ---- messages ----------------------------------------------------------------------------- */

static void say(const char *kind, const char *fmt, va_list ap) NST_PRINTF(2, 0);
static void say(const char *kind, const char *fmt, va_list ap)
{
	char line[1024];
	size_t n, room = sizeof(line) - 1; /* for the newline */

	n = (size_t)snprintf(line, room, "%s: %s", program, kind);
	if (n < room)
		vsnprintf(line + n, room - n, fmt, ap);
	n = strlen(line);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 32 || line[i] == 127)
			line[i] = '?';
	line[n] = '\n';
	nst_line_wipe();
	nst_line_write(line, n + 1);
}

void nst_warn(const char *fmt, ...)
{
	va_list ap;

	if (verbosity < 0)
		return;
	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

void nst_note(const char *fmt, ...)
{
	va_list ap;

	if (verbosity < 0)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void nst_info(const char *fmt, ...)
{
	va_list ap;

	if (verbosity < 1)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void nst_put_lines(char *const *line, size_t n, int to_stdout)
{
	for (size_t i = 0; i < n; i++) {
		if (to_stdout)
			puts(line[i]);
		else
			nst_info("%s", line[i]);
	}
}

static void say_error(const char *fmt, ...) NST_PRINTF(1, 2);
static void say_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

/* ---- endings ------------------------------------------------------------------------------ */

/* Die by a signal, so that the shell and make see the true reason. */
static void die_by(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void nst_die_status(const struct nst_err *err, int status)
{
	say_error("%s", err->msg);
	exit(status);
}

void nst_die(const struct nst_err *err)
{
	if (err->code == NST_EINTERRUPTED && caught) {
		say_error("%s", err->msg);
		if (fatal_hook)
			fatal_hook();
		die_by(caught);
	}
	nst_die_status(err, 1);
}

void nst_must(int r, const struct nst_err *err)
{
	if (r < 0)
		nst_die(err);
}

int nst_finish_stdout(void)
{
	struct nst_err err;
	int failed = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return 0;
	if (errno == EPIPE)
		die_by(SIGPIPE);
	if (errno)
		nst_fail_errno(&err, "cannot write standard output");
	else
		nst_fail(&err, NST_EIO, "cannot write standard output");
	nst_die(&err);
}

/* ---- signals ------------------------------------------------------------------------------ */

static void on_fatal(int sig)
{
	if (fatal_hook)
		fatal_hook();
	die_by(sig);
}

static void on_interrupt(int sig)
{
	if (caught)
		on_fatal(sig);
	caught = sig;
}

/* A signal the parent had ignored (nohup, a background job) stays ignored. */
static void handle(int sig, void (*handler)(int))
{
	struct sigaction old, act = {.sa_handler = handler, .sa_flags = SA_RESTART};

	if (sigaction(sig, NULL, &old) < 0 || old.sa_handler == SIG_IGN)
		return;
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		sigaddset(&act.sa_mask, ending[i]);
	sigaction(sig, &act, NULL);
}

static void install(void)
{
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		handle(ending[i], catching && ending[i] != SIGQUIT ? on_interrupt : on_fatal);
}

void nst_on_fatal_signal(void (*fn)(void))
{
	fatal_hook = fn;
	install();
}

void nst_catch_interrupts(void)
{
	catching = 1;
	install();
}

int nst_interrupted(void)
{
	return caught;
}
