/* Whole reads and writes.  The calls an output depends on go through a table, so that the tests can
 * refuse the n-th of them and look at what is left behind. */
#include "libcore/io/rw.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct nst_io_calls nst_io = {write, fsync, rename};

/* From a place of a file, or from where it stands when `at` is negative. */
static ssize_t read_from(int fd, void *p, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		char *to = (char *)p + done;
		ssize_t r = at < 0 ? read(fd, to, n - done) : pread(fd, to, n - done, at + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

ssize_t nst_read_full(int fd, void *p, size_t n)
{
	return read_from(fd, p, n, -1);
}

ssize_t nst_pread_full(int fd, void *p, size_t n, off_t at)
{
	return read_from(fd, p, n, at);
}

int nst_write_full(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t r = nst_io.write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0) {
			errno = EIO; /* a device that takes nothing and says nothing */
			return -1;
		}
		p = (const char *)p + r;
		n -= (size_t)r;
	}
	return 0;
}
