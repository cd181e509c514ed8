/* Kind model.
 *
 * Tensors lie one after another in the order of the list of names, so that offsets follow from shapes
 * and cannot contradict them. */
#include "formats/model.h"

#include <stdlib.h>
#include <string.h>

#include "formats/build.h"
#include "formats/image.h"
#include "formats/schema.h"
#include "formats/typed.h"
#include "libcore/util/mem.h"

/* Numbers in a shape whose dimensions end at the first 0.  Returns 0, or -1 when it is not one. */
static int shape_count(const uint32_t shape[NST_TENSOR_RANK], uint64_t *count)
{
	size_t n = 1;
	int rank = 0;

	while (rank < NST_TENSOR_RANK && shape[rank])
		if (nst_mul_size(n, shape[rank++], &n))
			return -1;
	for (int i = rank; i < NST_TENSOR_RANK; i++)
		if (shape[i])
			return -1;
	*count = n;
	return rank ? 0 : -1;
}

static int view_tensors(struct nst_image *im, struct nst_model *m, struct nst_err *err)
{
	const char *const *name;
	struct nst_column shape;
	int r = nst_image_strings(im, "param/name", &name, &m->tensors, err);

	if (!r)
		r = nst_image_column(im, "param/shape", &shape, err);
	if (r)
		return r;
	m->tensor = nst_image_alloc(im, (size_t)m->tensors, sizeof(*m->tensor), err);
	if (!m->tensor)
		return err->code;
	for (uint64_t t = 0; t < m->tensors; t++) {
		struct nst_model_tensor *x = &m->tensor[t];

		x->name = name[t];
		memcpy(x->shape, (const uint32_t *)shape.data + t * NST_TENSOR_RANK, sizeof(x->shape));
		x->offset = m->count;
		if (shape_count(x->shape, &x->count) ||
		    __builtin_add_overflow(m->count, x->count, &m->count))
			return nst_image_fail(im, err, "tensor '%s' has the shape %u x %u x %u x %u", x->name,
					      x->shape[0], x->shape[1], x->shape[2], x->shape[3]);
	}
	return 0;
}

static int view_numbers(struct nst_image *im, struct nst_model *m, struct nst_err *err)
{
	struct nst_column c;
	int r = nst_image_require(im, "param/data", m->count, 0, &c, err);

	if (r)
		return r;
	m->data = c.data;
	if (nst_image_has(im, "param/ema")) {
		r = nst_image_require(im, "param/ema", m->count, 0, &c, err);
		if (r)
			return r;
		m->ema = c.data;
	}
	if (nst_image_has(im, "param/slot")) {
		r = nst_image_column(im, "param/slot", &c, err);
		if (!r && c.dim[1] != m->count)
			r = nst_image_fail(im, err, "'param/slot' does not fit 'param/data'");
		if (r)
			return r;
		m->slot = c.data;
		m->slots = c.dim[0];
	}
	return 0;
}

int nst_model_view(struct nst_image *im, struct nst_model *out, struct nst_err *err)
{
	struct nst_model m = {
		.architecture = nst_image_attr_str(im, "architecture"),
		.preprocessing = nst_image_attr_str(im, "preprocessing"),
	};
	uint64_t progress[3];
	int r = nst_image_strings(im, "arch/spec", &m.spec, &m.spec_lines, err);

	if (!r)
		r = nst_image_strings(im, "class/name", &m.class_name, &m.classes, err);
	if (!r)
		r = nst_image_strings(im, "train/option", &m.option, &m.options, err);
	if (!r)
		r = nst_image_strings(im, "train/log", &m.log, &m.log_lines, err);
	if (!r)
		r = view_tensors(im, &m, err);
	if (!r)
		r = view_numbers(im, &m, err);
	if (r)
		return r;
	nst_image_attr_u64(im, "progress", 3, progress);
	m.epoch = progress[0];
	m.step = progress[1];
	m.seed = progress[2];
	*out = m;
	return 0;
}

int nst_model_verify(struct nst_image *im, enum nst_model_vector which, struct nst_err *err)
{
	static const char *const name[] = {
		[NST_MODEL_DATA] = "param/data",
		[NST_MODEL_EMA] = "param/ema",
		[NST_MODEL_SLOT] = "param/slot",
	};

	return nst_image_verify_column(im, nst_schema_column_index(nst_schema(NST_MODEL), name[which]),
				       err);
}

const struct nst_model_tensor *nst_model_find(const struct nst_model *m, const char *name)
{
	for (uint64_t t = 0; t < m->tensors; t++)
		if (!strcmp(m->tensor[t].name, name))
			return &m->tensor[t];
	return NULL;
}

/* The names, and the shapes: both are small and belong to the build. */
static int build_table(struct nst_build *b, const struct nst_model *m, uint64_t *count,
		       struct nst_err *err)
{
	size_t n = (size_t)m->tensors;
	const char **name = nst_alloc(n, sizeof(*name), err);
	uint32_t *shape = name ? nst_build_alloc(b, n * NST_TENSOR_RANK, sizeof(*shape), err) : NULL;
	int r = shape ? 0 : err->code;

	*count = 0;
	for (size_t t = 0; !r && t < n; t++) {
		const struct nst_model_tensor *x = &m->tensor[t];
		uint64_t size;

		name[t] = x->name;
		memcpy(shape + t * NST_TENSOR_RANK, x->shape, sizeof(x->shape));
		if (shape_count(x->shape, &size) || __builtin_add_overflow(*count, size, count))
			r = nst_fail(err, NST_EINVAL, "tensor '%s' has no valid shape", x->name);
	}
	if (!r)
		r = nst_build_strings(b, "param/name", name, n, err);
	if (!r)
		r = nst_build_column(b, "param/shape", NST_U32, n, NST_TENSOR_RANK, shape, err);
	free(name);
	return r;
}

/* The columns of numbers, each of which is one block. */
static int build_blocks(struct nst_build *b, const struct nst_model *m, uint64_t count,
			struct nst_err *err)
{
	int r = nst_build_column(b, "param/data", NST_F32, count, 0, m->data, err);

	if (!r && m->ema)
		r = nst_build_column(b, "param/ema", NST_F32, count, 0, m->ema, err);
	if (!r && m->slot && m->slots)
		r = nst_build_column(b, "param/slot", NST_F32, m->slots, count, m->slot, err);
	return r;
}

/* The same of tensors that lie apart. */
static int build_parts(struct nst_build *b, const struct nst_model *m, uint64_t count,
		       const float *const *part, struct nst_err *err)
{
	size_t n = (size_t)m->tensors, slots = m->slot ? (size_t)m->slots : 0;
	size_t vectors = 1 + !!m->ema + slots, at = 0;
	struct nst_segment *seg = nst_alloc(n, vectors * sizeof(*seg), err);
	int r = seg ? 0 : err->code;

	for (size_t i = 0; !r && i < vectors * n; i++) {
		uint64_t size;

		(void)shape_count(m->tensor[i % n].shape, &size); /* build_table has looked */
		seg[i] = (struct nst_segment){part[i], (size_t)size * sizeof(**part)};
	}
	if (!r)
		r = nst_build_scattered(b, "param/data", NST_F32, count, 0, seg, n, err);
	if (!r && m->ema)
		r = nst_build_scattered(b, "param/ema", NST_F32, count, 0, seg + (at += n), n, err);
	if (!r && slots)
		r = nst_build_scattered(b, "param/slot", NST_F32, slots, count, seg + (at += n),
					slots * n, err);
	free(seg);
	return r;
}

static int build_tensors(struct nst_build *b, const struct nst_model *m, const float *const *part,
			 struct nst_err *err)
{
	uint64_t count;
	int r = build_table(b, m, &count, err);

	if (r)
		return r;
	return part ? build_parts(b, m, count, part, err) : build_blocks(b, m, count, err);
}

int nst_model_build_parts(struct nst_build **out, const struct nst_model *m,
			  const float *const *part, struct nst_err *err)
{
	uint64_t progress[3] = {m->epoch, m->step, m->seed};
	struct nst_build *b = nst_build_new(NST_MODEL, m->tensors, err);
	int r;

	if (!b)
		return err->code;
	r = nst_build_attr_str(b, "architecture", m->architecture, err);
	if (!r)
		r = nst_build_attr_str(b, "preprocessing", m->preprocessing, err);
	if (!r)
		r = nst_build_attr_u64(b, "progress", 3, progress, err);
	if (!r)
		r = nst_build_strings(b, "arch/spec", m->spec, (size_t)m->spec_lines, err);
	if (!r)
		r = nst_build_names(b, m->class_name, m->classes, err);
	if (!r)
		r = build_tensors(b, m, part, err);
	if (!r && m->options)
		r = nst_build_strings(b, "train/option", m->option, (size_t)m->options, err);
	if (!r && m->log_lines)
		r = nst_build_strings(b, "train/log", m->log, (size_t)m->log_lines, err);
	return nst_build_hand_over(out, b, r);
}

int nst_model_build(struct nst_build **out, const struct nst_model *m, struct nst_err *err)
{
	return nst_model_build_parts(out, m, NULL, err);
}
