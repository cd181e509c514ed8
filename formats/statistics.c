/* Kind statistics. */
#include "formats/statistics.h"

#include <inttypes.h>

#include "formats/typed.h"

int nst_statistics_view(struct nst_image *im, struct nst_statistics *out, struct nst_err *err)
{
	struct nst_statistics s = {.model = nst_image_attr_str(im, "model")};
	struct nst_column count, histogram;
	int r = nst_image_strings(im, "class/name", &s.class_name, &s.classes, err);

	if (!r && s.classes != nst_image_rows(im))
		r = nst_image_fail(im, err, "it has %" PRIu64 " classes and %" PRIu64 " rows", s.classes,
				   nst_image_rows(im));
	if (!r)
		r = nst_image_column(im, "statistics/count", &count, err);
	if (!r)
		r = nst_image_column(im, "statistics/histogram", &histogram, err);
	if (r)
		return r;
	s.count = count.data;
	s.histogram = histogram.data;
	for (uint64_t k = 0; k < s.classes; k++) {
		uint64_t sum = 0;

		for (uint64_t i = 0; i < NST_CONFIDENCE_BINS; i++)
			sum += s.histogram[k * NST_CONFIDENCE_BINS + i];
		if (sum != s.count[k])
			return nst_image_fail(im, err, "the histogram of class '%s' does not add up",
					      s.class_name[k]);
	}
	*out = s;
	return 0;
}

int nst_statistics_build(struct nst_build **out, const struct nst_statistics *s, struct nst_err *err)
{
	struct nst_build *b = nst_build_new(NST_STATISTICS, s->classes, err);
	int r;

	if (!b)
		return err->code;
	r = nst_build_names(b, s->class_name, s->classes, err);
	if (!r)
		r = nst_build_column(b, "statistics/count", NST_U64, s->classes, 0, s->count, err);
	if (!r)
		r = nst_build_column(b, "statistics/histogram", NST_U64, s->classes, NST_CONFIDENCE_BINS,
				     s->histogram, err);
	if (!r)
		r = nst_build_attr_str(b, "model", s->model ? s->model : "", err);
	return nst_build_hand_over(out, b, r);
}
