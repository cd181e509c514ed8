/* libcore/select: histograms and thresholds, exact selection, targets, key sets; each against a
 * plain twin that sorts, counts or sums in the obvious way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/select/balance.h"
#include "libcore/select/histogram.h"
#include "libcore/select/keyset.h"
#include "libcore/select/target.h"
#include "libcore/util/rng.h"

static struct nst_err err;

/* ---- histograms ---- */

static void bins_have_their_edges(void **state)
{
	(void)state;
	for (unsigned b = 0; b < NST_HISTOGRAM_BINS; b++) {
		float edge = nst_histogram_edge(b);

		assert_int_equal(nst_histogram_bin(edge), b);
		if (b > 0)
			assert_int_equal(nst_histogram_bin(nextafterf(edge, 0)), b - 1);
	}
	assert_int_equal(nst_histogram_bin(0.29f), 29); /* 0.29f < 0.29 */
	assert_int_equal(nst_histogram_bin(-1), 0);
	assert_int_equal(nst_histogram_bin(NAN), 0);
	assert_int_equal(nst_histogram_bin(1.5f), 100);
}

static void histograms_merge_by_addition(void **state)
{
	struct nst_histogram all, a, b;
	struct nst_rng rng;

	(void)state;
	assert_int_equal(nst_histogram_init(&all, 3, &err), 0);
	assert_int_equal(nst_histogram_init(&a, 3, &err), 0);
	assert_int_equal(nst_histogram_init(&b, 3, &err), 0);
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	for (int i = 0; i < 5000; i++) {
		size_t class = nst_rng_below(&rng, 3);
		float p = (float)nst_rng_unit(&rng);

		nst_histogram_add(&all, class, p);
		nst_histogram_add(i % 3 ? &a : &b, class, p);
	}
	nst_histogram_merge(&a, b.count, b.bin);
	assert_memory_equal(a.count, all.count, 3 * sizeof(*a.count));
	assert_memory_equal(a.bin, all.bin, 3 * NST_HISTOGRAM_BINS * sizeof(*a.bin));
	for (size_t c = 0; c < 3; c++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < NST_HISTOGRAM_BINS; i++)
			sum += all.bin[c * NST_HISTOGRAM_BINS + i];
		assert_int_equal(sum, all.count[c]);
	}
	nst_histogram_release(&all);
	nst_histogram_release(&a);
	nst_histogram_release(&b);
}

/* 60 rows at .95, 30 at .72, 20 at .50, 500 at .10. */
static void fill_example(struct nst_histogram *h)
{
	assert_int_equal(nst_histogram_init(h, 2, &err), 0);
	for (int i = 0; i < 500; i++) {
		if (i < 60)
			nst_histogram_add(h, 0, 0.955f);
		if (i < 30)
			nst_histogram_add(h, 0, 0.72f);
		if (i < 20)
			nst_histogram_add(h, 0, 0.509f);
		nst_histogram_add(h, 0, 0.101f);
	}
}

static void grid_rule_walks_down_the_edges(void **state)
{
	static const struct {
		float floor;
		uint64_t per_class;
		int duplicate;
		float threshold;
		uint64_t reached;
		double copies;
	} table[] = {
		{0.30f, 60, 1, 0.95f, 60, 1.0},          /* exactly reached */
		{0.30f, 61, 1, 0.72f, 90, 61.0 / 90},    /* overshoots: thinned */
		{0.30f, 100, 1, 0.50f, 110, 100.0 / 110},
		{0.30f, 220, 1, 0.30f, 110, 2.0},        /* the floor ends it: copies */
		{0.30f, 220, 0, 0.30f, 110, 1.0},        /* ... or none */
		{0.305f, 220, 1, 0.30f, 110, 2.0},       /* between edges: the one below */
		{0.30f, 0, 1, 0.30f, 110, 1.0},          /* no limit */
		{0.00f, 1000, 1, 0.00f, 610, 1000.0 / 610},
		{1.00f, 5, 1, 1.00f, 0, 1.0},            /* nothing there */
	};
	struct nst_histogram h;
	struct nst_grid_class g[2];

	(void)state;
	fill_example(&h);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct nst_grid_rule rule = {table[i].floor, table[i].per_class,
					     table[i].duplicate};

		nst_grid_thresholds(&h, &rule, g);
		assert_float_equal(g[0].threshold, table[i].threshold, 0);
		assert_int_equal(g[0].reached, table[i].reached);
		assert_float_equal(g[0].copies, table[i].copies, 1e-12);
		assert_int_equal(g[1].reached, 0); /* a class without rows */
	}
	nst_histogram_release(&h);
}

static void grid_copies_are_floor_and_a_keyed_chance(void **state)
{
	struct nst_grid_class g = {0.5f, 100, 2.25};
	uint64_t more = 0;

	(void)state;
	assert_int_equal(nst_grid_copies(&g, 0.49f, 1, 7), 0);
	for (uint64_t hash = 0; hash < 20000; hash++) {
		uint32_t n = nst_grid_copies(&g, 0.5f, 1, hash);

		assert_true(n == 2 || n == 3);
		assert_int_equal(n, nst_grid_copies(&g, 0.9f, 1, hash));
		more += n - 2;
	}
	/* Binomial(20000, 1/4): six deviations are 367. */
	assert_true(more > 5000 - 367 && more < 5000 + 367);
	g.copies = 1;
	assert_int_equal(nst_grid_copies(&g, 0.5f, 1, 7), 1);
	g.copies = 1e300;
	assert_int_equal(nst_grid_copies(&g, 0.5f, 1, 7), UINT32_MAX);
}

/* ---- exact selection ---- */

static int by_score(const void *pa, const void *pb)
{
	const struct nst_candidate *a = pa, *b = pb;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* n candidates over the classes, with many equal confidences. */
static void make_candidates(struct nst_candidate *c, size_t n, size_t classes, uint64_t seed)
{
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_TEST, 1, 0);
	memset(c, 0, n * sizeof(*c));
	for (size_t i = 0; i < n; i++) {
		c[i].hash = (uint64_t)nst_rng_u32(&rng) << 32 | nst_rng_u32(&rng);
		c[i].row = i;
		/* The square makes classes of very different sizes, the last ones empty. */
		c[i].class = (int32_t)(nst_rng_below(&rng, (uint32_t)classes) *
				       nst_rng_below(&rng, (uint32_t)classes) / classes);
		c[i].confidence = (float)(nst_rng_below(&rng, 50) / 50.0);
		c[i].score = c[i].confidence;
	}
}

/* Give them scores of another order, and some of them verdicts. */
static void judge_candidates(struct nst_candidate *c, size_t n, uint64_t seed)
{
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_TEST, 2, 0);
	for (size_t i = 0; i < n; i++) {
		uint32_t verdict = nst_rng_below(&rng, 12);

		c[i].score = (float)nst_rng_below(&rng, 20) - 10;
		c[i].verdict = verdict < NST_VERDICTS ? (enum nst_verdict)verdict : NST_PASSES;
	}
}

static void select_brings_the_first_to_the_front(void **state)
{
	enum { N = 700 };
	struct nst_candidate c[N], sorted[N];

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		size_t n = seed < 8 ? seed : N, k;

		make_candidates(c, n, 10, seed);
		if (seed % 4 == 3) /* all equal but for the row */
			for (size_t i = 0; i < n; i++)
				c[i].hash = 0, c[i].score = 0.5f;
		memcpy(sorted, c, sizeof(c));
		qsort(sorted, n, sizeof(*sorted), by_score);
		k = n * (seed % 7) / 6;
		nst_candidate_select(c, n, k);
		qsort(c, k, sizeof(*c), by_score);
		assert_memory_equal(c, sorted, k * sizeof(*c));
	}
}

/* The twin: sort all, walk down, count; then fill, then cut, one row at a time. */
static void plain_balance(struct nst_candidate *c, size_t n, size_t classes,
			  const struct nst_balance_rule *rule, uint32_t *copies /* 1 = kept */,
			  uint64_t *distinct)
{
	uint64_t total[64], smallest = UINT64_MAX;

	qsort(c, n, sizeof(*c), by_score);
	memset(distinct, 0, classes * sizeof(*distinct));
	for (size_t i = 0; i < n; i++) {
		int32_t class = c[i].class;

		copies[c[i].row] = 0;
		if (c[i].verdict != NST_PASSES || c[i].confidence < rule->min_confidence ||
		    c[i].confidence > rule->max_confidence)
			continue;
		if (rule->per_class && distinct[class] == rule->per_class)
			continue;
		distinct[class]++;
		copies[c[i].row] = 1;
	}
	for (size_t k = 0; k < classes; k++) {
		total[k] = distinct[k];
		/* Best first, again and again. */
		while (distinct[k] && total[k] < rule->class_floor) {
			for (size_t i = 0; i < n && total[k] < rule->class_floor; i++) {
				if ((size_t)c[i].class == k && copies[c[i].row]) {
					copies[c[i].row]++;
					total[k]++;
				}
			}
		}
		if (total[k] && total[k] < smallest)
			smallest = total[k];
	}
	for (size_t k = 0; rule->level && k < classes; k++) {
		for (size_t i = n; i-- > 0 && total[k] > smallest + rule->class_gap;) {
			if ((size_t)c[i].class == k && copies[c[i].row]) {
				assert_int_equal(copies[c[i].row], 1);
				copies[c[i].row] = 0;
				distinct[k]--;
				total[k]--;
			}
		}
	}
}

static void balance_equals_its_twin(void **state)
{
	enum { N = 3000, K = 12 };
	static struct nst_candidate c[N], twin[N];
	static uint32_t copies[N], kept[N];
	struct nst_balance_class report[K];
	uint64_t distinct[K];

	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct nst_balance_rule rule = {
			.min_confidence = seed % 2 ? 0.3f : 0,
			.max_confidence = seed % 3 ? 2 : 0.9f,
			.per_class = seed % 4 == 3 ? 0 : 30u + 40u * (uint32_t)seed,
			.duplicate = seed % 5 != 4,
			.seed = seed,
		};
		uint64_t total[K] = {0}, largest[K] = {0}, smallest[K];

		memset(smallest, 0xff, sizeof(smallest));
		make_candidates(c, N, K, seed);
		memcpy(twin, c, sizeof(c));
		plain_balance(twin, N, K, &rule, kept, distinct);
		assert_int_equal(nst_balance(c, N, K, &rule, copies, report, &err), 0);
		for (size_t i = 0; i < N; i++) {
			size_t row = twin[i].row, class = (size_t)twin[i].class;

			assert_int_equal(copies[row] > 0, kept[row]);
			if (!kept[row])
				continue;
			total[class] += copies[row];
			if (copies[row] > largest[class])
				largest[class] = copies[row];
			if (copies[row] < smallest[class])
				smallest[class] = copies[row];
		}
		for (size_t k = 0; k < K; k++) {
			assert_int_equal(report[k].kept, distinct[k]);
			assert_int_equal(report[k].copies, total[k]);
			assert_int_equal(report[k].read, report[k].below + report[k].above +
					 report[k].capped + report[k].kept);
			if (!distinct[k])
				continue;
			assert_true(largest[k] - smallest[k] <= 1);
			if (rule.per_class && rule.duplicate)
				assert_int_equal(total[k], rule.per_class);
			else
				assert_int_equal(total[k], distinct[k]);
		}
	}
}

/* What a rule without draws decides is the twin's to the copy. */
static void floor_and_gap_equal_their_twin(void **state)
{
	static const struct nst_balance_rule table[] = {
		{.class_floor = 100},
		{.class_floor = 1},
		{.class_floor = 777, .min_confidence = 0.3f},
		{.level = 1, .class_gap = 0},
		{.level = 1, .class_gap = 50, .min_confidence = 0.5f},
		{.level = 1, .class_gap = UINT32_MAX},
		{.class_floor = 150, .level = 1, .class_gap = 60},
		{.class_floor = 150, .level = 1, .class_gap = 60, .per_class = 180},
		{.class_floor = 20, .level = 1, .class_gap = 0, .min_confidence = 0.97f},
		{.per_class = 33},
	};
	enum { N = 3000, K = 12, RULES = sizeof(table) / sizeof(*table) };
	static struct nst_candidate c[N], twin[N];
	static uint32_t copies[N], wanted[N];
	struct nst_balance_class report[K];
	uint64_t distinct[K], levelled = 0, filled = 0, failed = 0, empty = 0;

	(void)state;
	for (uint64_t round = 0; round < 4 * RULES; round++) {
		struct nst_balance_rule rule = table[round % RULES];
		size_t n = round % 3 == 2 ? 40 : N;

		rule.max_confidence = round % 2 ? 2 : 0.98f;
		make_candidates(c, n, K, round);
		if (round >= RULES)
			judge_candidates(c, n, round);
		memcpy(twin, c, sizeof(c));
		plain_balance(twin, n, K, &rule, wanted, distinct);
		assert_int_equal(nst_balance(c, n, K, &rule, copies, report, &err), 0);
		assert_memory_equal(copies, wanted, n * sizeof(*copies));
		for (size_t k = 0; k < K; k++) {
			const struct nst_balance_class *r = &report[k];
			uint64_t sum = 0;
			float lowest = 2;

			for (size_t i = 0; i < n; i++) {
				const struct nst_candidate *t = &twin[i];

				if ((size_t)t->class != k || !wanted[t->row])
					continue;
				sum += wanted[t->row];
				lowest = t->confidence < lowest ? t->confidence : lowest;
			}
			assert_int_equal(r->kept, distinct[k]);
			assert_int_equal(r->copies, sum);
			assert_int_equal(r->failed[NST_PASSES], 0);
			assert_int_equal(r->read, r->failed[NST_DISAGREED] + r->failed[NST_NARROW] +
					 r->failed[NST_UNCERTAIN] + r->below + r->above +
					 r->capped + r->levelled + r->kept);
			assert_int_equal(r->filled, rule.class_floor ? sum - distinct[k] : 0);
			assert_true(r->lowest == (distinct[k] ? lowest : 0));
			levelled += r->levelled;
			filled += r->filled;
			failed += r->failed[NST_NARROW];
			empty += distinct[k] == 0;
		}
	}
	assert_true(levelled && filled && failed && empty);
}

static void verdicts_drop_rows_of_the_grid_rule(void **state)
{
	struct nst_candidate c[3] = {
		{1, 0, 0, 0.9f, 0.9f, NST_PASSES},
		{2, 1, 0, 0.9f, 0.9f, NST_DISAGREED},
		{3, 2, 0, 0.1f, 0.1f, NST_UNCERTAIN},
	};
	const struct nst_balance_rule rule = {.max_confidence = 2};
	const struct nst_grid_class g = {0.5f, 1, 1};
	struct nst_balance_class report;
	uint32_t copies[3];

	(void)state;
	nst_balance_grid(c, 3, 1, &g, &rule, copies, &report);
	assert_true(copies[0] == 1 && copies[1] == 0 && copies[2] == 0);
	assert_int_equal(report.failed[NST_DISAGREED], 1);
	assert_int_equal(report.failed[NST_UNCERTAIN], 1);
	assert_int_equal(report.below, 0);
}

static void balance_does_not_depend_on_order(void **state)
{
	enum { N = 2000, K = 7 };
	static struct nst_candidate c[N], mixed[N];
	static uint32_t copies[N], again[N];
	static uint64_t order[N];
	struct nst_balance_class report[K], report2[K];
	struct nst_balance_rule rule = {
		.min_confidence = 0.2f, .max_confidence = 2, .per_class = 300, .duplicate = 1,
		.seed = 5,
	};
	struct nst_rng rng;

	(void)state;
	make_candidates(c, N, K, 99);
	for (size_t i = 0; i < N; i++)
		order[i] = i;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 0, 0);
	nst_rng_shuffle(&rng, order, N);
	for (size_t i = 0; i < N; i++)
		mixed[i] = c[order[i]];
	assert_int_equal(nst_balance(c, N, K, &rule, copies, report, &err), 0);
	assert_int_equal(nst_balance(mixed, N, K, &rule, again, report2, &err), 0);
	assert_memory_equal(copies, again, sizeof(copies));
	assert_memory_equal(report, report2, sizeof(report));

	/* Nor do floor and gap. */
	rule.duplicate = 0;
	rule.class_floor = 150;
	rule.level = 1;
	rule.class_gap = 80;
	make_candidates(c, N, K, 99);
	for (size_t i = 0; i < N; i++)
		mixed[i] = c[order[i]];
	assert_int_equal(nst_balance(c, N, K, &rule, copies, report, &err), 0);
	assert_int_equal(nst_balance(mixed, N, K, &rule, again, report2, &err), 0);
	assert_memory_equal(copies, again, sizeof(copies));
	assert_memory_equal(report, report2, sizeof(report));
	rule.duplicate = 1;
	rule.class_floor = 0;
	rule.level = 0;
	make_candidates(c, N, K, 99);
	assert_int_equal(nst_balance(c, N, K, &rule, copies, report, &err), 0);

	/* Another seed moves extra copies, not the rows kept. */
	rule.seed = 6;
	make_candidates(c, N, K, 99);
	assert_int_equal(nst_balance(c, N, K, &rule, again, report2, &err), 0);
	assert_memory_not_equal(copies, again, sizeof(copies));
	for (size_t i = 0; i < N; i++)
		assert_int_equal(copies[i] > 0, again[i] > 0);
}

static void grid_rule_decides_each_row_alone(void **state)
{
	enum { N = 3000, K = 5 };
	static struct nst_candidate c[N];
	static uint32_t copies[N];
	const struct nst_balance_rule rule = {.min_confidence = 0.2f, .max_confidence = 0.95f,
					      .per_class = 170, .duplicate = 1, .seed = 3};
	const struct nst_grid_rule grid = {0.2f, 170, 1};
	struct nst_balance_class report[K];
	struct nst_grid_class g[K];
	struct nst_histogram h;
	uint64_t total[K] = {0};

	(void)state;
	make_candidates(c, N, K, 4);
	assert_int_equal(nst_histogram_init(&h, K, &err), 0);
	for (size_t i = 0; i < N; i++)
		nst_histogram_add(&h, (size_t)c[i].class, c[i].confidence);
	nst_grid_thresholds(&h, &grid, g);
	nst_balance_grid(c, N, K, g, &rule, copies, report);
	for (size_t i = 0; i < N; i++) {
		const struct nst_grid_class *of = &g[c[i].class];
		uint32_t wanted = c[i].confidence > 0.95f ? 0 :
				  nst_grid_copies(of, c[i].confidence, 3, c[i].hash);

		assert_int_equal(copies[i], wanted);
		total[c[i].class] += wanted;
	}
	for (size_t k = 0; k < K; k++) {
		assert_int_equal(report[k].copies, total[k]);
		assert_int_equal(report[k].read, h.count[k]);
		assert_int_equal(report[k].read, report[k].below + report[k].above +
				 report[k].capped + report[k].kept);
	}
	assert_true(report[0].capped > 0 && report[0].above > 0);
	assert_true(report[K - 2].copies > report[K - 2].kept);
	nst_histogram_release(&h);
}

static void take_is_a_nested_keyed_choice(void **state)
{
	enum { N = 4000 };
	static uint64_t hash[N], reversed[N];
	static uint8_t few[N], many[N], back[N];
	size_t count = 0, first_half = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		hash[i] = i * 0x9e3779b97f4a7c15u;
		reversed[N - 1 - i] = hash[i];
	}
	assert_int_equal(nst_take(hash, N, 500, 1, NST_RNG_MIX, few, &err), 0);
	assert_int_equal(nst_take(hash, N, 1500, 1, NST_RNG_MIX, many, &err), 0);
	assert_int_equal(nst_take(reversed, N, 500, 1, NST_RNG_MIX, back, &err), 0);
	for (size_t i = 0; i < N; i++) {
		count += few[i];
		first_half += few[i] && i < N / 2;
		assert_true(few[i] <= many[i]);
		assert_int_equal(few[i], back[N - 1 - i]);
	}
	assert_int_equal(count, 500);
	assert_true(first_half > 190 && first_half < 310);
	assert_int_equal(nst_take(hash, N, N + 1, 1, NST_RNG_MIX, many, &err), 0);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(many[i], 1);
}

static void keyset_finds_what_was_added(void **state)
{
	enum { ROWS = 5000 };
	/* Hashes of one address, of one tag, and such as differ between the two only. */
	static uint64_t hash[2 * ROWS];
	struct nst_keyset s = {0};
	uint64_t first = 0;
	size_t size = 0;

	(void)state;
	assert_int_equal(nst_keyset_find(&s, hash, 0, &first), 0);
	nst_keyset_expect(&s, NULL, 0, 0);
	for (uint64_t i = 0; i < ROWS; i++)
		hash[i] = hash[i + ROWS] = (i % 5 ? i << 40 : i << 20) | (i & 3);
	for (uint64_t i = 0; i < ROWS; i++) {
		/* What is there stays when room is made, which lasts. */
		if (i == 100) {
			assert_int_equal(nst_keyset_reserve(&s, hash, 4000, &err), 0);
			size = s.size;
			assert_int_equal(nst_keyset_reserve(&s, hash, 10, &err), 0);
		}
		if (i > 100 && i < 4000)
			assert_int_equal(s.size, size);
		assert_int_equal(nst_keyset_add(&s, hash, i, &first, &err), 0);
	}
	assert_int_equal(nst_keyset_reserve(&s, hash, SIZE_MAX, &err), NST_ELIMIT);
	assert_int_equal(nst_keyset_add(&s, hash, UINT64_C(1) << 40, &first, &err), NST_ELIMIT);
	for (uint64_t i = 0; i < ROWS; i++) {
		assert_int_equal(nst_keyset_add(&s, hash, ROWS + i, &first, &err), 1);
		assert_int_equal(first, i);
		assert_int_equal(nst_keyset_find(&s, hash, hash[i], &first), 1);
		assert_int_equal(first, i);
		assert_int_equal(nst_keyset_find(&s, hash, hash[i] | 4, &first), 0);
	}
	nst_keyset_release(&s);
}

/* ---- targets ---- */

static void exp_is_that_of_the_library(void **state)
{
	(void)state;
	assert_true(nst_exp(0) == 1);
	assert_true(nst_exp(-1000) == 0);
	assert_true(nst_exp(-INFINITY) == 0);
	for (double x = -700; x < 700; x += 0.37)
		assert_true(fabs(nst_exp(x) / exp(x) - 1) < 1e-15);
}

static void log_is_that_of_the_library(void **state)
{
	(void)state;
	assert_true(nst_log(1) == 0);
	assert_true(nst_log(0) == -INFINITY && nst_log(-1) == -INFINITY);
	for (double x = 1e-310; x < 1e300; x *= 1.37)
		assert_true(fabs(nst_log(x) / log(x) - 1) < 2e-15);
	for (double x = 0.3; x < 3; x += 0.00137)
		assert_true(fabs(nst_log(x) - log(x)) < 1e-15);
}

static void margin_is_the_lead_over_the_others(void **state)
{
	const float p[4] = {0.1f, 0.5f, 0.25f, 0.15f};

	(void)state;
	assert_true(nst_margin(p, 4, 1) == 0.25f);
	assert_true(nst_margin(p, 4, 2) == -0.25f); /* not ahead */
	assert_true(nst_margin(p, 1, 0) == 0.1f);
}

static void entropy_is_that_of_the_distribution(void **state)
{
	float p[100], even[4] = {0.25f, 0.25f, 0.25f, 0.25f}, zero[4] = {0};
	const float sure[4] = {0, 1, 0, 0};
	struct nst_rng rng;

	(void)state;
	assert_true(nst_entropy(sure, 4) == 0);
	assert_float_equal(nst_entropy(even, 4), log(4), 1e-15);
	assert_float_equal(nst_entropy(zero, 4), log(4), 1e-15);
	nst_rng_init(&rng, 6, NST_RNG_TEST, 0, 0);
	for (int round = 0; round < 50; round++) {
		double sum = 0, h = 0;

		for (int i = 0; i < 100; i++) {
			p[i] = nst_rng_below(&rng, 4) ? (float)nst_rng_unit(&rng) : 0;
			sum += p[i];
		}
		for (int i = 0; i < 100; i++)
			h -= p[i] > 0 ? p[i] / sum * log(p[i] / sum) : 0;
		assert_float_equal(nst_entropy(p, 100), h, 1e-13);
	}
}

static void softmax_is_a_distribution(void **state)
{
	float logits[5] = {1, 2, -3, 2, 1000}, p[5], q[5];
	double sum = 0;

	(void)state;
	nst_softmax(logits, 4, 1, p);
	for (int i = 0; i < 4; i++) {
		double e = 0;

		for (int j = 0; j < 4; j++)
			e += exp((double)logits[j] - logits[i]);
		assert_float_equal(p[i], 1 / e, 1e-7);
		sum += p[i];
	}
	assert_float_equal(sum, 1, 1e-6);
	nst_softmax(logits, 5, 1, p); /* no overflow */
	assert_true(p[4] == 1 && p[2] == 0);
	nst_softmax(logits, 4, 2.5, p);
	nst_softmax(logits, 4, 1, q);
	nst_temper(q, 4, 2.5);
	for (int i = 0; i < 4; i++)
		assert_float_equal(p[i], q[i], 1e-6);
	memcpy(q, logits, sizeof(q));
	nst_softmax(q, 4, 2.5, q); /* in place */
	assert_memory_equal(p, q, 4 * sizeof(*p));
}

/* Bit for bit the sum of one number after the other, from those that vanish to those that do not. */
static void softmax_is_that_of_single_numbers(void **state)
{
	static const size_t longer[] = {2047, 2048, 2049, 2112, 2113, 5000};
	float logits[5000], p[5000];
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 7, NST_RNG_TEST, 0, 0);
	for (size_t round = 1; round <= 206; round++) {
		size_t n = round <= 200 ? round : longer[round - 201];
		double wide = n % 4 ? 10 : 1000, temperature = nst_rng_uniform(&rng, 0.1, 3);
		double top = -INFINITY, sum = 0;

		for (size_t i = 0; i < n; i++) {
			logits[i] = (float)nst_rng_uniform(&rng, -wide, wide);
			top = logits[i] > top ? logits[i] : top;
		}
		for (size_t i = 0; i < n; i++)
			sum += nst_exp((logits[i] - top) / temperature);
		nst_softmax(logits, n, temperature, p);
		for (size_t i = 0; i < n; i++)
			assert_true(p[i] ==
				    (float)(nst_exp((logits[i] - top) / temperature) / sum));
	}
}

static void temper_keeps_order_and_limits(void **state)
{
	float p[4] = {0.1f, 0.6f, 0.3f, 0}, zero[2] = {0, 0};

	(void)state;
	nst_temper(p, 4, 1e-3);
	assert_true(p[1] > 0.999f && p[3] == 0);
	nst_temper(zero, 2, 2);
	assert_true(zero[0] == 0 && zero[1] == 0);
}

static void argmax_and_rank_take_the_first_of_equals(void **state)
{
	const float p[6] = {0.1f, 0.3f, 0.3f, 0.0f, 0.2f, 0.1f};
	const size_t rank[6] = {3, 0, 1, 5, 2, 4};

	(void)state;
	assert_int_equal(nst_argmax(p, 6), 1);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(nst_rank(p, 6, i), rank[i]);
}

/* Of many numbers, some of them the same, some infinite, some not numbers: those are never larger, nor
 * is anything larger than the first one if that is none. */
static void argmax_of_many(void **state)
{
	static float p[700];
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 4, NST_RNG_TEST, 1, 0);
	for (int round = 0; round < 2000; round++) {
		size_t classes = 1 + nst_rng_below(&rng, 700), best = 0;
		uint32_t kinds = 2 + nst_rng_below(&rng, 4000);

		for (size_t i = 0; i < classes; i++) {
			uint32_t v = nst_rng_below(&rng, kinds);

			p[i] = v == 0 && round % 3 == 0 ? NAN : v == 1 ? -INFINITY :
			       (float)v - (float)kinds / 2;
		}
		for (size_t i = 1; i < classes; i++)
			if (p[i] > p[best])
				best = i;
		assert_int_equal(nst_argmax(p, classes), best);
	}
}

static void topk_is_the_head_of_the_ranking(void **state)
{
	struct nst_rng rng;
	float p[40], value[40];
	int32_t index[40];

	(void)state;
	nst_rng_init(&rng, 4, NST_RNG_TEST, 0, 0);
	for (int round = 0; round < 200; round++) {
		size_t classes = 1 + nst_rng_below(&rng, 40);
		size_t k = 1 + nst_rng_below(&rng, (uint32_t)classes);

		for (size_t i = 0; i < classes; i++)
			p[i] = (float)(nst_rng_below(&rng, 9) / 8.0);
		nst_topk(p, classes, k, index, value);
		for (size_t i = 0; i < k; i++) {
			assert_int_equal(nst_rank(p, classes, (size_t)index[i]), i);
			assert_true(value[i] == p[index[i]]);
		}
		nst_topk(p, classes, k, index, p); /* in place */
		assert_memory_equal(p, value, k * sizeof(*p));
	}
}

static void topk_rest_is_what_is_missing(void **state)
{
	const float value[2] = {0.5f, 0.25f}, above[2] = {0.75f, 0.5f};

	(void)state;
	assert_float_equal(nst_topk_rest(value, 2, 7), 0.05, 1e-12);
	assert_true(nst_topk_rest(value, 2, 2) == 0);
	assert_true(nst_topk_rest(above, 2, 7) == 0);
}

static void topk_temper_equals_that_of_the_whole(void **state)
{
	float value[2] = {0.5f, 0.2f}, p[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		p[i] = i < 2 ? value[i] : (float)nst_topk_rest(value, 2, 8);
	nst_temper(p, 8, 3);
	nst_topk_temper(value, 2, 8, 3);
	assert_float_equal(value[0], p[0], 1e-6);
	assert_float_equal(value[1], p[1], 1e-6);
	assert_float_equal(nst_topk_rest(value, 2, 8), p[5], 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_have_their_edges),
		cmocka_unit_test(histograms_merge_by_addition),
		cmocka_unit_test(grid_rule_walks_down_the_edges),
		cmocka_unit_test(grid_copies_are_floor_and_a_keyed_chance),
		cmocka_unit_test(select_brings_the_first_to_the_front),
		cmocka_unit_test(balance_equals_its_twin),
		cmocka_unit_test(floor_and_gap_equal_their_twin),
		cmocka_unit_test(verdicts_drop_rows_of_the_grid_rule),
		cmocka_unit_test(balance_does_not_depend_on_order),
		cmocka_unit_test(grid_rule_decides_each_row_alone),
		cmocka_unit_test(take_is_a_nested_keyed_choice),
		cmocka_unit_test(keyset_finds_what_was_added),
		cmocka_unit_test(exp_is_that_of_the_library),
		cmocka_unit_test(log_is_that_of_the_library),
		cmocka_unit_test(margin_is_the_lead_over_the_others),
		cmocka_unit_test(entropy_is_that_of_the_distribution),
		cmocka_unit_test(softmax_is_a_distribution),
		cmocka_unit_test(softmax_is_that_of_single_numbers),
		cmocka_unit_test(temper_keeps_order_and_limits),
		cmocka_unit_test(argmax_and_rank_take_the_first_of_equals),
		cmocka_unit_test(argmax_of_many),
		cmocka_unit_test(topk_is_the_head_of_the_ranking),
		cmocka_unit_test(topk_rest_is_what_is_missing),
		cmocka_unit_test(topk_temper_equals_that_of_the_whole),
	};

	return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
