/* Mixing.  A training row is 16 bytes here, an image only where it already is: in a mapped file or
 * in the spool. */
#include <stdlib.h>
#include <string.h>

#include "libcore/data/mixer.h"
#include "libcore/select/balance.h"
#include "libcore/util/mem.h"

#define PSEUDO ((uint64_t)1 << 63) /* in nst_mix_entry.row */

/* Read one side; the tables and keys within it are compared by nst_held_next. */
static int read_side(struct nst_mixer *m, struct nst_held *h, const char *const *paths, size_t n,
		     unsigned kinds, struct nst_err *err)
{
	int r = nst_held_open(h, paths, n, kinds, err);

	if (r < 0)
		return r;
	while ((r = nst_held_next(h, err)) > 0) {
		if (!nst_held_referable(&h->file[h->files - 1]))
			m->referable = 0;
	}
	return r;
}

static int refuse_unlabeled(const struct nst_held *h, struct nst_err *err)
{
	for (size_t i = 0; i < h->files; i++) {
		const struct nst_held_file *f = &h->file[i];

		for (uint64_t j = 0; j < f->prediction.rows; j++) {
			struct nst_sample s;

			if (f->prediction.label[j] >= 0)
				continue;
			nst_samples_peek(f->samples, j, &s);
			return nst_fail(err, NST_EINVAL, "%s: '%.*s' has no label",
					nst_image_name(f->image), (int)s.key_len, s.key);
		}
	}
	return 0;
}

int nst_mixer_read(struct nst_mixer *m, const char *const *labeled, size_t nlabeled,
		   const char *const *pseudo, size_t npseudo, struct nst_err *err)
{
	const unsigned pseudo_kinds = NST_KIND_BIT(NST_SELECTION) | NST_KIND_BIT(NST_PREDICTION);
	uint64_t first;

	m->referable = 1;
	if (nlabeled && (read_side(m, &m->labeled, labeled, nlabeled, NST_KIND_BIT(NST_SHARD),
				   err) < 0 ||
			 refuse_unlabeled(&m->labeled, err) < 0))
		return err->code;
	if (read_side(m, &m->pseudo, pseudo, npseudo, pseudo_kinds, err) < 0)
		return err->code;
	m->classes = m->pseudo.classes;
	if (nlabeled && nst_classes_same(&m->labeled.classes, &m->pseudo.classes, err) < 0)
		return err->code;
	for (uint64_t i = 0; i < m->pseudo.rows; i++) {
		nst_keyset_expect(&m->labeled.keys, m->pseudo.hash, i, m->pseudo.rows);
		m->overlap += nst_keyset_find(&m->labeled.keys, m->labeled.hash,
					      m->pseudo.hash[i], &first);
	}
	return 0;
}

/* How often row i of a file is used. */
static uint32_t copies_of(const struct nst_prediction *p, uint64_t i)
{
	return p->copies ? p->copies[i] : 1;
}

/* Append the entries of one side. */
static int arrange_side(struct nst_mixer *m, const struct nst_held *h, uint64_t take,
			uint64_t mark, uint64_t seed, struct nst_err *err)
{
	uint8_t *keep = nst_alloc((size_t)h->rows, 1, err);

	if (!keep)
		return NST_ENOMEM;
	if (nst_take(h->hash, (size_t)h->rows, take < h->rows ? (size_t)take : (size_t)h->rows,
		     seed, NST_RNG_MIX, keep, err) < 0) {
		free(keep);
		return err->code;
	}
	for (size_t i = 0; i < h->files; i++) {
		const struct nst_held_file *f = &h->file[i];

		for (uint64_t j = 0; j < f->prediction.rows; j++) {
			uint32_t n = keep[f->base + j] ? copies_of(&f->prediction, j) : 0;

			for (uint32_t copy = 0; copy < n; copy++)
				m->entry[m->entries++] = (struct nst_mix_entry){
					mark + f->base + j, copy};
		}
	}
	free(keep);
	return 0;
}

static int shuffle_entries(struct nst_mixer *m, uint64_t seed, struct nst_err *err)
{
	struct nst_mix_entry *to = nst_alloc((size_t)m->entries, sizeof(*to), err);
	uint64_t *order = nst_alloc((size_t)m->entries, sizeof(*order), err);
	struct nst_rng rng;

	if (!to || !order) {
		free(to);
		free(order);
		return NST_ENOMEM;
	}
	for (uint64_t i = 0; i < m->entries; i++)
		order[i] = i;
	nst_rng_init(&rng, seed, NST_RNG_MIX, 1, 0); /* nst_take draws with epoch 0 */
	nst_rng_shuffle(&rng, order, (size_t)m->entries);
	for (uint64_t i = 0; i < m->entries; i++)
		to[i] = m->entry[order[i]];
	free(order);
	free(m->entry);
	m->entry = to;
	return 0;
}

int nst_mixer_arrange(struct nst_mixer *m, uint64_t take_labeled, uint64_t take_pseudo, int shuffle,
		      uint64_t seed, struct nst_err *err)
{
	uint64_t n = m->labeled.rows;

	for (size_t i = 0; i < m->pseudo.files; i++) {
		const struct nst_prediction *p = &m->pseudo.file[i].prediction;

		for (uint64_t j = 0; j < p->rows; j++)
			n += copies_of(p, j);
	}
	if (n > SIZE_MAX / sizeof(*m->entry))
		return nst_fail_mem(err, UINT64_MAX);
	m->entry = nst_alloc((size_t)n, sizeof(*m->entry), err);
	if (!m->entry || arrange_side(m, &m->labeled, take_labeled, 0, seed, err) < 0 ||
	    arrange_side(m, &m->pseudo, take_pseudo, PSEUDO, seed, err) < 0)
		return err->code;
	return shuffle ? shuffle_entries(m, seed, err) : 0;
}

/* Append one entry to the image under construction. */
static int add_entry(struct nst_mixer *m, const struct nst_mixer_options *o,
		     const struct nst_mix_entry *e, struct nst_err *err)
{
	uint8_t role = e->row & PSEUDO ? NST_ROLE_PSEUDO : NST_ROLE_LABELED;
	float weight = role == NST_ROLE_PSEUDO ? (float)o->weight : 1;
	const struct nst_held_file *f;
	struct nst_sample s;
	uint64_t i;

	f = nst_held_find(role == NST_ROLE_PSEUDO ? &m->pseudo : &m->labeled, e->row & ~PSEUDO, &i);
	if (o->carry == NST_REFER)
		nst_samples_peek(f->samples, i, &s);
	else if (nst_samples_get(f->samples, i, &s, err) < 0)
		return err->code;
	if (role == NST_ROLE_PSEUDO) {
		s.label = f->prediction.argmax[i];
		if (nst_softbuf_add(&m->soft, &f->prediction.soft, i, 1, o->temperature, err) < 0)
			return err->code;
	}
	if (nst_rows_add(m->rows, &s, err) < 0 ||
	    nst_buf_append(&m->role, &role, sizeof(role), err) < 0 ||
	    nst_buf_append(&m->copy, &e->copy, sizeof(e->copy), err) < 0 ||
	    nst_buf_append(&m->weight, &weight, sizeof(weight), err) < 0)
		return err->code;
	return 0;
}

/* Begin an image: on the first call settle the form of the soft targets. */
static int begin(struct nst_mixer *m, const struct nst_mixer_options *o, struct nst_err *err)
{
	const struct nst_soft hard = {0};

	if (m->rows) {
		nst_rows_clear(m->rows);
		nst_softbuf_clear(&m->soft);
		m->role.len = m->copy.len = m->weight.len = 0;
		return 0;
	}
	m->rows = nst_rows_new(o->carry, o->dir, err);
	if (!m->rows)
		return NST_ENOMEM;
	for (size_t i = 0; i < m->pseudo.files; i++) {
		const struct nst_held_file *f = &m->pseudo.file[i];

		if (nst_softbuf_like(&m->soft, o->hard ? &hard : &f->prediction.soft,
				     nst_image_name(f->image),
				     nst_image_name(m->pseudo.file[0].image), err) < 0)
			return err->code;
	}
	/* Columns of no rows have addresses, too. */
	if (nst_buf_reserve(&m->role, 1, err) < 0 || nst_buf_reserve(&m->copy, 1, err) < 0 ||
	    nst_buf_reserve(&m->weight, 1, err) < 0)
		return err->code;
	return 0;
}

int nst_mixer_build(struct nst_mixer *m, const struct nst_mixer_options *o, uint64_t limit,
		    uint64_t *from, struct nst_build **b, struct nst_err *err)
{
	struct nst_mix mix = {.classes = m->classes.n, .class_name = m->classes.name,
			      .ratio = o->ratio, .model = m->pseudo.file[0].prediction.model};
	int r = begin(m, o, err);

	while (r == 0 && *from < m->entries && (!limit || nst_rows_bytes(m->rows) < limit)) {
		mix.pseudo += (m->entry[*from].row & PSEUDO) != 0;
		r = add_entry(m, o, &m->entry[(*from)++], err);
	}
	if (r < 0)
		return r;
	mix.rows = nst_rows_count(m->rows);
	mix.role = m->role.data;
	mix.copy = (const uint32_t *)(const void *)m->copy.data;
	mix.weight = (const float *)(const void *)m->weight.data;
	mix.soft = nst_softbuf_view(&m->soft, mix.pseudo);
	r = nst_mix_build(b, m->rows, &mix, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->labeled.files && r == 0; i++)
		r = nst_build_parent(*b, m->labeled.file[i].image, err);
	for (size_t i = 0; i < m->pseudo.files && r == 0; i++)
		r = nst_build_parent(*b, m->pseudo.file[i].image, err);
	if (r < 0)
		nst_build_free(*b);
	return r;
}

void nst_mixer_release(struct nst_mixer *m)
{
	nst_rows_free(m->rows);
	nst_softbuf_release(&m->soft);
	nst_buf_release(&m->role);
	nst_buf_release(&m->copy);
	nst_buf_release(&m->weight);
	free(m->entry);
	nst_held_release(&m->labeled);
	nst_held_release(&m->pseudo);
}
