/* Exact top-N per class, floor and gap.
 *
 * Candidates are first grouped by class in place (one counting pass, one pass of swaps), then each
 * class that is too large is cut by quickselect.  Because the order is total - score, then the hash
 * of the key - the set that is kept is a function of the set that was read.  Quickselect takes
 * its pivots from a counter-based generator, so no arrangement of real data is its worst case. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/balance.h"
#include "libcore/util/mem.h"

/* 1 when a comes before b. */
static int before(const struct nst_candidate *a, const struct nst_candidate *b)
{
	if (a->score != b->score)
		return a->score > b->score;
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

enum { AHEAD = 4 }; /* two lines of the cache */

/* Permute so that the candidates of class i are c[end[i-1]..end[i]); `start` is scratch. */
static void group(struct nst_candidate *c, size_t classes, size_t *start, const size_t *end)
{
	for (size_t class = 0; class < classes; class++) {
		while (start[class] < end[class]) {
			size_t home = (size_t)c[start[class]].class;

			if (home == class) {
				start[class]++;
				continue;
			}
			swap(&c[start[class]], &c[start[home]++]);
			/* Its next ones, there by the time that this class is met again. */
			if (end[home] - start[home] > AHEAD)
				__builtin_prefetch(&c[start[home] + AHEAD], 1);
		}
	}
}

/* Rows of a class of m confident ones under the cap alone. */
static size_t capped_size(const struct nst_balance_rule *rule, size_t m)
{
	return rule->per_class && m > rule->per_class ? rule->per_class : m;
}

/* The most rows that the gap leaves to a class. */
static uint64_t most_rows(const struct nst_balance_rule *rule, const size_t *end, size_t classes)
{
	uint64_t smallest = UINT64_MAX;

	if (!rule->level)
		return UINT64_MAX;
	for (size_t i = 0; i < classes; i++) {
		uint64_t rows = capped_size(rule, end[i] - (i ? end[i - 1] : 0));

		if (rows > 0 && rows < rule->class_floor)
			rows = rule->class_floor;
		if (rows > 0 && rows < smallest)
			smallest = rows;
	}
	return smallest > UINT64_MAX - rule->class_gap ? UINT64_MAX : smallest + rule->class_gap;
}

/* One copy more of `extra` rows among kept ones: drawn for the cap, the best for the floor. */
static void add_extra(struct nst_candidate *c, size_t kept, size_t extra,
		      const struct nst_balance_rule *rule, uint32_t *copies)
{
	/* Nobody needs score and hash any more: order by the draw instead. */
	for (size_t i = 0; i < kept && !rule->class_floor; i++) {
		c[i].score = 0;
		c[i].hash = draw64(rule->seed, NST_RNG_COPIES, c[i].hash);
	}
	nst_candidate_select(c, kept, extra);
	for (size_t i = 0; i < extra; i++)
		copies[c[i].row]++;
}

/* Decide about the m confident rows of one class, of which at most `most` may stay. */
static void keep_class(struct nst_candidate *c, size_t m, uint64_t most,
		       const struct nst_balance_rule *rule, uint32_t *copies,
		       struct nst_balance_class *report)
{
	size_t capped = capped_size(rule, m), kept = capped > most ? (size_t)most : capped;
	uint32_t wanted = rule->class_floor ? rule->class_floor :
			  rule->duplicate ? rule->per_class : 0;
	uint32_t each = 1;
	size_t extra = 0;

	if (m == 0)
		return;
	nst_candidate_select(c, m, kept);
	if (wanted > kept) {
		each = (uint32_t)(wanted / kept);
		extra = wanted % kept;
	}
	report->capped = m - capped;
	report->levelled = capped - kept;
	report->kept = kept;
	report->copies = (uint64_t)kept * each + extra;
	report->filled = rule->class_floor ? report->copies - kept : 0;
	report->lowest = c[0].confidence;
	for (size_t i = 0; i < kept; i++) {
		if (c[i].confidence < report->lowest)
			report->lowest = c[i].confidence;
		copies[c[i].row] = each;
	}
	if (extra)
		add_extra(c, kept, extra, rule, copies);
}

int nst_balance(struct nst_candidate *c, size_t n, size_t classes,
		const struct nst_balance_rule *rule, uint32_t *copies,
		struct nst_balance_class *report, struct nst_err *err)
{
	size_t *start = nst_zalloc(classes, sizeof(*start), err);
	size_t *end = nst_zalloc(classes, sizeof(*end), err);
	size_t confident = 0;
	uint64_t most;

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
		if (c[i].verdict != NST_PASSES)
			r->failed[c[i].verdict]++;
		else if (p < rule->min_confidence)
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
	most = most_rows(rule, end, classes);
	for (size_t i = 0; i < classes; i++) {
		size_t from = i ? end[i - 1] : 0;

		keep_class(c + from, end[i] - from, most, rule, copies, &report[i]);
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
		if (c[i].verdict != NST_PASSES)
			r->failed[c[i].verdict]++;
		else if (p < g->threshold)
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
		c[i].score = 0;
	}
	nst_candidate_select(c, n, take);
	memset(keep, 0, n);
	for (size_t i = 0; i < take; i++)
		keep[c[i].row] = 1;
	free(c);
	return 0;
}
