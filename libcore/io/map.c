/* Mapped files: the cheapest way to many small pieces of a large file, and no lock in it. */
#include "libcore/io/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int nst_map_fd(struct nst_map *m, int fd, const char *name, struct nst_err *err)
{
	struct stat st;
	void *p;

	memset(m, 0, sizeof(*m));
	if (fstat(fd, &st) < 0)
		return nst_fail_errno(err, "cannot read '%s'", name);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return nst_fail_errno(err, "cannot read '%s'", name);
	}
	if (!S_ISREG(st.st_mode))
		return nst_fail(err, NST_EIO, "cannot read '%s': not a regular file", name);
	if ((uint64_t)st.st_size > SIZE_MAX)
		return nst_fail(err, NST_ELIMIT, "'%s' does not fit the address space", name);
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->size = (size_t)st.st_size;
	if (!m->size)
		return 0;
	p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return nst_fail_errno(err, "cannot map '%s'", name);
	m->data = p;
	return 0;
}

int nst_map_file(struct nst_map *m, const char *path, struct nst_err *err)
{
	/* O_NONBLOCK: a fifo without a writer is refused by its type instead of waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

	memset(m, 0, sizeof(*m));
	if (fd < 0)
		return nst_fail_errno(err, "cannot open '%s'", path);
	r = nst_map_fd(m, fd, path, err);
	close(fd);
	return r;
}

void nst_map_release(struct nst_map *m)
{
	if (m->data)
		munmap((void *)(uintptr_t)m->data, m->size);
	memset(m, 0, sizeof(*m));
}
