/* Training views.  Drawing and making are apart: the crop is known before the picture is decoded,
 * so that a large JPEG is decoded at an eighth when its crop allows it, and no more of it. */
#include "libcore/augment/augment.h"

#include <string.h>

#include "libcore/augment/ops.h"

#define SMALL_SIDE 64
#define MAX_SIZE   4096

static const char *const view_names[] = {
	[NST_VIEW_PLAIN] = "plain",
	[NST_VIEW_RESIZED] = "resized",
	[NST_VIEW_SHIFT] = "shift",
};

static const char *const border_names[] = {
	[NST_BORDER_REFLECT] = "reflect",
	[NST_BORDER_ZERO] = "zero",
};

void nst_augment_init(struct nst_augment *a, size_t size)
{
	*a = (struct nst_augment){
		.size = size,
		.view = size <= SMALL_SIDE ? NST_VIEW_SHIFT : NST_VIEW_RESIZED,
		.area = {0.08, 1},
		.aspect = {3.0 / 4, 4.0 / 3},
		.filter = NST_BICUBIC,
		.pad = size / 8,
		.border = NST_BORDER_REFLECT,
		.flip = 1,
		.erasing = {.count = 1},
	};
	nst_randaugment_init(&a->ra, size);
}

void nst_augment_weaken(struct nst_augment *a)
{
	a->ra.n = 0;
	a->aa.policy = NST_AA_NONE;
	a->erasing.p = 0;
	a->cutout = 0;
}

static int find(const char *s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, names[i]))
			return (int)i;
	return -1;
}

const char *nst_view_name(enum nst_view_kind k)
{
	return view_names[k];
}

int nst_view_parse(const char *s, enum nst_view_kind *out)
{
	int i = find(s, view_names, sizeof view_names / sizeof *view_names);

	if (i < 0)
		return -1;
	*out = (enum nst_view_kind)i;
	return 0;
}

const char *nst_border_name(enum nst_border b)
{
	return border_names[b];
}

int nst_border_parse(const char *s, enum nst_border *out)
{
	int i = find(s, border_names, sizeof border_names / sizeof *border_names);

	if (i < 0)
		return -1;
	*out = (enum nst_border)i;
	return 0;
}

int nst_augment_check(const struct nst_augment *a, struct nst_err *err)
{
	if (!a->size || a->size > MAX_SIZE)
		return nst_fail(err, NST_EINVAL, "views of %zu pixels are not made", a->size);
	if (!(a->area[0] > 0 && a->area[0] <= a->area[1] && a->area[1] <= 1))
		return nst_fail(err, NST_EINVAL,
				"the area of a crop cannot be %g to %g of the picture", a->area[0],
				a->area[1]);
	if (!(a->aspect[0] > 0 && a->aspect[0] <= a->aspect[1] && a->aspect[1] <= 100))
		return nst_fail(err, NST_EINVAL, "the aspect of a crop cannot be %g to %g",
				a->aspect[0], a->aspect[1]);
	if (a->pad > a->size)
		return nst_fail(err, NST_EINVAL, "a picture of %zu pixels cannot be shifted by %zu",
				a->size, a->pad);
	if (a->ra.n && !a->ra.ops)
		return nst_fail(err, NST_EINVAL, "RandAugment is left without operations");
	if (a->ra.n && a->aa.policy != NST_AA_NONE)
		return nst_fail(err, NST_EINVAL, "a view has either RandAugment or AutoAugment");
	if (a->ra.n && a->ra.form == NST_RA_FIXMATCH && a->cutout)
		return nst_fail(err, NST_EINVAL,
				"fixmatch has a cutout of its own: fixmatch,cutout=PIXELS");
	if (!(a->erasing.p >= 0 && a->erasing.p <= 1) || !a->erasing.count)
		return nst_fail(err, NST_EINVAL,
				"%u places cannot be erased with probability %g",
				a->erasing.count, a->erasing.p);
	return 0;
}

static long draw_shift(struct nst_rng *rng, size_t pad)
{
	return (long)nst_rng_below(rng, (uint32_t)(2 * pad + 1)) - (long)pad;
}

void nst_augment_draw(const struct nst_augment *a, struct nst_rng *rng, size_t h, size_t w,
		      struct nst_view *v)
{
	*v = (struct nst_view){.h = h, .w = w, .filter = a->filter};
	if (a->view == NST_VIEW_RESIZED)
		v->box = nst_crop_random(rng, h, w, a->area, a->aspect);
	else
		v->box = nst_box_central(h, w, 1);
	if (a->view == NST_VIEW_SHIFT) {
		v->dy = draw_shift(rng, a->pad);
		v->dx = draw_shift(rng, a->pad);
	}
	if (a->flip)
		v->flip = (int)nst_rng_below(rng, 2);
	if (a->random_filter)
		v->filter = nst_rng_below(rng, 2) ? NST_BICUBIC : NST_BILINEAR;
}

double nst_augment_reduce(const struct nst_augment *a, const struct nst_view *v)
{
	double bh = (double)(v->box.y1 - v->box.y0), bw = (double)(v->box.x1 - v->box.x0);

	return (bh < bw ? bh : bw) / (double)a->size;
}

struct nst_box nst_augment_part(const struct nst_augment *a, const struct nst_view *v)
{
	return nst_resize_part(v->h, v->w, &v->box, v->filter, a->size, a->size);
}

/* The box in the picture at hand, which may be smaller than the one it was drawn for. */
static struct nst_box scaled(const struct nst_view *v, const struct nst_pixels *in)
{
	float sx = (float)in->w / (float)v->w, sy = (float)in->h / (float)v->h;
	struct nst_box b = {v->box.x0 * sx, v->box.y0 * sy, v->box.x1 * sx, v->box.y1 * sy};

	if (b.x1 > (float)in->w)
		b.x1 = (float)in->w;
	if (b.y1 > (float)in->h)
		b.y1 = (float)in->h;
	return b;
}

static void cutout(const struct nst_augment *a, struct nst_rng *rng, uint8_t *out)
{
	size_t cy, cx;

	if (!a->cutout)
		return;
	cy = nst_rng_below(rng, (uint32_t)a->size);
	cx = nst_rng_below(rng, (uint32_t)a->size);
	nst_op_cutout(out, a->size, a->size, cy, cx, a->cutout);
}

int nst_augment_apply(const struct nst_augment *a, struct nst_rng *rng, const struct nst_view *v,
		      struct nst_augmenter *w, const struct nst_pixels *in, uint8_t *out,
		      struct nst_err *err)
{
	struct nst_box box = scaled(v, in);
	size_t size = a->size;
	int shifted = a->view == NST_VIEW_SHIFT && (v->dy || v->dx);
	int rc = nst_pixels_shape(&w->tmp, size, size, err);

	if (rc == 0)
		rc = nst_resize(&w->resizer, in->data, in->h, in->w, &box, v->filter, out, size,
				size, err);
	if (rc < 0)
		return rc;
	/* The original flips large pictures before the other noise and small ones after it. */
	if (v->flip && a->view != NST_VIEW_SHIFT)
		nst_flip(out, size, size);
	nst_randaugment_apply(&a->ra, rng, out, size, size, w->tmp.data);
	nst_autoaugment_apply(&a->aa, rng, out, size, size, w->tmp.data);
	cutout(a, rng, out);
	if (shifted) {
		memcpy(w->tmp.data, out, 3 * size * size);
		nst_shift(w->tmp.data, size, size, v->dy, v->dx, a->border, out);
	}
	if (v->flip && a->view == NST_VIEW_SHIFT)
		nst_flip(out, size, size);
	return 0;
}

void nst_augmenter_release(struct nst_augmenter *w)
{
	nst_resizer_release(&w->resizer);
	nst_pixels_release(&w->tmp);
}
