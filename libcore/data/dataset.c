/* The flat row table: images one after another, each with the accessor of its samples.  Rows are
 * found by binary search over the images, of which there are few; all columns stay where formats
 * put them. */
#include "libcore/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/mix.h"
#include "formats/prediction.h"
#include "formats/shard.h"
#include "libcore/util/mem.h"

enum { RANK_BLOCK = 64 }; /* rows between two stored counts of pseudo rows */

struct part {
	struct nst_image *image;
	struct nst_samples *samples;
	uint64_t first, rows;
	const char *const *class_name;
	size_t classes;
	const int32_t *label; /* (rows), in terms of class_name */
	int32_t *map;         /* (classes) to the reference, -1 = not there; NULL = the same table */
	struct nst_mix mix;   /* role is NULL unless the image is a mix */
	uint64_t *rank;       /* pseudo rows before each block, where targets are soft */
};

struct nst_dataset {
	struct nst_store *store;
	struct part *part;
	size_t parts, cap;
	uint64_t rows;
	char **class_name;
	size_t classes;
	char *who;
	double ratio;
	int use_unlabeled;
};

static void names_free(char **name, size_t n)
{
	for (size_t i = 0; name && i < n; i++)
		free(name[i]);
	free(name);
}

static int reference_set(struct nst_dataset *ds, const char *const *name, size_t n, const char *who,
			 struct nst_err *err)
{
	ds->who = nst_strdup(who ? who : "", err);
	ds->class_name = nst_zalloc(n, sizeof(*ds->class_name), err);
	if (!ds->who || !ds->class_name)
		return err->code;
	for (ds->classes = 0; ds->classes < n; ds->classes++) {
		ds->class_name[ds->classes] = nst_strdup(name[ds->classes], err);
		if (!ds->class_name[ds->classes])
			return err->code;
	}
	return 0;
}

int nst_dataset_new(struct nst_dataset **out, const char *const *class_name, size_t classes,
		    const char *who, struct nst_err *err)
{
	struct nst_dataset *ds = nst_zalloc(1, sizeof(*ds), err);

	if (!ds)
		return err->code;
	ds->store = nst_store_new(err);
	if (!ds->store || (classes && reference_set(ds, class_name, classes, who, err) < 0)) {
		nst_dataset_free(ds);
		return err->code;
	}
	*out = ds;
	return 0;
}

static void part_release(struct part *p)
{
	free(p->map);
	free(p->rank);
	nst_samples_free(p->samples);
	nst_image_free(p->image);
}

void nst_dataset_free(struct nst_dataset *ds)
{
	if (!ds)
		return;
	for (size_t i = 0; i < ds->parts; i++)
		part_release(&ds->part[i]);
	free(ds->part);
	nst_store_free(ds->store);
	names_free(ds->class_name, ds->classes);
	free(ds->who);
	free(ds);
}

/* Counts of pseudo rows before every block: finds the soft target of a row. */
static int rank_build(struct part *p, struct nst_err *err)
{
	uint64_t seen = 0;

	p->rank = nst_alloc(p->rows / RANK_BLOCK + 1, sizeof(*p->rank), err);
	if (!p->rank)
		return err->code;
	for (uint64_t i = 0; i < p->rows; i++) {
		if (i % RANK_BLOCK == 0)
			p->rank[i / RANK_BLOCK] = seen;
		seen += p->mix.role[i] == NST_ROLE_PSEUDO;
	}
	return 0;
}

static uint64_t rank_of(const struct part *p, uint64_t i)
{
	uint64_t n = p->rank[i / RANK_BLOCK];

	for (uint64_t j = i - i % RANK_BLOCK; j < i; j++)
		n += p->mix.role[j] == NST_ROLE_PSEUDO;
	return n;
}

static int view_mix(struct nst_dataset *ds, struct part *p, struct nst_err *err)
{
	if (nst_mix_view(p->image, &p->mix, err) < 0)
		return err->code;
	p->class_name = p->mix.class_name;
	p->classes = p->mix.classes;
	p->label = p->mix.label;
	if (ds->ratio > 0 && ds->ratio != p->mix.ratio)
		return nst_fail(err, NST_EINVAL,
				"%s has ratio %g, the mixes before it have %g: mix them in one run",
				nst_image_name(p->image), p->mix.ratio, ds->ratio);
	ds->ratio = p->mix.ratio;
	return p->mix.soft.rows && p->mix.soft.k ? rank_build(p, err) : 0;
}

static int view(struct nst_dataset *ds, struct part *p, struct nst_err *err)
{
	struct nst_shard shard;
	struct nst_prediction pred;

	switch (nst_image_kind(p->image)) {
	case NST_SHARD:
		if (nst_shard_view(p->image, &shard, err) < 0)
			return err->code;
		p->class_name = shard.class_name;
		p->classes = shard.classes;
		p->label = shard.label;
		return 0;
	case NST_PREDICTION:
	case NST_SELECTION:
		if (nst_prediction_view(p->image, &pred, err) < 0)
			return err->code;
		p->class_name = pred.class_name;
		p->classes = pred.classes;
		p->label = pred.label;
		return 0;
	case NST_MIX:
		return view_mix(ds, p, err);
	default:
		return nst_fail(err, NST_EINVAL, "%s is a %s and has no images",
				nst_image_name(p->image), nst_kind_name(nst_image_kind(p->image)));
	}
}

int nst_dataset_add(struct nst_dataset *ds, struct nst_image *im, struct nst_err *err)
{
	struct part p = {.image = im, .first = ds->rows};

	p.rows = nst_image_rows(im);
	if (view(ds, &p, err) < 0 || nst_samples_open(&p.samples, im, ds->store, err) < 0)
		goto fail;
	if (ds->parts == ds->cap) {
		size_t cap = ds->cap ? 2 * ds->cap : 16;
		struct part *more = realloc(ds->part, cap * sizeof(*more));

		if (!more) {
			nst_fail_mem(err, cap * sizeof(*more));
			goto fail;
		}
		ds->part = more;
		ds->cap = cap;
	}
	ds->part[ds->parts++] = p;
	ds->rows += p.rows;
	return 0;
fail:
	part_release(&p);
	return err->code;
}

int nst_dataset_read(struct nst_dataset *ds, const char *const *paths, size_t npaths,
		     unsigned kinds, struct nst_err *err)
{
	const struct nst_in_options opt = {.spool = 1};
	struct nst_image *im;
	struct nst_in *in;
	int r;

	if (nst_in_open(&in, paths, npaths, kinds, &opt, err) < 0)
		return err->code;
	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = nst_dataset_add(ds, im, err);
		if (r < 0)
			break;
	}
	nst_in_close(in);
	return r;
}

/* The largest table of the inputs; of equal ones the first. */
static int reference_choose(struct nst_dataset *ds, struct nst_err *err)
{
	const struct part *best = NULL;

	for (size_t i = 0; i < ds->parts; i++)
		if (ds->part[i].classes && (!best || ds->part[i].classes > best->classes))
			best = &ds->part[i];
	if (!best)
		return 0;
	free(ds->who);
	free(ds->class_name);
	return reference_set(ds, best->class_name, best->classes, nst_image_name(best->image), err);
}

static int same_table(const struct nst_dataset *ds, const struct part *p)
{
	if (p->classes != ds->classes)
		return 0;
	for (size_t c = 0; c < p->classes; c++)
		if (strcmp(p->class_name[c], ds->class_name[c]))
			return 0;
	return 1;
}

/* Index of a name in the reference.  Tables are nearly always in the same order, so the search
 * starts where the last one ended. */
static int32_t find_class(const struct nst_dataset *ds, const char *name, size_t *near)
{
	for (size_t i = 0; i < ds->classes; i++) {
		size_t c = (*near + i) % ds->classes;

		if (!strcmp(ds->class_name[c], name)) {
			*near = c + 1;
			return (int32_t)c;
		}
	}
	return -1;
}

static int part_seal(const struct nst_dataset *ds, struct part *p, struct nst_err *err)
{
	size_t near = 0;

	if (same_table(ds, p))
		return 0;
	if (p->mix.soft.k)
		return nst_fail(err, NST_EINVAL,
				"the classes of %s are not those of %s, so its soft targets "
				"cannot be used", nst_image_name(p->image), ds->who);
	p->map = nst_alloc(p->classes, sizeof(*p->map), err);
	if (!p->map)
		return err->code;
	for (size_t c = 0; c < p->classes; c++)
		p->map[c] = find_class(ds, p->class_name[c], &near);
	for (uint64_t i = 0; i < p->rows; i++)
		if (p->label[i] >= 0 && p->map[p->label[i]] < 0)
			return nst_fail(err, NST_EINVAL,
					"class '%s' of %s is not among the %zu classes of %s",
					p->class_name[p->label[i]], nst_image_name(p->image),
					ds->classes, ds->who);
	return 0;
}

int nst_dataset_seal(struct nst_dataset *ds, struct nst_err *err)
{
	if (!ds->parts)
		return nst_fail(err, NST_EINVAL, "the input is empty");
	if (!ds->rows)
		return nst_fail(err, NST_EINVAL, "%s has no rows", nst_image_name(ds->part[0].image));
	if (!ds->classes && reference_choose(ds, err) < 0)
		return err->code;
	for (size_t i = 0; i < ds->parts; i++)
		if (part_seal(ds, &ds->part[i], err) < 0)
			return err->code;
	return 0;
}

int nst_dataset_open(struct nst_dataset **ds, const char *const *paths, size_t npaths,
		     unsigned kinds, const char *const *class_name, size_t classes,
		     const char *who, struct nst_err *err)
{
	if (nst_dataset_new(ds, class_name, classes, who, err) < 0)
		return err->code;
	if (nst_dataset_read(*ds, paths, npaths, kinds, err) == 0 && nst_dataset_seal(*ds, err) == 0)
		return 0;
	nst_dataset_free(*ds);
	*ds = NULL;
	return err->code;
}

uint64_t nst_dataset_rows(const struct nst_dataset *ds)
{
	return ds->rows;
}

size_t nst_dataset_classes(const struct nst_dataset *ds)
{
	return ds->classes;
}

const char *const *nst_dataset_class_names(const struct nst_dataset *ds)
{
	return (const char *const *)ds->class_name;
}

size_t nst_dataset_images(const struct nst_dataset *ds)
{
	return ds->parts;
}

const struct nst_image *nst_dataset_image(const struct nst_dataset *ds, size_t i)
{
	return ds->part[i].image;
}

void nst_dataset_use_unlabeled(struct nst_dataset *ds)
{
	ds->use_unlabeled = 1;
}

double nst_dataset_ratio(const struct nst_dataset *ds)
{
	return ds->ratio;
}

/* The part that holds row *i; *i becomes its number there. */
static const struct part *part_of(const struct nst_dataset *ds, uint64_t *i)
{
	size_t lo = 0, hi = ds->parts;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (ds->part[mid].first <= *i)
			lo = mid;
		else
			hi = mid;
	}
	*i -= ds->part[lo].first;
	return &ds->part[lo];
}

static int32_t label_of(const struct part *p, uint64_t i)
{
	int32_t label = p->label[i];

	return label < 0 ? -1 : p->map ? p->map[label] : label;
}

void nst_dataset_get(const struct nst_dataset *ds, uint64_t i, struct nst_datum *out)
{
	const struct part *p = part_of(ds, &i);
	const struct nst_mix *mix = &p->mix;

	nst_samples_peek(p->samples, i, &out->sample);
	out->label = label_of(p, i);
	out->role = mix->role ? (enum nst_role)mix->role[i] :
		    ds->use_unlabeled && out->label < 0 ? NST_ROLE_PSEUDO : NST_ROLE_LABELED;
	out->weight = mix->role ? mix->weight[i] : 1;
	out->copy = mix->role ? mix->copy[i] : 0;
	out->hash = nst_sample_hash(&out->sample) ^ out->copy;
}

int nst_dataset_sample(const struct nst_dataset *ds, uint64_t i, struct nst_buf *buf,
		       struct nst_sample *out, struct nst_err *err)
{
	const struct part *p = part_of(ds, &i);

	if (nst_samples_read(p->samples, i, buf, out, err) < 0)
		return err->code;
	out->label = label_of(p, i);
	return 0;
}

void nst_dataset_target(const struct nst_dataset *ds, uint64_t i, float *soft,
			struct nst_target *target)
{
	const struct part *p = part_of(ds, &i);

	memset(target, 0, sizeof(*target));
	if (p->rank && p->mix.role[i] == NST_ROLE_PSEUDO) {
		nst_soft_row(&p->mix.soft, rank_of(p, i), soft);
		target->class = -1;
		target->soft = soft;
	} else {
		target->class = label_of(p, i);
	}
}

void nst_dataset_name(const struct nst_dataset *ds, uint64_t i, char *out, size_t size)
{
	const struct part *p = part_of(ds, &i);
	struct nst_sample s;

	nst_samples_peek(p->samples, i, &s);
	snprintf(out, size, "'%.*s' in %s", (int)(s.key_len < 200 ? s.key_len : 200), s.key,
		 nst_image_name(p->image));
}
