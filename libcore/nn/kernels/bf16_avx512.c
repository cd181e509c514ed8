/* Products of bfloat16 by the instruction of AVX512_BF16, which adds two products to a sum: twice the
 * multiply-adds of float32 in the same time.
 *
 * As in gemm.inc, the sums of a tile live in registers from the first term to the last, 12 rows by
 * one or two vectors of columns.  Terms go in pairs, an even one in the lower half of 32 bits and the
 * odd one behind it above: a pair of a row of a, broadcast, meets a vector of pairs of the panel.
 * Rows of a are rounded a block at a time, once for all columns, into a block that stays in the
 * caches, and end in zeros up to whole vectors. */
#include "libcore/nn/kernels/vec_avx512.h"

#include "libcore/nn/kernels/bf16.h"
#include "libcore/nn/kernels/common.inc"

#define PANEL (2 * LANES)

enum {
	TILE = 12,           /* rows */
	K_BLOCK = 2688,      /* terms of a row in a block, 84 vectors of pairs ... */
	A_BLOCK = 64 << 8,   /* ... which holds a tile of them: 64 KiB of pairs */
};

/* ---- packing -------------------------------------------------------------------------------- */

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static size_t pairs_of(size_t k)
{
	return (k + 1) / 2;
}

INLINE size_t panel_vectors(size_t n, size_t j)
{
	return n - j > LANES ? 2 : 1;
}

/* Panels as in gemm.inc, a pair where that has a float. */
size_t nst_bf16_avx512_pack_size(size_t k, size_t n)
{
	return pairs_of(k) * round_up(n, LANES);
}

static uint32_t pair_of(size_t k, size_t n, const float *b, size_t ldb, size_t p, size_t j)
{
	float even = j < n ? b[2 * p * ldb + j] : 0.0f;
	float odd = j < n && 2 * p + 1 < k ? b[(2 * p + 1) * ldb + j] : 0.0f;

	return nst_bf16_bits(odd) << 16 | nst_bf16_bits(even);
}

void nst_bf16_avx512_pack(size_t k, size_t n, const float *b, size_t ldb, float *packed)
{
	uint32_t *to = (uint32_t *)(void *)packed;

	for (size_t j = 0; j < n; j += PANEL) {
		size_t width = panel_vectors(n, j) * LANES;

		for (size_t p = 0; p < pairs_of(k); p++)
			for (size_t i = 0; i < width; i++)
				*to++ = pair_of(k, n, b, ldb, p, j + i);
	}
}

/* Pairs between rounded rows of k terms: an odd number of cache lines, so that the rows of a tile lie
 * in different sets of the cache. */
static size_t row_pairs(size_t k)
{
	return (round_up(pairs_of(k), LANES) / LANES | 1) * LANES;
}

/* Round the floats low and high behind them, of which there may be none, to a vector of pairs: those at
 * a, times those at factor unless that is NULL. */
INLINE void round_vectors(const float *a, const float *factor, size_t low, size_t high, uint32_t *to)
{
	V first = v_load_n(a, low), second = v_load_n(a + low, high);

	if (factor) {
		first = v_mul(first, v_load_n(factor, low));
		second = v_mul(second, v_load_n(factor + low, high));
	}
	_mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

INLINE void round_row(size_t k, const float *a, const float *factor, uint32_t *to)
{
	size_t p = 0;

	for (; p + 2 * LANES <= k; p += 2 * LANES)
		round_vectors(a + p, factor ? factor + p : NULL, LANES, LANES, to + p / 2);
	if (p < k) {
		size_t low = min_size(k - p, LANES);

		round_vectors(a + p, factor ? factor + p : NULL, low, k - p - low, to + p / 2);
	}
}

/* Terms [k0, k0+terms) of rows [first, first+rows) of a, times their factors. */
static void round_rows(const struct nst_bf16_product *x, size_t first, size_t rows, size_t k0,
		       size_t terms, uint32_t *to)
{
	for (size_t r = first; r < first + rows; r++, to += row_pairs(terms)) {
		const float *a = x->a + r * x->lda + k0;

		if (x->factor)
			round_row(terms, a, x->factor + r / x->pixels * x->k + k0, to);
		else
			round_row(terms, a, NULL, to);
	}
}

/* ---- the tile ------------------------------------------------------------------------------- */

#define TILE_ARGS                                                                                  \
	size_t pairs, const uint32_t *a, size_t stride, const uint32_t *panel,                     \
		const float *from, float *to, size_t step, size_t columns

/* Rows of sums lie `step` apart, of the last vector `columns` floats; they start from those in `from`
 * unless that is NULL. */
INLINE void tile(const size_t rows, const size_t vectors, TILE_ARGS)
{
	V sum[TILE][2];

	UNROLL
	for (size_t r = 0; r < rows; r++) {
		UNROLL
		for (size_t v = 0; v < vectors; v++)
			sum[r][v] = from ? v_load_n(from + r * step + v * LANES,
						    v + 1 < vectors ? LANES : columns) :
					   v_zero();
	}
	for (size_t p = 0; p < pairs; p++) {
		__m512bh b[2];

		UNROLL
		for (size_t v = 0; v < vectors; v++)
			b[v] = (__m512bh)_mm512_loadu_si512(panel + v * LANES);
		panel += vectors * LANES;
		UNROLL
		for (size_t r = 0; r < rows; r++) {
			__m512bh pair = (__m512bh)_mm512_set1_epi32((int)a[r * stride + p]);

			UNROLL
			for (size_t v = 0; v < vectors; v++)
				sum[r][v] = _mm512_dpbf16_ps(sum[r][v], pair, b[v]);
		}
	}
	UNROLL
	for (size_t r = 0; r < rows; r++) {
		UNROLL
		for (size_t v = 0; v < vectors; v++)
			v_store_n(to + r * step + v * LANES, sum[r][v],
				  v + 1 < vectors ? LANES : columns);
	}
}

typedef void tile_fn(TILE_ARGS);

#define TILES(rows)                                                                                \
	static void tile_##rows##_1(TILE_ARGS)                                                     \
	{                                                                                          \
		tile(rows, 1, pairs, a, stride, panel, from, to, step, columns);                   \
	}                                                                                          \
	static void tile_##rows##_2(TILE_ARGS)                                                     \
	{                                                                                          \
		tile(rows, 2, pairs, a, stride, panel, from, to, step, columns);                   \
	}
TILES(1)
TILES(2)
TILES(4)
TILES(12)

/* From the largest, which most rows go by. */
static const struct {
	size_t rows;
	tile_fn *by_vectors[2];
} tiles[] = {
	{12, {tile_12_1, tile_12_2}},
	{4, {tile_4_1, tile_4_2}},
	{2, {tile_2_1, tile_2_2}},
	{1, {tile_1_1, tile_1_2}},
};

/* ---- the matrix product --------------------------------------------------------------------- */

/* Terms k0 .. k0+terms of a row: rounded rows `a` by all columns, finished behind the last term. */
struct block {
	size_t rows, n, k, k0, terms;
	const uint32_t *a;
	const uint32_t *packed;
	const float *bias;
	enum nst_act act;
	float *c;
	size_t ldc;
};

/* A tile of the block, from row `row` and column j on.  Sums that are whole after it need not go by way
 * of c, whose lines may be far away. */
static void block_tile(const struct block *b, tile_fn *const by_vectors[2], size_t rows, size_t row,
		       size_t j)
{
	const size_t vectors = panel_vectors(b->n, j), stride = row_pairs(b->terms);
	const size_t width = min_size(PANEL, b->n - j);
	const uint32_t *panel = b->packed + j * pairs_of(b->k) + b->k0 / 2 * vectors * LANES;
	const int last = b->k0 + b->terms == b->k, by_way = b->k0 > 0 || !last;
	float sums[TILE * PANEL] __attribute__((aligned(64)));
	float *c = b->c + row * b->ldc + j, *to = by_way ? c : sums;
	size_t step = by_way ? b->ldc : PANEL;

	by_vectors[vectors - 1](pairs_of(b->terms), b->a + row * stride, stride, panel,
				b->k0 ? c : NULL, to, step, width - (vectors - 1) * LANES);
	if (last)
		BY_ACT(b->act, finish_as, rows, width, b->bias ? b->bias + j : NULL, to, step, c,
		       b->ldc);
}

/* All rows of a block by the panel that begins at column j. */
static void block_panel(const struct block *b, size_t j)
{
	size_t row = 0;

	for (size_t t = 0; row < b->rows; t++)
		for (; b->rows - row >= tiles[t].rows; row += tiles[t].rows)
			block_tile(b, tiles[t].by_vectors, tiles[t].rows, row, j);
}

void nst_bf16_avx512_gemm(const struct nst_bf16_product *p)
{
	uint32_t rounded[A_BLOCK] __attribute__((aligned(64)));
	struct block b = {
		.n = p->n, .k = p->k, .packed = (const uint32_t *)(const void *)p->packed,
		.a = rounded, .bias = p->bias, .act = p->act, .ldc = p->ldc,
	};

	do {
		size_t step;

		b.terms = min_size(K_BLOCK, b.k - b.k0);
		step = A_BLOCK / row_pairs(b.terms) / TILE * TILE;
		for (size_t i = 0; i < p->m; i += step) {
			b.rows = min_size(step, p->m - i);
			b.c = p->c + i * b.ldc;
			round_rows(p, i, b.rows, b.k0, b.terms, rounded);
			for (size_t j = 0; j < b.n; j += PANEL)
				block_panel(&b, j);
		}
		b.k0 += b.terms;
	} while (b.k0 < b.k);
}
