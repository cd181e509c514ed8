/* Exact top-N per class.
 *
 * Candidates are first grouped by class in place (one counting pass, one pass of swaps), then each
 * class that is too large is cut by quickselect.  Because the order is total - confidence, then the
 * hash of the key - the set that is kept is a function of the set that was read.  Quickselect takes
 * its pivots from a counter-based generator, so no arrangement of real data is its worst case. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/balance.h"
#include "libcore/util/mem.h"

/* 1 when a comes before b. */
static int before(const struct nst_candidate *a, const struct nst_candidate *b)
{
	if (a->confidence != b->confidence)
		return a->confidence > b->confidence;
	if (a->hash != b->hash)
		return a->hash < b->hash;
	return a->row < b->row;
}

static void swap(struct nst_candidate *a, struct nst_candidate *b)
{
	struct nst_candidate t = *a;

	*a = *b;
	*b = t;
}

static uint64_t draw64(uint64_t seed, enum nst_purpose purpose, uint64_t hash)
{
	struct nst_rng rng;
	uint64_t high;

	nst_rng_init(&rng, seed, purpose, 0, hash);
	high = nst_rng_u32(&rng);
	return high << 32 | nst_rng_u32(&rng);
}

void nst_candidate_select(struct nst_candidate *c, size_t n, size_t k)
{
	uint64_t turn = 0;

	/* c[0..n) is what is undecided, k of it are wanted. */
	while (k > 0 && k < n) {
		size_t pivot = (size_t)(draw64(0, NST_RNG_ORDER, turn++) % n);
		size_t less = 0;

		swap(&c[pivot], &c[n - 1]);
		for (size_t i = 0; i < n - 1; i++) {
			if (before(&c[i], &c[n - 1]))
				swap(&c[i], &c[less++]);
		}
		swap(&c[less], &c[n - 1]); /* the pivot is number `less` */
		if (k <= less) {
			n = less;
		} else {
			c += less + 1;
			n -= less + 1;
			k -= less + 1;
		}
	}
}

/* Permute so that the candidates of class i are c[end[i-1]..end[i]); `start` is scratch. */
static void group(struct nst_candidate *c, size_t classes, size_t *start, const size_t *end)
{
	for (size_t class = 0; class < classes; class++) {
		while (start[class] < end[class]) {
			size_t home = (size_t)c[start[class]].class;

			if (home == class)
				start[class]++;
			else
				swap(&c[start[class]], &c[start[home]++]);
		}
	}
}

/* Decide about the m confident rows of one class. */
static void keep_class(struct nst_candidate *c, size_t m, const struct nst_balance_rule *rule,
		       uint32_t *copies, struct nst_balance_class *report)
{
	size_t kept = m;
	uint32_t each = 1;
	size_t extra = 0;

	if (m == 0)
		return;
	if (rule->per_class && m > rule->per_class) {
		kept = rule->per_class;
		nst_candidate_select(c, m, kept);
	} else if (rule->per_class && rule->duplicate) {
		each = (uint32_t)(rule->per_class / m);
		extra = rule->per_class % m;
	}
	report->capped = m - kept;
	report->kept = kept;
	report->copies = (uint64_t)kept * each + extra;
	report->lowest = c[0].confidence;
	for (size_t i = 0; i < kept; i++) {
		if (c[i].confidence < report->lowest)
			report->lowest = c[i].confidence;
		copies[c[i].row] = each;
	}
	if (extra == 0)
		return;
	/* Nobody needs confidence and hash any more: order by the draw instead. */
	for (size_t i = 0; i < kept; i++) {
		c[i].confidence = 0;
		c[i].hash = draw64(rule->seed, NST_RNG_COPIES, c[i].hash);
	}
	nst_candidate_select(c, kept, extra);
	for (size_t i = 0; i < extra; i++)
		copies[c[i].row]++;
}

int nst_balance(struct nst_candidate *c, size_t n, size_t classes,
		const struct nst_balance_rule *rule, uint32_t *copies,
		struct nst_balance_class *report, struct nst_err *err)
{
	size_t *start = nst_zalloc(classes, sizeof(*start), err);
	size_t *end = nst_zalloc(classes, sizeof(*end), err);
	size_t confident = 0;

	if (!start || !end) {
		free(start);
		free(end);
		return NST_ENOMEM;
	}
	memset(report, 0, classes * sizeof(*report));
	for (size_t i = 0; i < n; i++) {
		struct nst_balance_class *r = &report[c[i].class];
		float p = c[i].confidence;

		r->read++;
		if (p > r->highest)
			r->highest = p;
		copies[c[i].row] = 0;
		if (p < rule->min_confidence)
			r->below++;
		else if (p > rule->max_confidence)
			r->above++;
		else
			c[confident++] = c[i];
	}
	for (size_t i = 0; i < confident; i++)
		end[c[i].class]++;
	for (size_t i = 1; i < classes; i++) {
		start[i] = end[i - 1];
		end[i] += end[i - 1];
	}
	group(c, classes, start, end);
	for (size_t i = 0; i < classes; i++) {
		size_t from = i ? end[i - 1] : 0;

		keep_class(c + from, end[i] - from, rule, copies, &report[i]);
	}
	free(start);
	free(end);
	return 0;
}

void nst_balance_grid(const struct nst_candidate *c, size_t n, size_t classes,
		      const struct nst_grid_class *grid, const struct nst_balance_rule *rule,
		      uint32_t *copies, struct nst_balance_class *report)
{
	memset(report, 0, classes * sizeof(*report));
	for (size_t i = 0; i < n; i++) {
		struct nst_balance_class *r = &report[c[i].class];
		const struct nst_grid_class *g = &grid[c[i].class];
		float p = c[i].confidence;
		uint32_t times = 0;

		r->read++;
		if (p > r->highest)
			r->highest = p;
		if (p < g->threshold)
			r->below++;
		else if (p > rule->max_confidence)
			r->above++;
		else if ((times = nst_grid_copies(g, p, rule->seed, c[i].hash)) == 0)
			r->capped++;
		else if (r->kept++ == 0 || p < r->lowest)
			r->lowest = p;
		r->copies += times;
		copies[c[i].row] = times;
	}
}

int nst_take(const uint64_t *hash, size_t n, size_t take, uint64_t seed, enum nst_purpose purpose,
	     uint8_t *keep, struct nst_err *err)
{
	struct nst_candidate *c;

	if (take >= n) {
		memset(keep, 1, n);
		return 0;
	}
	c = nst_alloc(n, sizeof(*c), err);
	if (!c)
		return NST_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		c[i].hash = draw64(seed, purpose, hash[i]);
		c[i].row = i;
		c[i].class = 0;
		c[i].confidence = 0;
	}
	nst_candidate_select(c, n, take);
	memset(keep, 0, n);
	for (size_t i = 0; i < take; i++)
		keep[c[i].row] = 1;
	free(c);
	return 0;
}
