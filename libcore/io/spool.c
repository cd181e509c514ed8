/* Spools: a pipe that must be read twice, or a shard that is collected before its size is known, is
 * kept in a file that has no name, so that nothing can leave it behind. */
#include "libcore/io/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcore/io/rw.h"
#include "libcore/util/mem.h"

/* O_TMPFILE where the file system has it; else a name that lives for a moment. */
static int open_unlinked(const char *dir)
{
	char *name = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	if (asprintf(&name, "%s/nst-spool.XXXXXX", dir) < 0)
		return -1;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}

int nst_spool_open(struct nst_spool *s, struct nst_err *err)
{
	const char *dir = getenv("TMPDIR");

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->dir = nst_strdup(dir && *dir ? dir : "/tmp", err);
	if (!s->dir)
		return err->code;
	s->fd = open_unlinked(s->dir);
	if (s->fd < 0) {
		nst_fail_errno(err, "cannot make a temporary file in '%s'", s->dir);
		nst_spool_release(s);
		return err->code;
	}
	return 0;
}

int nst_spool_append(struct nst_spool *s, const void *p, size_t n, struct nst_err *err)
{
	if (nst_write_full(s->fd, p, n) < 0)
		return nst_fail_errno(err, "cannot write a temporary file in '%s'", s->dir);
	s->size += n;
	return 0;
}

/* Bytes between the start of its page and an offset. */
static size_t page_rest(uint64_t offset)
{
	return (size_t)(offset & ((uint64_t)sysconf(_SC_PAGESIZE) - 1));
}

const uint8_t *nst_spool_map(const struct nst_spool *s, uint64_t offset, size_t size,
			     struct nst_err *err)
{
	size_t rest = page_rest(offset);
	uint8_t *p;

	if (!size || offset > s->size || size > s->size - offset) {
		nst_fail(err, NST_EINVAL, "no such range in a temporary file");
		return NULL;
	}
	p = mmap(NULL, size + rest, PROT_READ, MAP_SHARED, s->fd, (off_t)(offset - rest));
	if (p == MAP_FAILED) {
		nst_fail_errno(err, "cannot map a temporary file in '%s'", s->dir);
		return NULL;
	}
	return p + rest;
}

void nst_spool_unmap(const uint8_t *p, size_t size)
{
	size_t rest;

	if (!p)
		return;
	rest = page_rest((uintptr_t)p); /* pages start at multiples of their size in memory too */
	munmap((void *)((uintptr_t)p - rest), size + rest);
}

void nst_spool_release(struct nst_spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->dir);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}
