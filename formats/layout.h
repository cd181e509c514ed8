/* An image laid out in HDF5: metadata in memory, payload still where it was. */
#ifndef NST_FORMATS_LAYOUT_H
#define NST_FORMATS_LAYOUT_H

#include "formats/build.h"
#include "formats/mapvfd.h"

/* Stretch of the file that is the payload of a column. */
struct nst_extent {
	uint64_t offset;
	const struct nst_build_column *column;
};

struct nst_layout {
	struct nst_region region; /* the file, [0, region.used); zeros where payload goes */
	struct nst_extent extent[NST_MAX_COLUMNS]; /* in order of offset */
	size_t extents;
};

/* What a file says of its place in its stream, and where it comes from. */
struct nst_layout_options {
	int last;             /* the last image of the stream */
	uint64_t images;      /* of the stream up to and including this one */
	uint64_t rows;
	const char *run;      /* line for the history, NULL = no provenance */
	enum nst_compress compress;
};

/* Lay out a sealed build, which must outlive *l. */
int nst_layout_init(struct nst_layout *l, const struct nst_build *b,
		    const struct nst_layout_options *opt, struct nst_err *err) NST_MUST_CHECK;
void nst_layout_release(struct nst_layout *l);

#endif
