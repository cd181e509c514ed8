/* Settling: the second half of making a manifest.
 *
 * Provisional classes become indices, and what would only surprise much later is refused now. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "libcore/io/list.h"
#include "libcore/pack/labels.h"
#include "libcore/pack/manifest.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"

static int refuse_duplicates(const struct nst_manifest *m, struct nst_err *err)
{
	struct nst_names keys = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->entries; i++) {
		const struct nst_entry *e = &m->entry[i];
		int64_t other = nst_names_find(&keys, e->key, strlen(e->key));
		char a[160], b[160];

		if (other < 0)
			r = nst_names_add(&keys, e->key, err);
		else
			r = nst_fail(err, NST_EINVAL, "'%s' and '%s' have the same key '%.120s'",
				     nst_entry_path(m, &m->entry[other], a, sizeof a),
				     nst_entry_path(m, e, b, sizeof b), e->key);
	}
	nst_names_release(&keys);
	return r;
}

/* Replace provisional classes by those of a label file. */
static int apply_labels(struct nst_manifest *m, const char *path, struct nst_err *err)
{
	struct nst_labels table;
	size_t used = 0;
	int r = nst_labels_read(&table, path, err);

	if (r < 0)
		return r;
	nst_names_release(&m->classes);
	nst_list_release(&m->strings);
	for (size_t i = 0; r == 0 && i < m->entries; i++) {
		struct nst_entry *e = &m->entry[i];
		int64_t line = nst_names_find(&table.path, e->key, strlen(e->key));
		char shown[200];

		if (line < 0)
			line = nst_names_find(&table.path, e->name, strlen(e->name));
		e->label = -1;
		if (line < 0)
			r = nst_fail(err, NST_EINVAL, "'%s' has no line in '%s'",
				     nst_entry_path(m, e, shown, sizeof shown), path);
		else if (*table.class[line] != '\0')
			r = nst_manifest_class(m, table.class[line], strlen(table.class[line]),
					 &e->label, err);
		used++;
	}
	m->unused_labels = table.path.count > used ? table.path.count - used : 0;
	nst_labels_release(&table);
	return r;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Class names in index order: those of a file, or all that were seen, sorted. */
static int list_classes(struct nst_manifest *m, const char *file, struct nst_list *names,
			struct nst_err *err)
{
	if (file && nst_list_read(names, file, '\n', err) < 0)
		return err->code;
	if (file && names->count == 0)
		return nst_fail(err, NST_EINVAL, "the list of classes '%s' is empty", file);
	for (size_t k = 0; !file && k < m->classes.count; k++)
		if (nst_list_add(names, m->classes.name[k], err) < 0)
			return err->code;
	if (!file && names->count > 0)
		qsort(names->item, names->count, sizeof *names->item, by_bytes);
	return 0;
}

/* Index of a provisional class in the final table; a number is accepted as an index where the
 * table is the user's and has no such name. */
static int64_t final_class(const struct nst_names *table, const char *name, int numbers)
{
	int64_t k = nst_names_find(table, name, strlen(name)), index;

	if (k < 0 && numbers && nst_parse_int(name, &index) == 0 && index >= 0 &&
	    index < (int64_t)table->count)
		k = index;
	return k;
}

static int number_classes(struct nst_manifest *m, const char *file, struct nst_err *err)
{
	struct nst_list names = {0};
	struct nst_names table = {0};
	int32_t *final = nst_alloc(m->classes.count, sizeof *final, err);
	int r = final ? list_classes(m, file, &names, err) : err->code;

	for (size_t k = 0; r == 0 && k < names.count; k++) {
		if (nst_names_find(&table, names.item[k], strlen(names.item[k])) >= 0)
			r = nst_fail(err, NST_EINVAL, "class '%s' stands twice in '%s'",
				     names.item[k], file);
		else
			r = nst_names_add(&table, names.item[k], err);
	}
	for (size_t k = 0; r == 0 && k < m->classes.count; k++) {
		final[k] = (int32_t)final_class(&table, m->classes.name[k], file != NULL);
		if (final[k] < 0)
			r = nst_fail(err, NST_EINVAL, "class '%s' is not in the list '%s'",
				     m->classes.name[k], file);
	}
	for (size_t i = 0; r == 0 && i < m->entries; i++)
		if (m->entry[i].label >= 0)
			m->entry[i].label = final[m->entry[i].label];
	free(final);
	if (r < 0) {
		nst_names_release(&table);
		nst_list_release(&names);
		return r;
	}
	nst_names_release(&m->classes);
	nst_list_release(&m->strings);
	m->classes = table;
	m->strings = names;
	return 0;
}

/* 1 when a tree has an entry below the directory `name`; its entries are sorted by bytes. */
static int has_entry_below(const struct nst_manifest *m, const struct nst_operand *op,
			   const char *name)
{
	size_t len = strlen(name), lo = op->first, hi = op->first + op->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *s = m->entry[mid].name;
		int order = strncmp(s, name, len);

		if (order == 0)
			order = (unsigned char)s[len] < '/' ? -1 : (unsigned char)s[len] > '/';
		if (order == 0)
			return 1;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

/* Every directory directly below a tree is meant as a class: one without files is a mistake that
 * would only show as a class that is never predicted. */
static int refuse_empty_classes(const struct nst_manifest *m, const struct nst_operand *op,
				struct nst_err *err)
{
	struct dirent **names;
	int n = scandir(op->path, &names, NULL, alphasort), r = 0;

	if (n < 0)
		return nst_fail_errno(err, "cannot read '%s'", op->path);
	for (int d = 0; d < n; d++) {
		const char *name = names[d]->d_name;
		char *path = NULL;
		struct stat st;

		if (r == 0 && *name != '.' && !has_entry_below(m, op, name)) {
			if (asprintf(&path, "%s/%s", op->path, name) < 0)
				r = nst_fail_mem(err, strlen(op->path) + strlen(name) + 2);
			else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
				r = nst_fail(err, NST_EINVAL, "class directory '%s' is empty", path);
			if (r != NST_ENOMEM)
				free(path);
		}
		free(names[d]);
	}
	free(names);
	return r;
}

static int refuse_unlabeled(const struct nst_manifest *m, struct nst_err *err)
{
	size_t count = 0, first = 0;
	char shown[200];

	for (size_t i = m->entries; i > 0; i--)
		if (m->entry[i - 1].label < 0) {
			first = i - 1;
			count++;
		}
	if (count == 0)
		return 0;
	nst_entry_path(m, &m->entry[first], shown, sizeof shown);
	if (count == 1)
		return nst_fail(err, NST_EINVAL, "'%s' lies in no class directory "
				"(--unlabeled packs images without classes)", shown);
	return nst_fail(err, NST_EINVAL, "'%s' and %zu more lie in no class directory "
			"(--unlabeled packs images without classes)", shown, count - 1);
}

int nst_manifest_settle(struct nst_manifest *m, const struct nst_manifest_options *opt,
			struct nst_err *err)
{
	int r = 0;

	if (m->entries == 0)
		return nst_fail(err, NST_EINVAL, "no images were given");
	if (opt->unlabeled) {
		for (size_t i = 0; i < m->entries; i++)
			m->entry[i].label = -1;
		nst_names_release(&m->classes);
	} else if (opt->labels) {
		r = apply_labels(m, opt->labels, err);
	} else {
		for (size_t i = 0; r == 0 && i < m->operands; i++)
			if (m->operand[i].kind == NST_OPERAND_TREE)
				r = refuse_empty_classes(m, &m->operand[i], err);
		if (r == 0)
			r = refuse_unlabeled(m, err);
	}
	if (r == 0)
		r = number_classes(m, opt->unlabeled ? NULL : opt->classes, err);
	return r < 0 ? r : refuse_duplicates(m, err);
}

int nst_manifest_read(struct nst_manifest *m, const char *const *operand, size_t n,
		      const struct nst_manifest_options *opt, struct nst_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = nst_manifest_add(m, operand[i], err);
	if (r == 0 && opt->files_from)
		r = nst_manifest_add_list(m, opt->files_from, '\n', err);
	if (r == 0 && opt->files0_from)
		r = nst_manifest_add_list(m, opt->files0_from, '\0', err);
	if (r == 0)
		r = nst_manifest_settle(m, opt, err);
	if (r == 0 && opt->take > 0)
		r = nst_manifest_take(m, opt->take, opt->stratify, opt->seed, err);
	return r;
}
