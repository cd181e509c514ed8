/* Collecting soft targets.  Untempered rows of an unchanged type are copied as bytes, so filtering
 * and mixing never change a probability by rounding it again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/softbuf.h"
#include "libcore/select/target.h"
#include "libcore/util/num.h"

/* Bytes of a number. */
static size_t width(enum nst_type type)
{
	return type == NST_F16 ? 2 : 4;
}

static const char *form_name(uint64_t k, int topk, enum nst_type type, char *text, size_t n)
{
	const char *bits = type == NST_F16 ? "16-bit" : "32-bit";

	if (k == 0)
		snprintf(text, n, "hard labels");
	else if (topk)
		snprintf(text, n, "the top %llu probabilities in %s numbers",
			 (unsigned long long)k, bits);
	else
		snprintf(text, n, "all probabilities in %s numbers", bits);
	return text;
}

int nst_softbuf_start(struct nst_softbuf *b, uint64_t classes, uint64_t k, int topk,
		      enum nst_type type, struct nst_err *err)
{
	b->classes = classes;
	b->k = k;
	b->topk = topk;
	b->type = type;
	b->scratch = nst_alloc((size_t)k, sizeof(*b->scratch), err);
	/* A column of no rows has an address, too: NULL would mean that it is absent. */
	if (!b->scratch || nst_buf_reserve(&b->probability, 1, err) < 0 ||
	    nst_buf_reserve(&b->topk_class, 1, err) < 0)
		return NST_ENOMEM;
	b->started = 1;
	return 0;
}

int nst_softbuf_like(struct nst_softbuf *b, const struct nst_soft *soft, const char *file,
		     const char *first, struct nst_err *err)
{
	int topk = soft->topk_class != NULL;
	char here[64], there[64];

	if (!b->started)
		return nst_softbuf_start(b, soft->classes, soft->k, topk, soft->type, err);
	if (b->k == soft->k && b->topk == topk && (b->k == 0 || b->type == soft->type))
		return 0;
	return nst_fail(err, NST_EINVAL, "%s has %s, but %s has %s", file,
			form_name(soft->k, topk, soft->type, here, sizeof(here)), first,
			form_name(b->k, b->topk, b->type, there, sizeof(there)));
}

/* Append n numbers rounded to the type of the form. */
static int append(struct nst_softbuf *b, const float *p, size_t n, struct nst_err *err)
{
	if (b->type != NST_F16)
		return nst_buf_append(&b->probability, p, n * sizeof(*p), err);
	if (nst_buf_reserve(&b->probability, n * sizeof(uint16_t), err) < 0)
		return err->code;
	nst_halves_from_floats(p, n, (uint16_t *)(void *)(b->probability.data + b->probability.len));
	b->probability.len += n * sizeof(uint16_t);
	return 0;
}

/* Row i, k numbers as floats, into the scratch. */
static void load(struct nst_softbuf *b, const void *p, enum nst_type type, uint64_t i)
{
	size_t k = (size_t)b->k;

	for (size_t j = 0; j < k; j++)
		b->scratch[j] = type == NST_F16 ?
				nst_float_from_half(((const uint16_t *)p)[i * k + j]) :
				((const float *)p)[i * k + j];
}

int nst_softbuf_add(struct nst_softbuf *b, const struct nst_soft *soft, uint64_t i, size_t n,
		    double temperature, struct nst_err *err)
{
	size_t k = (size_t)b->k;
	const void *p = soft->topk_class ? soft->topk_probability : soft->probability;

	if (k == 0)
		return 0;
	if (temperature != 1) {
		load(b, p, soft->type, i);
		if (soft->topk_class)
			nst_topk_temper(b->scratch, k, (size_t)soft->classes, temperature);
		else
			nst_temper(b->scratch, k, temperature);
	}
	for (; n > 0; n--) {
		int r = temperature != 1 ? append(b, b->scratch, k, err) :
			nst_buf_append(&b->probability,
				       (const uint8_t *)p + i * k * width(soft->type),
				       k * width(soft->type), err);

		if (r == 0 && soft->topk_class)
			r = nst_buf_append(&b->topk_class, soft->topk_class + i * k,
					   k * sizeof(*soft->topk_class), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Append `rows` times k numbers of so many bytes to a column. */
static int extend(const struct nst_softbuf *b, struct nst_buf *column, size_t rows, size_t width,
		  struct nst_err *err)
{
	size_t bytes;

	if (nst_mul_size(rows, (size_t)b->k * width, &bytes) < 0)
		return nst_fail_mem(err, UINT64_MAX);
	if (nst_buf_reserve(column, bytes, err) < 0)
		return err->code;
	column->len += bytes;
	return 0;
}

int nst_softbuf_extend(struct nst_softbuf *b, size_t rows, struct nst_err *err)
{
	if (b->topk && extend(b, &b->topk_class, rows, sizeof(int32_t), err) < 0)
		return err->code;
	return extend(b, &b->probability, rows, width(b->type), err);
}

void nst_softbuf_set(struct nst_softbuf *b, size_t i, float *p)
{
	const size_t k = (size_t)b->k, at = i * k;
	void *to = b->probability.data + at * width(b->type);

	if (b->topk)
		nst_topk(p, (size_t)b->classes, k, (int32_t *)(void *)b->topk_class.data + at, p);
	if (b->type == NST_F16)
		nst_halves_from_floats(p, k, to);
	else
		memcpy(to, p, k * sizeof(*p));
}

struct nst_soft nst_softbuf_view(const struct nst_softbuf *b, uint64_t rows)
{
	struct nst_soft s = {.rows = rows, .classes = b->classes, .k = b->k, .type = b->type};

	if (b->topk) {
		s.topk_class = (const int32_t *)(const void *)b->topk_class.data;
		s.topk_probability = b->probability.data;
	} else if (b->k) {
		s.probability = b->probability.data;
	}
	return s;
}

void nst_softbuf_clear(struct nst_softbuf *b)
{
	b->probability.len = 0;
	b->topk_class.len = 0;
}

void nst_softbuf_release(struct nst_softbuf *b)
{
	nst_buf_release(&b->probability);
	nst_buf_release(&b->topk_class);
	free(b->scratch);
	memset(b, 0, sizeof(*b));
}
