/* Entry points: places in the entropy code of a JPEG that decoding can begin at.
 *
 * The code of a picture is one row of symbols of various lengths, and a block's mean is stored as the
 * difference to that of the block before.  So who wants the lower right corner has to read
 * everything above and to the left.  An entry point says where the code of a minimum coded unit (MCU,
 * 8 x 8 pixels or up to four times as many) begins and what the means were by then; with a few in
 * each row of units, the code of a part can be cut out (libcore/image/cut.h), whatever was needed to
 * find them.
 *
 * One entry point is 64 bits:
 *	bits 0-11, 12-23, 24-35   mean of the components' last blocks, quantised (DC coefficient),
 *	                          two's complement; 0 where there is no such component
 *	bits 36-63                bit of the file that the unit's code begins with, counted from the
 *	                          first byte's highest, stuffed zero bytes included
 * A picture has them in the same columns of each row of its units.  In front of them a mask says in
 * which: in c / 64 words, rounded up, of a picture of c columns, bit k % 64 of word k / 64 is set when
 * they stand before the units of column k.  In column 0 they always do.  Files of before have no mask,
 * which the lowest bit of the first word tells, as means begin with 0: then number i of m in a row
 * stands before the unit i * c / m, rounded down. */
#ifndef NST_IMAGE_ENTRIES_H
#define NST_IMAGE_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/image/scan.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

enum { NST_ENTRY_COLUMNS = 64 }; /* at most */

/* Words as they are stored: a mask and entry points. */
struct nst_entries {
	const uint64_t *word;
	size_t count; /* 0 = none are known */
};

/* Entry points taken apart. */
struct nst_entry_table {
	const uint64_t *point;                  /* (rows of the picture, a_row) */
	size_t a_row;
	uint16_t column[NST_ENTRY_COLUMNS + 1]; /* rising; then the columns of the picture */
};

/* Take the entry points of a picture apart, which borrows them.  Returns 1, or 0 when there are not as many
 * as they should be. */
int nst_entries_table(const struct nst_entries *entries, const struct nst_scan *s,
		      struct nst_entry_table *t);

/* Find the entry points of a sound JPEG and append them with their mask to out (u64): none if it is of a kind that has
 * none (libcore/image/scan.h), is too small to be worth it (4 kB) or larger than 32 MiB.  scratch is
 * working memory.  Returns 0 or NST_ENOMEM. */
int nst_entries_find(const uint8_t *data, size_t n, struct nst_buf *scratch, struct nst_buf *out,
		     struct nst_err *err) NST_MUST_CHECK;

/* Hold entry points against the JPEG they are said to be of, whoever found them.  scratch and again are
 * working memory.  Returns 0, NST_ENOMEM, or NST_EFORMAT when one of them is not as stated above;
 * none are always right. */
int nst_entries_check(const uint8_t *data, size_t n, const struct nst_entries *entries,
		      struct nst_buf *scratch, struct nst_buf *again, struct nst_err *err)
	NST_MUST_CHECK;

/* Parts of an entry point: its bit, and the mean of component 0...2. */
static inline uint64_t nst_entry_bit(uint64_t point)
{
	return point >> 36;
}

static inline int nst_entry_mean(uint64_t point, int component)
{
	int v = (int)(point >> 12 * component & 0xfff);

	return v < 0x800 ? v : v - 0x1000;
}

#endif
