/* Puts pixels through functions of libnst for image_pillow.py and image_corrupt.py.
 *
 * Requests come on standard input: a line "NAME BYTES ARGUMENT...", arguments being numbers, then
 * that many bytes.  The answer is a line "HEIGHT WIDTH" and the pixels, or "0 0 SENTENCE". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/augment/autoaugment.h"
#include "libcore/augment/corrupt.h"
#include "libcore/augment/ops.h"
#include "libcore/image/exif.h"
#include "libcore/image/jpeg.h"
#include "libcore/image/pixbuf.h"
#include "libcore/image/preprocess.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

#define MAX_ARGS 16

struct request {
	char name[32];
	uint8_t *data;
	size_t n;
	double arg[MAX_ARGS];
};

static struct nst_jpeg *jpeg;
static struct nst_resizer resizer;
static struct nst_preprocessor preprocessor;
static struct nst_pixels tmp;
static struct nst_buf scratch;

/* Arguments: height, width, box, filter, new height, new width. */
static int do_resize(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	const double *a = r->arg;
	struct nst_box box = {(float)a[2], (float)a[3], (float)a[4], (float)a[5]};
	int rc = nst_pixels_shape(out, (size_t)a[7], (size_t)a[8], err);

	if (rc < 0)
		return rc;
	return nst_resize(&resizer, r->data, (size_t)a[0], (size_t)a[1], &box,
			  (enum nst_filter)a[6], out->data, out->h, out->w, err);
}

/* Arguments: height, width, new size, cropping, crop, filter.  As 8 bits: (v / 255 - 0) / 1. */
static int do_preprocess(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	const double *a = r->arg;
	const size_t h = (size_t)a[0], w = (size_t)a[1];
	struct nst_preprocess p;
	float *values;
	int rc;

	nst_preprocess_init(&p, (size_t)a[2]);
	for (int c = 0; c < 3; c++) {
		p.mean[c] = 0;
		p.std[c] = 1;
	}
	p.cropping = (enum nst_cropping)a[3];
	p.crop = a[4];
	p.filter = (enum nst_filter)a[5];
	rc = nst_pixels_shape(out, p.size, p.size, err);
	if (rc < 0)
		return rc;
	values = nst_alloc(p.size * p.size, 3 * sizeof(*values), err);
	if (!values)
		return err->code;
	rc = nst_preprocess_begin(&p, &preprocessor, h, w, values, err);
	if (rc == 0)
		nst_preprocess_take(&preprocessor, r->data, 0, h);
	for (size_t i = 0; rc == 0 && i < 3 * p.size * p.size; i++)
		out->data[i] = (uint8_t)lrintf(255 * values[i]);
	free(values);
	return rc;
}

/* Argument: reduction. */
static int do_jpeg(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	struct nst_jpeg_info info;

	return nst_jpeg_decode(jpeg, r->data, r->n, r->arg[0], &info, out, err);
}

static int do_upright(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	struct nst_jpeg_info info;
	int rc = nst_jpeg_decode(jpeg, r->data, r->n, 0, &info, &tmp, err);

	if (rc < 0)
		return rc;
	return nst_orientation_apply(info.orientation, tmp.data, tmp.h, tmp.w, out, err);
}

static int do_pixbuf(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	return nst_pixbuf_decode(r->data, r->n, nst_sniff(r->data, r->n), 0, out, err);
}

/* Arguments: corruption, constant, height, width. */
static int do_corrupt(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	struct nst_rng rng;
	int rc = nst_pixels_copy(out, r->data, (size_t)r->arg[2], (size_t)r->arg[3], err);

	if (rc < 0)
		return rc;
	nst_rng_init(&rng, 1, NST_RNG_CORRUPT, 0, 0);
	return nst_corrupt((enum nst_corruption)r->arg[0], r->arg[1], &rng, out->data, out->h,
			   out->w, &scratch, nst_jpeg_recompress, jpeg, err);
}

/* Arguments: height, width, flavour, the operation's own. */
static int do_op(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	size_t h = (size_t)r->arg[0], w = (size_t)r->arg[1];
	enum nst_ops_flavour fl = (enum nst_ops_flavour)r->arg[2];
	double v = r->arg[3];
	const uint8_t fill[3] = {(uint8_t)(int)r->arg[4], (uint8_t)(int)r->arg[5],
				 (uint8_t)(int)r->arg[6]};
	int rc = nst_pixels_copy(out, r->data, h, w, err);
	uint8_t *p = out->data;

	if (rc == 0)
		rc = nst_pixels_shape(&tmp, h, w, err);
	if (rc < 0)
		return rc;
	if (!strcmp(r->name, "autocontrast"))
		nst_op_autocontrast(p, h, w);
	else if (!strcmp(r->name, "equalize"))
		nst_op_equalize(p, h, w);
	else if (!strcmp(r->name, "invert"))
		nst_op_invert(p, h, w);
	else if (!strcmp(r->name, "posterize"))
		nst_op_posterize(p, h, w, (int)v);
	else if (!strcmp(r->name, "solarize"))
		nst_op_solarize(p, h, w, (int)v);
	else if (!strcmp(r->name, "solarize_add"))
		nst_op_solarize_add(p, h, w, (int)v);
	else if (!strcmp(r->name, "color"))
		nst_op_color(p, h, w, v, fl);
	else if (!strcmp(r->name, "contrast"))
		nst_op_contrast(p, h, w, v, fl);
	else if (!strcmp(r->name, "brightness"))
		nst_op_brightness(p, h, w, v);
	else if (!strcmp(r->name, "sharpness"))
		nst_op_sharpness(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "rotate"))
		nst_op_rotate(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "shear_x"))
		nst_op_shear_x(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "shear_y"))
		nst_op_shear_y(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "translate_x"))
		nst_op_translate_x(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "translate_y"))
		nst_op_translate_y(p, h, w, v, fl, tmp.data);
	else if (!strcmp(r->name, "transform"))
		nst_op_transform(p, h, w, r->arg + 7, (enum nst_ops_filter)v, fill, tmp.data);
	else if (!strcmp(r->name, "turn"))
		nst_op_turn(p, h, w, r->arg[7], (enum nst_ops_filter)v, fill, tmp.data);
	else if (!strcmp(r->name, "cutout"))
		nst_op_cutout(p, h, w, (size_t)v, (size_t)r->arg[4], (size_t)r->arg[5]);
	else
		return nst_fail(err, NST_EINVAL, "no function '%s'", r->name);
	return 0;
}

/* RandAugment's own arguments.  Arguments: height, width, form, operation, magnitude, sample. */
static int do_apply(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	size_t h = (size_t)r->arg[0], w = (size_t)r->arg[1];
	struct nst_randaugment ra;
	struct nst_rng rng;
	int rc = nst_pixels_copy(out, r->data, h, w, err);

	if (rc == 0)
		rc = nst_pixels_shape(&tmp, h, w, err);
	if (rc < 0)
		return rc;
	nst_randaugment_init(&ra, 224);
	ra.form = (enum nst_ra_form)r->arg[2];
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, (uint64_t)r->arg[5]);
	nst_ra_apply(&ra, (enum nst_ra_op)r->arg[3], r->arg[4], &rng, out->data, h, w, tmp.data);
	return 0;
}

/* Argument: policy.  The table as a picture: a line a pair, a pixel a step (operation, ten times
 * the probability, magnitude). */
static int do_policy(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	int rc = nst_pixels_shape(out, NST_AA_PAIRS, 2, err);

	for (size_t i = 0; rc == 0 && i < 2 * NST_AA_PAIRS; i++) {
		const struct nst_aa_step *s =
			nst_aa_pair((enum nst_aa_policy)r->arg[0], i / 2) + i % 2;

		out->data[3 * i] = (uint8_t)s->op;
		out->data[3 * i + 1] = (uint8_t)(10 * s->p + 0.5);
		out->data[3 * i + 2] = (uint8_t)s->m;
	}
	return rc;
}

static int serve(const struct request *r, struct nst_pixels *out, struct nst_err *err)
{
	if (!strcmp(r->name, "resize"))
		return do_resize(r, out, err);
	if (!strcmp(r->name, "preprocess"))
		return do_preprocess(r, out, err);
	if (!strcmp(r->name, "jpeg"))
		return do_jpeg(r, out, err);
	if (!strcmp(r->name, "upright"))
		return do_upright(r, out, err);
	if (!strcmp(r->name, "pixbuf"))
		return do_pixbuf(r, out, err);
	if (!strcmp(r->name, "corrupt"))
		return do_corrupt(r, out, err);
	if (!strcmp(r->name, "apply"))
		return do_apply(r, out, err);
	if (!strcmp(r->name, "policy"))
		return do_policy(r, out, err);
	return do_op(r, out, err);
}

/* Returns 1, or 0 at the end of the requests. */
static int receive(struct request *r)
{
	char line[512], *at;
	int used;

	if (!fgets(line, sizeof line, stdin))
		return 0;
	if (sscanf(line, "%31s %zu%n", r->name, &r->n, &used) != 2)
		return 0;
	at = line + used;
	for (size_t i = 0; i < MAX_ARGS; i++)
		r->arg[i] = strtod(at, &at);
	r->data = realloc(r->data, r->n + 1);
	return r->data && fread(r->data, 1, r->n, stdin) == r->n;
}

int main(void)
{
	struct nst_err err = {0};
	struct nst_pixels out = {0};
	struct request r = {.data = NULL};

	jpeg = nst_jpeg_new(&err);
	if (!jpeg)
		return 1;
	while (receive(&r)) {
		if (serve(&r, &out, &err) < 0) {
			printf("0 0 %s\n", err.msg);
		} else {
			printf("%zu %zu\n", out.h, out.w);
			fwrite(out.data, 3, out.h * out.w, stdout);
		}
		if (fflush(stdout) != 0)
			return 1;
	}
	free(r.data);
	nst_pixels_release(&out);
	nst_pixels_release(&tmp);
	nst_resizer_release(&resizer);
	nst_preprocessor_release(&preprocessor);
	nst_buf_release(&scratch);
	nst_jpeg_free(jpeg);
	return 0;
}
