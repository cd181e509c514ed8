/* Small inputs as a whole: label tables, option files, single images. */
#include "libcore/io/readall.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcore/io/rw.h"

enum { STEP = 64 * 1024 };

int nst_read_all(const char *path, uint64_t limit, struct nst_buf *b, struct nst_err *err)
{
	int is_stdin = !strcmp(path, "-"), r = 0;
	const char *name = is_stdin ? "standard input" : path;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t step = STEP, start = b->len;
	struct stat st;

	if (fd < 0)
		return nst_fail_errno(err, "cannot open '%s'", path);
	/* The size is a hint for the first read, no more: it may be wrong by the time we read. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size < limit)
		step = (size_t)st.st_size + 1;
	for (;;) {
		ssize_t n;

		r = nst_buf_reserve(b, step, err);
		if (r)
			break;
		n = nst_read_full(fd, b->data + b->len, step);
		if (n < 0) {
			r = nst_fail_errno(err, "cannot read '%s'", name);
			break;
		}
		b->len += (size_t)n;
		if (b->len - start > limit) {
			r = nst_fail(err, NST_ELIMIT, "'%s' is larger than the limit of %llu bytes", name,
				     (unsigned long long)limit);
			break;
		}
		if ((size_t)n < step)
			break;
		step = STEP;
	}
	if (!is_stdin)
		close(fd);
	return r;
}
