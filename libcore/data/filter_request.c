/* What may be asked of a filter together, and how its counts read. */
#include <inttypes.h>
#include <stdio.h>

#include "libcore/data/filter.h"

const char *const nst_filter_mode_words[] = {"exact", "grid", NULL};
const char *const nst_filter_rank_words[] = {"confidence", "margin", "entropy", NULL};

/* A rule that chooses rows or copies is asked for. */
static int has_rule(const struct nst_filter_request *r)
{
	return r->min_confidence > 0 || r->max_confidence <= 1 || !isnan(r->min_margin) ||
	       !isnan(r->max_entropy) || r->per_class || r->class_floor || r->class_gap >= 0 ||
	       r->min_agree || r->duplicate >= 0 || r->mode >= 0 || r->rank >= 0 || r->stats ||
	       r->teachers;
}

static int check_classes(const struct nst_filter_request *r, struct nst_err *err)
{
	int levels = r->class_floor || r->class_gap >= 0;

	if (r->rank >= 0 && !r->per_class && !levels)
		return nst_fail(err, NST_EINVAL, "--rank is an order for --per-class, "
				"--class-floor or --class-gap: give one of them");
	if ((levels || r->rank >= 0) && r->mode == NST_FILTER_GRID)
		return nst_fail(err, NST_EINVAL, "the grid decides each row by itself: "
				"--class-floor, --class-gap and --rank need --mode=exact, and no "
				"--stats");
	if ((levels || r->rank >= 0) && r->stats_only)
		return nst_fail(err, NST_EINVAL, "--stats-only chooses no rows of a class: it goes "
				"with neither --class-floor, --class-gap nor --rank");
	if (levels && r->duplicate == 1)
		return nst_fail(err, NST_EINVAL, "--duplicate fills classes up to --per-class, "
				"which is a cap alone with --class-floor or --class-gap");
	if (r->class_floor && r->duplicate == 0)
		return nst_fail(err, NST_EINVAL, "--class-floor is reached by copies, which "
				"--no-duplicate forbids");
	if (r->duplicate >= 0 && !r->per_class && !levels)
		return nst_fail(err, NST_EINVAL, "--duplicate and --no-duplicate are about "
				"--per-class: without it there are no copies");
	if (r->per_class && r->class_floor > r->per_class)
		return nst_fail(err, NST_EINVAL, "--class-floor=%" PRId64 " is above "
				"--per-class=%" PRId64, r->class_floor, r->per_class);
	return 0;
}

int nst_filter_request_settle(struct nst_filter_request *r, struct nst_err *err)
{
	if (r->kept && (has_rule(r) || r->stats_only))
		return nst_fail(err, NST_EINVAL, "--reassign keeps the rows and copies of a "
				"selection: no rule about them goes with it");
	if (r->stats && r->mode == NST_FILTER_EXACT)
		return nst_fail(err, NST_EINVAL, "--mode=exact cannot use --stats: it compares the "
				"rows themselves");
	if (r->mode < 0)
		r->mode = r->stats ? NST_FILTER_GRID : NST_FILTER_EXACT;
	if (r->min_agree && !r->teachers)
		return nst_fail(err, NST_EINVAL, "--min-agree counts teachers: name further ones "
				"with --agree");
	if (r->min_agree > (int64_t)r->teachers + 1)
		return nst_fail(err, NST_EINVAL, "--min-agree=%" PRId64 ": there are only %zu "
				"teachers", r->min_agree, r->teachers + 1);
	if (r->max_confidence < r->min_confidence)
		return nst_fail(err, NST_EINVAL, "--max-confidence=%g is below "
				"--min-confidence=%g", r->max_confidence, r->min_confidence);
	if (check_classes(r, err) < 0)
		return err->code;
	if (r->min_agree == 0)
		r->min_agree = (int64_t)r->teachers + 1;
	if (r->class_floor || r->class_gap >= 0)
		r->duplicate = 0;
	else if (r->duplicate < 0)
		r->duplicate = 1;
	if (r->rank < 0)
		r->rank = NST_BY_CONFIDENCE;
	return 0;
}

size_t nst_filter_counts(const struct nst_filter_request *r, const struct nst_balance_class *report,
			 struct nst_filter_count out[NST_FILTER_COUNTS])
{
	const struct {
		int asked;
		struct nst_filter_count count;
	} all[NST_FILTER_COUNTS] = {
		{1, {"read", "", " read", report->read}},
		{r->teachers > 0,
		 {"disagreed", ", ", " disagreed about", report->failed[NST_DISAGREED]}},
		{!isnan(r->min_margin),
		 {"margin", ", ", " below the margin", report->failed[NST_NARROW]}},
		{!isnan(r->max_entropy),
		 {"entropy", ", ", " above the entropy", report->failed[NST_UNCERTAIN]}},
		{1, {"below", ", ", " below the threshold", report->below}},
		{1, {"above", ", ", " above the maximum", report->above}},
		{1, {"capped", ", ", " over the cap", report->capped}},
		{r->class_gap >= 0, {"gap", ", ", " over the gap", report->levelled}},
		{1, {"kept", ", ", " kept", report->kept}},
		{1, {"rows", " as ", " rows", report->copies}},
		{r->class_floor > 0,
		 {"filled", ", of which ", " are copies for the floor", report->filled}},
	};
	size_t n = 0;

	for (size_t i = 0; i < NST_FILTER_COUNTS; i++) {
		if (all[i].asked)
			out[n++] = all[i].count;
	}
	return n;
}

char *nst_filter_line(const struct nst_filter_request *r, const struct nst_balance_class *report,
		      char *out, size_t size)
{
	struct nst_filter_count count[NST_FILTER_COUNTS];
	size_t n = nst_filter_counts(r, report, count), used = 0;

	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%" PRIu64 "%s",
					 count[i].before, count[i].n, count[i].after);
	return out;
}
