/* Histograms of confidence and the grid rule.
 *
 * The rule is the published repository's, with three repairs: a floor between two edges takes the
 * edge below it instead of running off the grid, copies are drawn by key and not from an unseeded
 * generator, and a class without rows is an ordinary class with a count of 0.
 *
 * Where the last bin overshoots, copies < 1 thins the whole kept set evenly: that is the rule, and
 * the difference from the exact one of balance.h. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/histogram.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

float nst_histogram_edge(unsigned bin)
{
	return (float)(bin / 100.0);
}

unsigned nst_histogram_bin(float confidence)
{
	unsigned bin;

	if (!(confidence > 0))
		return 0;
	if (confidence >= 1)
		return NST_HISTOGRAM_BINS - 1;
	bin = (unsigned)(confidence * 100);
	/* The product is rounded: it may be off by one next to an edge. */
	while (bin > 0 && nst_histogram_edge(bin) > confidence)
		bin--;
	while (bin + 1 < NST_HISTOGRAM_BINS && nst_histogram_edge(bin + 1) <= confidence)
		bin++;
	return bin;
}

int nst_histogram_init(struct nst_histogram *h, size_t classes, struct nst_err *err)
{
	h->classes = classes;
	h->count = nst_zalloc(classes, sizeof(*h->count), err);
	h->bin = nst_zalloc(classes, NST_HISTOGRAM_BINS * sizeof(*h->bin), err);
	if (!h->count || !h->bin) {
		nst_histogram_release(h);
		return NST_ENOMEM;
	}
	return 0;
}

void nst_histogram_release(struct nst_histogram *h)
{
	free(h->count);
	free(h->bin);
	memset(h, 0, sizeof(*h));
}

void nst_histogram_add(struct nst_histogram *h, size_t class, float confidence)
{
	h->count[class]++;
	h->bin[class * NST_HISTOGRAM_BINS + nst_histogram_bin(confidence)]++;
}

void nst_histogram_merge(struct nst_histogram *h, const uint64_t *count, const uint64_t *bin)
{
	for (size_t c = 0; c < h->classes; c++)
		h->count[c] += count[c];
	for (size_t i = 0; i < h->classes * NST_HISTOGRAM_BINS; i++)
		h->bin[i] += bin[i];
}

void nst_grid_thresholds(const struct nst_histogram *h, const struct nst_grid_rule *rule,
			 struct nst_grid_class *out)
{
	unsigned lowest = nst_histogram_bin(rule->min_confidence);

	for (size_t c = 0; c < h->classes; c++) {
		const uint64_t *bin = h->bin + c * NST_HISTOGRAM_BINS;
		struct nst_grid_class *g = &out[c];
		unsigned edge = NST_HISTOGRAM_BINS - 1;
		uint64_t reached = bin[edge];

		while (edge > lowest && (!rule->per_class || reached < rule->per_class))
			reached += bin[--edge];
		g->threshold = nst_histogram_edge(edge);
		g->reached = reached;
		g->copies = 1;
		if (rule->per_class && reached)
			g->copies = (double)rule->per_class / (double)reached;
		if (g->copies > 1 && !rule->duplicate)
			g->copies = 1;
	}
}

uint32_t nst_grid_copies(const struct nst_grid_class *g, float confidence, uint64_t seed,
			 uint64_t hash)
{
	struct nst_rng rng;
	uint32_t whole;

	if (confidence < g->threshold)
		return 0;
	if (g->copies >= UINT32_MAX)
		return UINT32_MAX;
	whole = (uint32_t)g->copies;
	nst_rng_init(&rng, seed, NST_RNG_COPIES, 0, hash);
	return whole + (nst_rng_unit(&rng) < g->copies - whole);
}
