/* JPEGs of every kind, for the tests of their reading. */
#ifndef TESTS_UNIT_JPEG_UTIL_H
#define TESTS_UNIT_JPEG_UTIL_H

#include <stdint.h>
#include <stdio.h> /* jpeglib.h declares functions of FILE */
#include <stdlib.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

/* Noise that is coarse enough to leave edges everywhere, as files that nst_jpeg_encode does not
 * write: components 1 (grey), 3 or 4; h x v is the sampling of the first. */
static struct nst_buf made(size_t h, size_t w, int components, int hs, int vs, int progressive,
			   int restart, uint64_t seed)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr report;
	struct nst_buf b = {0};
	struct nst_rng rng;
	unsigned char *bytes = NULL;
	unsigned long size = 0;
	uint8_t *row = malloc(4 * w);
	JSAMPROW rows[1] = {row};

	assert_non_null(row);
	nst_rng_init(&rng, seed, NST_RNG_TEST, 7, 0);
	c.err = jpeg_std_error(&report);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &bytes, &size);
	c.image_width = (JDIMENSION)w;
	c.image_height = (JDIMENSION)h;
	c.input_components = components;
	c.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 80, TRUE);
	c.comp_info[0].h_samp_factor = hs;
	c.comp_info[0].v_samp_factor = vs;
	c.restart_interval = (unsigned)restart;
	c.optimize_coding = seed % 2 == 1; /* tables with the codes that occur, and no others */
	if (progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	for (size_t y = 0; y < h; y++) {
		for (size_t i = 0; i < (size_t)components * w; i++)
			row[i] = (uint8_t)(y * 3 + i + nst_rng_below(&rng, 90));
		jpeg_write_scanlines(&c, rows, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	assert_int_equal(nst_buf_append(&b, bytes, size, &(struct nst_err){0}), 0);
	free(bytes);
	free(row);
	return b;
}

/* One of the kinds of files there are, of some size; *usual is set for those of which parts are
 * left out. */
static struct nst_buf any_file(int i, struct nst_rng *rng, size_t most, int *usual)
{
	static const int sampling[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}};
	const int *s = sampling[i % 5];
	size_t h = 1 + nst_rng_below(rng, (uint32_t)most), w = 1 + nst_rng_below(rng, (uint32_t)most);
	int kind = i / 5 % 6, components = kind == 4 ? 1 : kind == 5 ? 4 : 3;

	*usual = kind != 3 && kind != 5;
	return made(h, w, components, s[0], s[1], kind == 3, kind == 2 ? 3 : 0, (uint64_t)i);
}

#endif
