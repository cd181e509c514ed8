/* Files that appear whole or not at all: temporary in the same directory, fsync, rename, fsync of the
 * directory.  The names of open temporaries stand in a table of atomic pointers, which a signal
 * handler can walk: unlink is async-signal-safe, malloc is not. */
#include "libcore/io/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcore/io/rw.h"
#include "libcore/util/mem.h"

enum { SLOTS = 64, ATTEMPTS = 1000 };

static _Atomic(char *) registry[SLOTS];
static _Atomic(pid_t) owner; /* a forked child must not remove its parent's files */

/* Signals that end the program.  SIGBUS (bytes of a mapped file are gone) does, whoever handles it. */
static const int fatal_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ, SIGBUS};
enum { FATAL_SIGNALS = sizeof(fatal_signals) / sizeof(*fatal_signals) };
static struct sigaction former[FATAL_SIGNALS]; /* what was done about each before */

void nst_atomic_cleanup(void)
{
	if (atomic_load(&owner) != getpid())
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		char *name = atomic_load(&registry[i]);

		if (name)
			unlink(name);
	}
}

static void on_fatal(int sig)
{
	nst_atomic_cleanup();
	for (size_t i = 0; i < FATAL_SIGNALS; i++)
		if (fatal_signals[i] == sig)
			sigaction(sig, &former[i], NULL);
	raise(sig); /* is delivered when the handler returns: the status says what happened */
}

static void install(void)
{
	atexit(nst_atomic_cleanup);
	for (size_t i = 0; i < FATAL_SIGNALS; i++) {
		struct sigaction act = {.sa_handler = on_fatal};

		if (!sigaction(fatal_signals[i], NULL, &former[i]) &&
		    (former[i].sa_handler == SIG_DFL || fatal_signals[i] == SIGBUS))
			sigaction(fatal_signals[i], &act, NULL);
	}
}

/* Put a name where the handlers find it.  Returns the slot or -1. */
static int enlist(char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	if (atomic_load(&owner) != getpid()) {
		for (size_t i = 0; i < SLOTS; i++)
			atomic_store(&registry[i], NULL);
		atomic_store(&owner, getpid());
	}
	for (int i = 0; i < SLOTS; i++) {
		char *none = NULL;

		if (atomic_compare_exchange_strong(&registry[i], &none, name))
			return i;
	}
	return -1;
}

static size_t dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The file that a name stands for: the end of a chain of symbolic links. */
static char *resolve(const char *path, struct nst_err *err)
{
	struct stat st;
	char *real;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
		return nst_strdup(path, err);
	real = realpath(path, NULL);
	if (!real)
		nst_fail_errno(err, "cannot write '%s', a symbolic link", path);
	return real;
}

/* Open ".BASE.PID-N.tmp" beside path; the first N that is free. */
static int open_beside(struct nst_atomic *a, struct nst_err *err)
{
	size_t dir = dir_length(a->path);
	int base = (int)strlen(a->path + dir);

	if (base > NAME_MAX - 40)
		base = NAME_MAX - 40;
	for (int n = 0; n < ATTEMPTS; n++) {
		if (asprintf(&a->temporary, "%.*s.%.*s.%ld-%d.tmp", (int)dir, a->path, base,
			     a->path + dir, (long)getpid(), n) < 0) {
			a->temporary = NULL;
			return nst_fail_mem(err, strlen(a->path) + 40);
		}
		/* In the table before it exists: no moment at which a signal would leave it. */
		a->fd = -1;
		a->slot = -1;
		if (access(a->temporary, F_OK) < 0) {
			a->slot = enlist(a->temporary);
			if (a->slot < 0)
				return nst_fail(err, NST_ELIMIT, "more than %d files are being written",
						SLOTS);
			a->fd = open(a->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
			if (a->fd >= 0)
				return 0;
			atomic_store(&registry[a->slot], NULL);
			if (errno != EEXIST)
				return nst_fail_errno(err, "cannot write '%s'", a->path);
		}
		free(a->temporary);
		a->temporary = NULL;
	}
	return nst_fail(err, NST_EIO, "cannot write '%s': no free temporary name", a->path);
}

static void release(struct nst_atomic *a)
{
	if (a->fd >= 0)
		close(a->fd);
	free(a->path);
	free(a->temporary);
	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->slot = -1;
}

int nst_atomic_open(struct nst_atomic *a, const char *path, struct nst_err *err)
{
	struct stat st;
	int r;

	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->slot = -1;
	if (!*path)
		return nst_fail(err, NST_EINVAL, "the name of an output file is empty");
	a->path = resolve(path, err);
	if (!a->path)
		return err->code;
	if (!stat(a->path, &st) && !S_ISREG(st.st_mode)) {
		r = nst_fail(err, NST_EIO, "cannot write '%s': %s", path,
			     S_ISDIR(st.st_mode) ? "it is a directory" : "not a regular file");
		release(a);
		return r;
	}
	r = open_beside(a, err);
	if (r)
		release(a);
	return r;
}

void nst_atomic_abort(struct nst_atomic *a)
{
	if (a->fd < 0)
		return;
	unlink(a->temporary);
	atomic_store(&registry[a->slot], NULL);
	release(a);
}

/* Make the new name itself durable.  Some file systems cannot flush directories: then the rename is
 * as durable as it gets. */
static int flush_directory(const char *path, struct nst_err *err)
{
	size_t n = dir_length(path);
	char *dir = n ? strndup(path, n) : strdup(".");
	int fd, r = 0;

	if (!dir)
		return nst_fail_mem(err, n + 1);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		if (nst_io.fsync(fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
			r = nst_fail_errno(err, "cannot flush the directory of '%s'", path);
		close(fd);
	}
	free(dir);
	return r;
}

int nst_atomic_commit(struct nst_atomic *a, struct nst_err *err)
{
	int r = 0, fd = a->fd;

	if (nst_io.fsync(fd) < 0 && errno != EINVAL) {
		r = nst_fail_errno(err, "cannot write '%s'", a->path);
		nst_atomic_abort(a);
		return r;
	}
	if (nst_io.rename(a->temporary, a->path) < 0) {
		r = nst_fail_errno(err, "cannot rename the finished file to '%s'", a->path);
		nst_atomic_abort(a);
		return r;
	}
	atomic_store(&registry[a->slot], NULL);
	r = flush_directory(a->path, err);
	/* NFS reports what it could not store when the file is closed. */
	a->fd = -1;
	if (close(fd) < 0 && !r)
		r = nst_fail_errno(err, "cannot write '%s'", a->path);
	release(a);
	return r;
}

int nst_atomic_write(const char *path, const void *p, size_t n, struct nst_err *err)
{
	struct nst_atomic a;
	int r = nst_atomic_open(&a, path, err);

	if (r)
		return r;
	if (nst_write_full(a.fd, p, n) < 0) {
		r = nst_fail_errno(err, "cannot write '%s'", path);
		nst_atomic_abort(&a);
		return r;
	}
	return nst_atomic_commit(&a, err);
}
