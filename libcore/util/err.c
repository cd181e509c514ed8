/* Errors as values: the room that knows the fact writes the sentence, tools/ prints it. */
#include "libcore/util/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A hostile file name must not drive the terminal. */
static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 32 || *s == 127)
			*s = '?';
}

int nst_fail(struct nst_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	clean(err->msg);
	return code;
}

int nst_fail_errno(struct nst_err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t n;

	err->code = NST_EIO;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(saved));
	clean(err->msg);
	return NST_EIO;
}

int nst_err_prefix(struct nst_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	clean(err->msg);
	return err->code;
}

int nst_fail_mem(struct nst_err *err, unsigned long long bytes)
{
	return nst_fail(err, NST_ENOMEM, "cannot get %llu bytes of memory", bytes);
}
