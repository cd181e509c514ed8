/* Surveying operands: the first half of making a manifest.
 *
 * Nothing but names is read here, except from archives, whose .cls members hold classes.  An
 * entry's label is a provisional number, in order of first sight, until settle.c renumbers. */
#include "libcore/pack/manifest.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcore/io/archive.h"
#include "libcore/io/rw.h"
#include "libcore/io/tree.h"
#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

#define MAX_COMPANION 4096      /* bytes of a .cls member */

void nst_manifest_init(struct nst_manifest *m)
{
	memset(m, 0, sizeof *m);
}

void nst_manifest_release(struct nst_manifest *m)
{
	for (size_t i = 0; i < m->entries; i++)
		free(m->entry[i].name);
	for (size_t i = 0; i < m->operands; i++) {
		if (m->operand[i].spool)
			nst_spool_release(m->operand[i].spool);
		free(m->operand[i].spool);
		free(m->operand[i].path);
		free(m->operand[i].shown);
	}
	free(m->entry);
	free(m->operand);
	nst_names_release(&m->classes);
	nst_list_release(&m->strings);
	nst_manifest_init(m);
}

char *nst_entry_path(const struct nst_manifest *m, const struct nst_entry *e, char *b, size_t n)
{
	const struct nst_operand *op = &m->operand[e->operand];

	switch (op->kind) {
	case NST_OPERAND_TREE:
		snprintf(b, n, "%s%s%s", op->shown,
			 op->shown[strlen(op->shown) - 1] == '/' ? "" : "/", e->name);
		break;
	case NST_OPERAND_FILES:
		snprintf(b, n, "%s", e->name);
		break;
	case NST_OPERAND_ARCHIVE:
		snprintf(b, n, "%s: %s", op->shown, e->name);
		break;
	}
	return b;
}

/* ---- entries ------------------------------------------------------------------------------ */

static struct nst_operand *add_operand(struct nst_manifest *m, enum nst_operand_kind kind,
				       const char *path, const char *shown, struct nst_err *err)
{
	struct nst_operand *op = realloc(m->operand, (m->operands + 1) * sizeof *op);

	if (!op) {
		nst_fail_mem(err, (m->operands + 1) * sizeof *op);
		return NULL;
	}
	m->operand = op;
	op += m->operands;
	memset(op, 0, sizeof *op);
	op->kind = kind;
	op->first = m->entries;
	op->path = nst_strdup(path, err);
	op->shown = op->path ? nst_strdup(shown, err) : NULL;
	if (!op->shown) {
		free(op->path);
		return NULL;
	}
	m->operands++;
	return op;
}

/* Append an entry of the newest operand.  Takes name over, also on failure. */
static int add_entry(struct nst_manifest *m, char *name, struct nst_err *err)
{
	struct nst_entry *e;

	if (m->entries == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 1024, bytes;

		if (nst_mul_size(cap, sizeof *e, &bytes) < 0 || !(e = realloc(m->entry, bytes))) {
			free(name);
			return nst_fail_mem(err, (unsigned long long)cap * sizeof *e);
		}
		m->entry = e;
		m->cap = cap;
	}
	e = &m->entry[m->entries++];
	e->name = name;
	e->key = name;
	if (m->operand[m->operands - 1].kind != NST_OPERAND_TREE)
		while (strncmp(e->key, "./", 2) == 0 || *e->key == '/')
			e->key += *e->key == '/' ? 1 : 2;
	e->hash = nst_hash64(e->key, strlen(e->key));
	e->operand = (uint32_t)m->operands - 1;
	m->operand[e->operand].count++;
	e->label = -1;
	e->taken = 1;
	return 0;
}

int nst_manifest_class(struct nst_manifest *m, const char *s, size_t n, int32_t *out,
		       struct nst_err *err)
{
	int64_t k = nst_names_find(&m->classes, s, n);

	if (k < 0) {
		if (nst_list_add_n(&m->strings, s, n, err) < 0 ||
		    nst_names_add(&m->classes, m->strings.item[m->strings.count - 1], err) < 0)
			return err->code;
		k = (int64_t)m->classes.count - 1;
		if (k >= INT32_MAX)
			return nst_fail(err, NST_ELIMIT, "more than %d classes", INT32_MAX);
	}
	*out = (int32_t)k;
	return 0;
}

/* Class by place: the first directory below a tree, the last one otherwise. */
static int class_from_path(struct nst_manifest *m, struct nst_entry *e, struct nst_err *err)
{
	const char *begin = e->name, *end = strchr(begin, '/');

	if (m->operand[e->operand].kind != NST_OPERAND_TREE) {
		end = strrchr(begin, '/');
		if (end)
			for (begin = end; begin > e->name && begin[-1] != '/';)
				begin--;
	}
	if (!end || end == begin)
		return 0;
	return nst_manifest_class(m, begin, (size_t)(end - begin), &e->label, err);
}

/* ---- directories and lists ---------------------------------------------------------------- */

static int add_tree(struct nst_manifest *m, const char *path, struct nst_err *err)
{
	struct nst_list files = {0};
	int r = -1;

	if (!add_operand(m, NST_OPERAND_TREE, path, path, err) ||
	    nst_tree_walk(&files, path, err) < 0)
		goto done;
	if (files.count == 0) {
		nst_fail(err, NST_EINVAL, "'%s' holds no files", path);
		goto done;
	}
	for (size_t i = 0; i < files.count; i++) {
		char *name = files.item[i];

		files.item[i] = NULL;
		if (add_entry(m, name, err) < 0 ||
		    class_from_path(m, &m->entry[m->entries - 1], err) < 0)
			goto done;
	}
	r = 0;
done:
	nst_list_release(&files);
	return r < 0 ? err->code : 0;
}

static int add_file(struct nst_manifest *m, const char *path, struct nst_err *err)
{
	char *name;

	if (m->operands == 0 || m->operand[m->operands - 1].kind != NST_OPERAND_FILES)
		if (!add_operand(m, NST_OPERAND_FILES, "", "", err))
			return err->code;
	name = nst_strdup(path, err);
	if (!name || add_entry(m, name, err) < 0)
		return err->code;
	return class_from_path(m, &m->entry[m->entries - 1], err);
}

int nst_manifest_add_list(struct nst_manifest *m, const char *path, char separator,
			  struct nst_err *err)
{
	struct nst_list files = {0};
	int r = nst_list_read(&files, path, separator, err);

	if (r == 0 && files.count == 0)
		r = nst_fail(err, NST_EINVAL, "the list '%s' is empty", path);
	for (size_t i = 0; r == 0 && i < files.count; i++)
		r = add_file(m, files.item[i], err);
	nst_list_release(&files);
	return r;
}

/* ---- archives ----------------------------------------------------------------------------- */

/* Copy standard input to a temporary file: it is read twice, for names and for images. */
static int spool_stdin(struct nst_operand *op, struct nst_err *err)
{
	static uint8_t chunk[1 << 16];
	char path[40];
	ssize_t n;

	op->spool = nst_zalloc(1, sizeof *op->spool, err);
	if (!op->spool)
		return err->code;
	if (nst_spool_open(op->spool, err) < 0) {
		free(op->spool);
		op->spool = NULL;
		return err->code;
	}
	while ((n = nst_read_full(STDIN_FILENO, chunk, sizeof chunk)) > 0)
		if (nst_spool_append(op->spool, chunk, (size_t)n, err) < 0)
			return err->code;
	if (n < 0)
		return nst_fail_errno(err, "cannot read standard input");
	if (op->spool->size == 0)
		return nst_fail(err, NST_EFORMAT, "standard input is empty, an archive is needed");
	/* A second open gives the archive reader its own position. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", op->spool->fd);
	free(op->path);
	op->path = nst_strdup(path, err);
	return op->path ? 0 : err->code;
}

/* Length of the part of a member's name that webdataset calls the sample: up to the first dot of
 * the last component. */
static size_t stem(const char *name)
{
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	return (size_t)(base - name) + strcspn(base, ".");
}

/* What describes another member and is not an image. */
static int is_companion(const char *name)
{
	static const char *const suffix[] = {".cls", ".json", ".txt"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof suffix / sizeof *suffix; i++)
		if (strcmp(dot, suffix[i]) == 0)
			return 1;
	return 0;
}

/* The class in a .cls member, given to the entries of the same sample before and after it. */
struct companion {
	char *sample;   /* name up to the first dot */
	int32_t class;
};

static int read_class(struct nst_manifest *m, struct nst_archive *a, const char *name,
		      struct companion *c, size_t first, struct nst_err *err)
{
	struct nst_buf text = {0};
	const char *s;
	size_t n, skip = 0, len = stem(name);
	int r = nst_archive_read(a, MAX_COMPANION, &text, err);

	free(c->sample);
	c->sample = r < 0 ? NULL : strndup(name, len);
	if (r == 0 && !c->sample)
		r = nst_fail_mem(err, len + 1);
	if (r == 0) {
		s = (const char *)text.data;
		for (n = text.len; n > 0 && isspace((unsigned char)s[n - 1]);)
			n--;
		while (skip < n && isspace((unsigned char)s[skip]))
			skip++;
		if (skip == n || memchr(s, '\0', n))
			r = nst_fail(err, NST_EFORMAT, "'%s' holds no class name", name);
		else
			r = nst_manifest_class(m, s + skip, n - skip, &c->class, err);
	}
	for (size_t i = m->entries; r == 0 && i > first; i--) {
		struct nst_entry *e = &m->entry[i - 1];

		if (stem(e->name) != len || strncmp(e->name, name, len) != 0)
			break;
		e->label = c->class;
	}
	nst_buf_release(&text);
	return r;
}

static int add_archive(struct nst_manifest *m, const char *path, struct nst_err *err)
{
	int from_stdin = strcmp(path, "-") == 0;
	const char *shown = from_stdin ? "standard input" : path, *member;
	struct nst_operand *op = add_operand(m, NST_OPERAND_ARCHIVE, path, shown, err);
	struct companion last = {NULL, -1};
	size_t first = m->entries;
	struct nst_archive *a;
	int r;

	if (!op || (from_stdin && spool_stdin(op, err) < 0))
		return err->code;
	if (nst_archive_open(&a, op->path, err) < 0)
		return err->code;
	while ((r = nst_archive_next(a, &member, err)) > 0) {
		const char *dot = strrchr(member, '.');
		struct nst_entry *e;
		char *name;

		if (is_companion(member)) {
			m->companions++;
			if (strcmp(dot, ".cls") == 0 &&
			    (r = read_class(m, a, member, &last, first, err)) < 0)
				break;
			continue;
		}
		name = nst_strdup(member, err);
		if (!name || (r = add_entry(m, name, err)) < 0) {
			r = err->code;
			break;
		}
		e = &m->entry[m->entries - 1];
		if (last.sample && stem(e->name) == strlen(last.sample) &&
		    strncmp(e->name, last.sample, strlen(last.sample)) == 0)
			e->label = last.class;
		else if ((r = class_from_path(m, e, err)) < 0)
			break;
	}
	nst_archive_close(a);
	free(last.sample);
	if (r < 0)
		return from_stdin ? nst_err_prefix(err, "standard input") : err->code;
	if (m->entries == first)
		return nst_fail(err, NST_EINVAL, "'%s' holds no images", shown);
	return 0;
}

/* ---- operands ----------------------------------------------------------------------------- */

int nst_manifest_add(struct nst_manifest *m, const char *path, struct nst_err *err)
{
	uint8_t head[512];
	struct stat st;
	ssize_t n;
	int fd;

	if (strcmp(path, "-") == 0)
		return add_archive(m, path, err);
	if (*path == '\0')
		return nst_fail(err, NST_EINVAL, "an operand is empty");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return nst_fail_errno(err, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0) {
		nst_fail_errno(err, "cannot read '%s'", path);
		close(fd);
		return err->code;
	}
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		return add_tree(m, path, err);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return nst_fail(err, NST_EINVAL, "'%s' is neither a directory nor a regular file",
				path);
	}
	n = nst_read_full(fd, head, sizeof head);
	if (n < 0)
		nst_fail_errno(err, "cannot read '%s'", path);
	close(fd);
	if (n < 0)
		return err->code;
	return nst_archive_is(head, (size_t)n) ? add_archive(m, path, err) : add_file(m, path, err);
}
