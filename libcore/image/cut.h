/* A part of a JPEG as a JPEG of its own, from entry points (libcore/image/entries.h): the code of its
 * units is copied, not decoded. */
#ifndef NST_IMAGE_CUT_H
#define NST_IMAGE_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/image/entries.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

/* Minimum coded units, from begin to just before end. */
struct nst_units {
	unsigned row, row_end, column, column_end;
};

/* What was cut out. */
struct nst_cut {
	unsigned row, column;   /* unit of the picture that its upper left one stands for */
	unsigned height, width; /* pixels */
};

/* Zeros behind a cut: where the library sees fewer bytes beyond the beginning of a unit of ten blocks,
 * it takes the slower one of its two ways to read it. */
enum { NST_CUT_SLACK = 10 * 512 };

/* Cut the units `part` out of a picture into out, with what else lies between the entry points, a row
 * or a column of units without meaning beside them, and NST_CUT_SLACK zeros behind it all.  The pixels
 * of the part, but for those whose colours are smoothed with units outside it, are those that the
 * picture has there.  Returns 1; 0, when the picture is none that can be cut or too little would be
 * left out; NST_EFORMAT when the entry points are none of this picture. */
int nst_cut(const uint8_t *data, size_t n, const struct nst_entries *entries,
	    const struct nst_units *part, struct nst_buf *out, struct nst_cut *cut,
	    struct nst_err *err) NST_MUST_CHECK;

#endif
