/* Draws without state: the shuffle of a pass is made again whenever a step enters it.  Only the
 * shuffle in use is kept, 8 bytes a row. */
#include "libcore/data/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

struct sequence {
	enum nst_role role;
	uint64_t *row;   /* rows of the table with this role */
	uint64_t *order; /* the shuffle of pass `pass` */
	uint64_t rows;
	uint64_t pass;
	size_t share;    /* rows a step takes */
};

struct nst_sampler {
	struct nst_sampler_options o;
	struct sequence seq[2]; /* by role */
	size_t base;            /* role whose rows define the epoch */
};

#define NO_PASS UINT64_MAX

static void collect(struct nst_sampler *s, const struct nst_dataset *ds)
{
	struct nst_datum d;

	for (uint64_t i = 0; i < nst_dataset_rows(ds); i++) {
		struct sequence *q;

		nst_dataset_get(ds, i, &d);
		q = &s->seq[d.role];
		if (q->row)
			q->row[q->rows] = i;
		q->rows++;
	}
}

int nst_sampler_new(struct nst_sampler **out, const struct nst_dataset *ds,
		    const struct nst_sampler_options *o, struct nst_err *err)
{
	struct nst_sampler *s = nst_zalloc(1, sizeof(*s), err);

	if (!s)
		return err->code;
	s->o = *o;
	collect(s, ds); /* counts */
	for (size_t i = 0; i < 2; i++) {
		struct sequence *q = &s->seq[i];

		q->role = (enum nst_role)i;
		q->pass = NO_PASS;
		q->row = nst_alloc(q->rows, sizeof(*q->row), err);
		q->order = nst_alloc(q->rows, sizeof(*q->order), err);
		if (!q->row || !q->order)
			goto fail;
		q->rows = 0;
	}
	collect(s, ds);
	s->base = s->seq[NST_ROLE_LABELED].rows ? NST_ROLE_LABELED : NST_ROLE_PSEUDO;
	s->seq[s->base].share = o->batch;
	if (s->base == NST_ROLE_PSEUDO)
		s->o.label_prob = 1;
	else if (s->seq[NST_ROLE_PSEUDO].rows)
		/* A ratio such as 0.1 is not exact in binary: 100 * 0.1 must not become 11. */
		s->seq[NST_ROLE_PSEUDO].share =
			(size_t)ceil((double)o->batch * o->label_prob * o->ratio - 1e-9);
	*out = s;
	return 0;
fail:
	nst_sampler_free(s);
	return err->code;
}

void nst_sampler_free(struct nst_sampler *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < 2; i++) {
		free(s->seq[i].row);
		free(s->seq[i].order);
	}
	free(s);
}

uint64_t nst_sampler_count(const struct nst_sampler *s, enum nst_role role)
{
	return s->seq[role].rows;
}

size_t nst_sampler_share(const struct nst_sampler *s, enum nst_role role)
{
	return s->seq[role].share;
}

size_t nst_sampler_batch(const struct nst_sampler *s)
{
	return s->seq[0].share + s->seq[1].share;
}

double nst_sampler_epochs(const struct nst_sampler *s, uint64_t steps)
{
	const struct sequence *q = &s->seq[s->base];

	return (double)steps * (double)q->share * s->o.label_prob / (double)q->rows;
}

uint64_t nst_sampler_steps(const struct nst_sampler *s, double epochs)
{
	const struct sequence *q = &s->seq[s->base];

	return (uint64_t)ceil(epochs * (double)q->rows / ((double)q->share * s->o.label_prob) - 1e-9);
}

/* Row at a position of the endless sequence. */
static void at(const struct nst_sampler *s, struct sequence *q, uint64_t position,
	       struct nst_draw *out)
{
	uint64_t pass = position / q->rows;

	if (pass != q->pass) {
		struct nst_rng rng;

		for (uint64_t i = 0; i < q->rows; i++)
			q->order[i] = i;
		nst_rng_init(&rng, s->o.seed, NST_RNG_ORDER, (uint32_t)pass, (uint64_t)q->role);
		nst_rng_shuffle(&rng, q->order, q->rows);
		q->pass = pass;
	}
	out->row = q->row[q->order[position % q->rows]];
	out->pass = (uint32_t)pass;
	out->role = q->role;
}

void nst_sampler_draw(struct nst_sampler *s, uint64_t t, struct nst_draw *out)
{
	size_t n = nst_sampler_batch(s), labeled = s->seq[NST_ROLE_LABELED].share, taken = 0;

	for (size_t i = 0; i < n; i++) {
		/* Labeled rows stand where i * labeled / n steps up: evenly spread. */
		int is_labeled = s->o.apart ? i < labeled :
				 (i + 1) * labeled / n > i * labeled / n;
		struct sequence *q = &s->seq[is_labeled ? NST_ROLE_LABELED : NST_ROLE_PSEUDO];
		size_t nth = is_labeled ? taken : i - taken;

		at(s, q, t * q->share + nth, &out[i]);
		taken += is_labeled;
	}
}

int nst_sampler_counts(const struct nst_sampler *s, uint32_t pass, uint64_t hash)
{
	struct nst_rng rng;

	if (s->o.label_prob >= 1)
		return 1;
	nst_rng_init(&rng, s->o.seed, NST_RNG_LABELS, pass, hash);
	return nst_rng_unit(&rng) < s->o.label_prob;
}
