/* The manifest of nst-pack: which images there are, under which key and of which class.
 *
 * Operands are surveyed first, by name only; classes, keys and splits are settled before a single
 * image is read.  So a mistake costs seconds, and the result does not depend on the order in which
 * a file system lists its files.
 *
 *	nst_manifest_init(&m);
 *	nst_manifest_read(&m, operands, n, &options, &err)
 *	nst_manifest_release(&m)
 *
 * Keys and classes:
 *	directory   key = path below it; class = the first directory of that path
 *	file        key = the path as given, without leading "./" and "/"; class = its directory
 *	archive     key = the member's name; class = its .cls companion, or else its directory */
#ifndef NST_PACK_MANIFEST_H
#define NST_PACK_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/io/list.h"
#include "libcore/io/spool.h"
#include "libcore/pack/names.h"
#include "libcore/util/err.h"

enum nst_operand_kind { NST_OPERAND_TREE, NST_OPERAND_FILES, NST_OPERAND_ARCHIVE };

struct nst_operand {
	enum nst_operand_kind kind;
	char *path;              /* to open: directory or archive; "" for files */
	char *shown;             /* for messages */
	struct nst_spool *spool; /* copy of an archive from standard input, or NULL */
	size_t first, count;     /* its entries */
};

struct nst_entry {
	char *name;         /* path below a directory, path of a file, name of a member */
	const char *key;    /* end of name */
	uint64_t hash;      /* XXH3-64 of the key */
	uint32_t operand;
	int32_t label;      /* -1 = unlabeled */
	int taken;          /* 1; 0 when --take left it to the rest */
};

struct nst_manifest {
	struct nst_operand *operand;
	size_t operands;
	struct nst_entry *entry; /* grouped by operand; sorted by key in a directory */
	size_t entries, cap;
	struct nst_names classes; /* in index order, once settled */
	struct nst_list strings;  /* owns the names of classes */
	size_t companions;        /* members of archives that describe other members */
	size_t unused_labels;     /* lines of the label file that no image matched */
};

void nst_manifest_init(struct nst_manifest *m);

struct nst_manifest_options {
	const char *files_from;  /* files that list more operands: names on lines, */
	const char *files0_from; /* or ended by NULs; image files only; NULL: none */
	int unlabeled;           /* no classes at all */
	const char *labels;      /* "path,class" lines that replace the directories, or NULL */
	const char *classes;     /* file of class names in index order, or NULL: sorted by bytes */
	uint64_t take;           /* see nst_manifest_take; 0: all */
	int stratify;
	uint64_t seed;
};

/* Make the manifest of n operands: survey, settle, take. */
int nst_manifest_read(struct nst_manifest *m, const char *const *operand, size_t n,
		      const struct nst_manifest_options *opt, struct nst_err *err) NST_MUST_CHECK;

/* The steps of that. */

/* Survey a directory, an image file, an archive, or "-" (an archive on standard input, which is
 * copied to $TMPDIR).  An empty directory is an error. */
int nst_manifest_add(struct nst_manifest *m, const char *path, struct nst_err *err) NST_MUST_CHECK;

/* Add the image files listed in a file, see nst_list_read. */
int nst_manifest_add_list(struct nst_manifest *m, const char *path, char separator,
			  struct nst_err *err) NST_MUST_CHECK;

/* Number of the class whose name is the n bytes at s, for a label; provisional until the manifest
 * is settled. */
int nst_manifest_class(struct nst_manifest *m, const char *s, size_t n, int32_t *out,
		       struct nst_err *err) NST_MUST_CHECK;

/* Assign labels and refuse what would surprise later: no images, images without a class, class
 * directories without files, unknown classes, two images with one key. */
int nst_manifest_settle(struct nst_manifest *m, const struct nst_manifest_options *opt,
			struct nst_err *err) NST_MUST_CHECK;

/* Keep `take` entries, chosen by (seed, key) alone, and mark the others as the rest.  Stratified:
 * take / K of each of K classes that have images, one more for the first take % K of them in class
 * order.  An error when there are not as many. */
int nst_manifest_take(struct nst_manifest *m, uint64_t take, int stratify, uint64_t seed,
		  struct nst_err *err) NST_MUST_CHECK;

/* Write "operand/name", as a person would find it, to b (at most n bytes).  Returns b. */
char *nst_entry_path(const struct nst_manifest *m, const struct nst_entry *e, char *b, size_t n);

void nst_manifest_release(struct nst_manifest *m);

#endif
