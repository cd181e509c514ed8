/* Directory walks.  The order of readdir differs between file systems and even between two copies of
 * one tree; ours is the byte order of the relative paths, so that packing a copy gives the same
 * file. */
#include "libcore/io/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcore/util/mem.h"

enum { MAX_DEPTH = 128 }; /* every level holds a descriptor */

/* A directory we are inside of: links make loops possible. */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
	int depth;
};

struct walk {
	const char *root;
	struct nst_list *files;
};

static int visit(const struct walk *w, int fd, const char *rel, const struct level *up,
		 struct nst_err *err);

static int entry(const struct walk *w, int dirfd, const char *name, const char *rel,
		 const struct level *here, struct nst_err *err)
{
	struct stat st;
	char *path = NULL;
	int r = 0;

	if (asprintf(&path, "%s%s%s", rel, *rel ? "/" : "", name) < 0)
		return nst_fail_mem(err, strlen(rel) + strlen(name) + 2);
	if (fstatat(dirfd, name, &st, 0) < 0) {
		r = nst_fail_errno(err, "cannot read '%s/%s'", w->root, path);
	} else if (S_ISDIR(st.st_mode)) {
		int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = fd < 0 ? nst_fail_errno(err, "cannot open '%s/%s'", w->root, path)
			   : visit(w, fd, path, here, err);
	} else if (S_ISREG(st.st_mode)) {
		r = nst_list_add(w->files, path, err);
	}
	free(path);
	return r;
}

/* Takes fd over. */
static int visit(const struct walk *w, int fd, const char *rel, const struct level *up,
		 struct nst_err *err)
{
	struct level here = {.up = up, .depth = up ? up->depth + 1 : 0};
	struct stat st;
	DIR *d = NULL;
	int r = 0;

	if (fstat(fd, &st) < 0) {
		r = nst_fail_errno(err, "cannot read '%s/%s'", w->root, rel);
		goto out;
	}
	here.dev = st.st_dev;
	here.ino = st.st_ino;
	for (const struct level *l = up; l; l = l->up)
		if (l->dev == here.dev && l->ino == here.ino) {
			r = nst_fail(err, NST_EFORMAT, "'%s/%s' is a link to a directory that contains it",
				     w->root, rel);
			goto out;
		}
	if (here.depth > MAX_DEPTH) {
		r = nst_fail(err, NST_ELIMIT, "'%s/%s' is deeper than %d directories", w->root, rel,
			     MAX_DEPTH);
		goto out;
	}
	d = fdopendir(fd);
	if (!d) {
		r = nst_fail_errno(err, "cannot read '%s/%s'", w->root, rel);
		goto out;
	}
	fd = -1;
	while (!r) {
		struct dirent *e;

		errno = 0;
		e = readdir(d);
		if (!e) {
			if (errno)
				r = nst_fail_errno(err, "cannot read '%s/%s'", w->root, rel);
			break;
		}
		if (e->d_name[0] != '.')
			r = entry(w, dirfd(d), e->d_name, rel, &here, err);
	}
out:
	if (d)
		closedir(d);
	if (fd >= 0)
		close(fd);
	return r;
}

int nst_tree_walk(struct nst_list *l, const char *root, struct nst_err *err)
{
	struct nst_list found = {0};
	struct walk w = {root, &found};
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return nst_fail_errno(err, "cannot open '%s'", root);
	r = visit(&w, fd, "", NULL, err);
	nst_list_sort(&found);
	for (size_t i = 0; !r && i < found.count; i++)
		r = nst_list_add(l, found.item[i], err);
	nst_list_release(&found);
	return r;
}
