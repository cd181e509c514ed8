/* Files that appear whole or not at all.
 *
 * The bytes go to a temporary file in the directory of the final name; a commit flushes it to the
 * disk, renames it and flushes the directory.  Every way out that is not a commit removes the
 * temporary: abort, exit, and HUP, INT, QUIT, PIPE, TERM, XCPU, XFSZ where the program has not
 * installed its own handler. */
#ifndef NST_IO_ATOMIC_H
#define NST_IO_ATOMIC_H

#include <stddef.h>

#include "libcore/util/err.h"

struct nst_atomic {
	int fd;          /* of the temporary, read-write; -1 when there is none */
	char *path;      /* final name */
	char *temporary; /* its present name */
	int slot;        /* in the registry of names to remove */
};

/* Begin a file.  Errors name path.  A final name that is a directory, or a device, is refused; a
 * symbolic link is followed, so that the file it points to is replaced.  */
int nst_atomic_open(struct nst_atomic *a, const char *path, struct nst_err *err) NST_MUST_CHECK;

/* Make the file appear.  On failure the temporary is removed, unless only the very last step failed,
 * the flush of the directory: then the file is there and complete, but the name may not survive a
 * power cut.  Releases *a either way. */
int nst_atomic_commit(struct nst_atomic *a, struct nst_err *err) NST_MUST_CHECK;

/* Remove the temporary and release; does nothing to one that is not open. */
void nst_atomic_abort(struct nst_atomic *a);

/* Remove every temporary file of the process that is still uncommitted.  Async-signal-safe: for
 * signal handlers of programs that have their own. */
void nst_atomic_cleanup(void);

/* Write n bytes to path as a whole: open, write, commit. */
int nst_atomic_write(const char *path, const void *p, size_t n, struct nst_err *err) NST_MUST_CHECK;

#endif
