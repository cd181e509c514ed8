/* Verification reads everything that readers leave to its use: sample checksums, and image/data as a
 * whole. */
#include "formats/verify.h"

#include <inttypes.h>
#include <string.h>

#include "formats/image.h"
#include "formats/mix.h"
#include "formats/model.h"
#include "formats/prediction.h"
#include "formats/report.h"
#include "formats/sample.h"
#include "formats/shard.h"
#include "formats/statistics.h"

#define ANY_KIND (NST_KIND_BIT(NST_KINDS) - 1)

/* The rules of the kind. */
static int verify_view(struct nst_image *im, struct nst_err *err)
{
	union {
		struct nst_shard shard;
		struct nst_prediction prediction;
		struct nst_statistics statistics;
		struct nst_mix mix;
		struct nst_model model;
		struct nst_report report;
	} view;

	switch (nst_image_kind(im)) {
	case NST_SHARD:
		return nst_shard_view(im, &view.shard, err);
	case NST_PREDICTION:
	case NST_SELECTION:
		return nst_prediction_view(im, &view.prediction, err);
	case NST_STATISTICS:
		return nst_statistics_view(im, &view.statistics, err);
	case NST_MIX:
		return nst_mix_view(im, &view.mix, err);
	case NST_MODEL:
		return nst_model_view(im, &view.model, err);
	case NST_REPORT:
		return nst_report_view(im, &view.report, err);
	case NST_KINDS:
		break;
	}
	return nst_image_fail(im, err, "its kind is unknown");
}

static int verify_sample(const struct nst_samples *s, uint64_t i, const struct nst_verify_more *more,
			 const struct nst_image *im, struct nst_err *err)
{
	struct nst_sample sample;
	int r = nst_samples_get(s, i, &sample, err);

	if (r || !more || !more->sample(more->ctx, &sample, err))
		return r;
	return nst_err_prefix(err, "cannot read %s: sample '%.*s' (row %" PRIu64 ")", im->name,
			      (int)sample.key_len, sample.key, i);
}

static int verify_samples(struct nst_image *im, const struct nst_verify_more *more, uint64_t *count,
			  struct nst_err *err)
{
	struct nst_samples *s;
	int r;

	if (!nst_image_has(im, "image/data"))
		return 0;
	r = nst_samples_open(&s, im, NULL, err);
	if (r)
		return r;
	for (uint64_t i = 0; !r && i < nst_samples_count(s); i++)
		r = verify_sample(s, i, more, im, err);
	*count += nst_samples_count(s);
	nst_samples_free(s);
	return r;
}

static int verify_image(struct nst_image *im, const struct nst_verify_more *more,
			struct nst_verify_result *out, struct nst_err *err)
{
	int r = 0;

	/* Samples before columns: the sentence then names the sample. */
	r = verify_samples(im, more, &out->samples, err);
	for (int i = 0; !r && nst_schema(im->kind)->column[i].name; i++)
		r = nst_image_verify_column(im, i, err);
	if (!r)
		r = verify_view(im, err);
	out->images++;
	out->streams += (uint64_t)nst_image_last(im);
	out->rows += nst_image_rows(im);
	return r;
}

int nst_verify(const char *path, const struct nst_verify_more *more, struct nst_verify_result *out,
	       struct nst_err *err)
{
	struct nst_in *in = NULL;
	struct nst_image *im = NULL;
	int r = nst_in_open(&in, &path, 1, ANY_KIND, NULL, err);

	memset(out, 0, sizeof(*out));
	if (r)
		return r;
	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = verify_image(im, more, out, err);
		nst_image_free(im);
		if (r)
			break;
	}
	nst_in_close(in);
	return r;
}
