/* Errors: a code and one complete sentence, filled where the fact is known.
 *
 * A function that can fail takes `struct nst_err *err` as its last parameter and returns 0 (or a
 * count) on success and a negative code from enum nst_code on failure; the sentence is then in
 * err->msg: lower case, no full stop, subjects in single quotes, ready to be printed behind
 * "nst-tool: ".  Control characters in it are replaced by '?'.  err is never NULL. */
#ifndef NST_UTIL_ERR_H
#define NST_UTIL_ERR_H

#include <stdarg.h>

#define NST_MUST_CHECK   __attribute__((warn_unused_result))
#define NST_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum nst_code {
	NST_EIO = -1,          /* the system refused: open, read, write, rename ... */
	NST_EFORMAT = -2,      /* the bytes are not what they should be */
	NST_ELIMIT = -3,       /* a stated limit is exceeded */
	NST_ENOMEM = -4,       /* no memory */
	NST_EINVAL = -5,       /* arguments that make no sense together */
	NST_EINTERRUPTED = -6, /* stopped by a signal, state saved where promised */
};

struct nst_err {
	int code;      /* 0 or an enum nst_code */
	char msg[480]; /* the sentence, always terminated */
};

/* Set err to code and the formatted sentence.  Returns code. */
int nst_fail(struct nst_err *err, int code, const char *fmt, ...) NST_PRINTF(3, 4);

/* As nst_fail with NST_EIO, and ": " and the text of errno appended.  Returns NST_EIO. */
int nst_fail_errno(struct nst_err *err, const char *fmt, ...) NST_PRINTF(2, 3);

/* Put "prefix: " before the sentence already in err.  Returns err->code. */
int nst_err_prefix(struct nst_err *err, const char *fmt, ...) NST_PRINTF(2, 3);

/* Sentence for a failed allocation of `bytes` bytes.  Returns NST_ENOMEM. */
int nst_fail_mem(struct nst_err *err, unsigned long long bytes);

#endif
