/* Tar archives through libarchive: the one file that sees archive.h.
 *
 * Only tar, and only decompressors that are libraries: libarchive's "all" would start programs for
 * some.  An archive cut off between two members looks to libarchive like one that has ended, so we
 * check ourselves that the end was written: tar closes with a block of zeros. */
#include "libcore/io/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BLOCK = 256 * 1024, TAR_BLOCK = 512 };

struct nst_archive {
	struct archive *a;
	struct archive_entry *entry; /* current member, owned by a */
	char *path;                  /* for messages */
};

static int failed(const struct nst_archive *a, struct nst_err *err)
{
	const char *why = archive_error_string(a->a);

	return nst_fail(err, NST_EFORMAT, "cannot read the archive '%s': %s", a->path,
			why ? why : "unknown reason");
}

int nst_archive_open(struct nst_archive **out, const char *path, struct nst_err *err)
{
	struct nst_archive *a = nst_zalloc(1, sizeof(*a), err);
	int is_stdin = !strcmp(path, "-"), r;

	if (!a)
		return err->code;
	a->path = nst_strdup(is_stdin ? "standard input" : path, err);
	a->a = archive_read_new();
	if (!a->path || !a->a) {
		r = nst_fail_mem(err, sizeof(*a));
		nst_archive_close(a);
		return r;
	}
	archive_read_support_format_tar(a->a);
	archive_read_support_filter_gzip(a->a);
	archive_read_support_filter_bzip2(a->a);
	archive_read_support_filter_xz(a->a);
	archive_read_support_filter_zstd(a->a);
	r = is_stdin ? archive_read_open_fd(a->a, STDIN_FILENO, READ_BLOCK)
		     : archive_read_open_filename(a->a, path, READ_BLOCK);
	if (r != ARCHIVE_OK) {
		r = failed(a, err);
		nst_archive_close(a);
		return r;
	}
	*out = a;
	return 0;
}

/* Regular files, and links: those have no bytes of their own here, which nst_archive_read says. */
static int is_file(struct archive_entry *e)
{
	return archive_entry_filetype(e) == AE_IFREG || archive_entry_filetype(e) == AE_IFLNK ||
	       archive_entry_hardlink(e);
}

/* Name as the archive spells it, without the "./" that tar puts before everything in "tar c .". */
static const char *name_of(struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);

	while (name && !strncmp(name, "./", 2))
		name += 2;
	return name;
}

int nst_archive_next(struct nst_archive *a, const char **name, struct nst_err *err)
{
	for (;;) {
		int r = archive_read_next_header(a->a, &a->entry);

		if (r == ARCHIVE_EOF) {
			if (archive_filter_bytes(a->a, 0) <= archive_read_header_position(a->a))
				return nst_fail(err, NST_EFORMAT, "the archive '%s' ended early",
						a->path);
			return 0;
		}
		/* A warning is about a name that is not in the locale's characters: its bytes are
		 * all we want. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return failed(a, err);
		if (!is_file(a->entry))
			continue;
		*name = name_of(a->entry);
		if (!*name)
			return nst_fail(err, NST_EFORMAT, "a member of the archive '%s' has no name",
					a->path);
		return 1;
	}
}

int nst_archive_read(struct nst_archive *a, uint64_t limit, struct nst_buf *b, struct nst_err *err)
{
	const char *name = name_of(a->entry);

	b->len = 0;
	if (archive_entry_filetype(a->entry) != AE_IFREG)
		return nst_fail(err, NST_EFORMAT, "member '%s' of '%s' is a link", name, a->path);
	for (;;) {
		const void *block;
		size_t n;
		la_int64_t at;
		int r = archive_read_data_block(a->a, &block, &n, &at);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return failed(a, err);
		if (at < 0 || (uint64_t)at > limit || n > limit - (uint64_t)at)
			return nst_fail(err, NST_ELIMIT,
					"member '%s' of '%s' is larger than the limit of %llu bytes", name,
					a->path, (unsigned long long)limit);
		/* Holes of a sparse member are zeros. */
		r = nst_buf_reserve(b, (size_t)at + n - b->len, err);
		if (r)
			return r;
		memset(b->data + b->len, 0, (size_t)at - b->len);
		memcpy(b->data + at, block, n);
		b->len = (size_t)at + n;
	}
}

void nst_archive_close(struct nst_archive *a)
{
	if (!a)
		return;
	archive_read_free(a->a);
	free(a->path);
	free(a);
}

int nst_archive_is(const uint8_t *head, size_t n)
{
	static const struct {
		size_t at, n;
		const char *bytes;
	} magic[] = {
		{257, 5, "ustar"},
		{0, 2, "\x1f\x8b"},             /* gzip */
		{0, 3, "BZh"},                  /* bzip2 */
		{0, 6, "\xfd\x37zXZ\0"},        /* xz */
		{0, 4, "\x28\xb5\x2f\xfd"},     /* zstd */
	};
	static const uint8_t zero[TAR_BLOCK];

	for (size_t i = 0; i < sizeof(magic) / sizeof(*magic); i++)
		if (n >= magic[i].at + magic[i].n &&
		    !memcmp(head + magic[i].at, magic[i].bytes, magic[i].n))
			return 1;
	return n >= TAR_BLOCK && !memcmp(head, zero, TAR_BLOCK); /* an empty tar */
}
