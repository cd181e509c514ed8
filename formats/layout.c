/* Writing HDF5 without writing the data through HDF5.
 *
 * Datasets are contiguous, allocated early and never filled, in a file that is a region of memory
 * nobody touches where the payload would be.  When libhdf5 has closed it, the region holds the
 * metadata (some kB), and the offsets of the datasets say which stretches the writer must take from
 * the columns instead.  Only compressed columns go through libhdf5.
 *
 * The format version is fixed by name: V110 brings checksummed metadata and the flag of files that
 * were not closed, and files do not change when libhdf5 does.  No times are stored. */
#include "formats/layout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "formats/h5.h"
#include "formats/plugin/zfilter.h"
#include "libcore/util/mem.h"

enum {
	METADATA_ROOM = 4 << 20,   /* attributes, headers, chunk indices: more than ever needed */
	CHUNK_BYTES = 1 << 20,
	MAX_COMPACT = 64,          /* links and attributes kept in the object header */
	DATA_ALIGNMENT = 64,
	GZIP_LEVEL = 4,
	ZSTD_LEVEL = 1,
};

static int broken(struct nst_err *err, const char *what)
{
	return nst_fail(err, NST_EIO, "libhdf5 cannot make the %s of the output", what);
}

static int put_attr(hid_t file, const char *name, hid_t type, uint64_t n, const void *value,
		    struct nst_err *err)
{
	hsize_t dim = n;
	hid_t space = n ? H5Screate_simple(1, &dim, NULL) : H5Screate(H5S_SCALAR);
	hid_t attr = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	int ok = attr >= 0 && H5Awrite(attr, type, value) >= 0;

	if (attr >= 0)
		H5Aclose(attr);
	if (space >= 0)
		H5Sclose(space);
	return ok ? 0 : broken(err, "attributes");
}

/* UTF-8 string type of a fixed width, terminated. */
static hid_t string_type(size_t width)
{
	hid_t type = H5Tcopy(H5T_C_S1);

	if (type >= 0 && (H5Tset_size(type, width) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
			  H5Tset_strpad(type, H5T_STR_NULLTERM) < 0)) {
		H5Tclose(type);
		return -1;
	}
	return type;
}

static int put_attr_str(hid_t file, const char *name, const char *value, struct nst_err *err)
{
	hid_t type = string_type(strlen(value) + 1);
	int r = put_attr(file, name, type, 0, value, err);

	if (type >= 0)
		H5Tclose(type);
	return r;
}

/* The history: lines of the parents, then ours.  When it grows too long the oldest go. */
static int put_history(hid_t file, const struct nst_build *b, const char *run, struct nst_err *err)
{
	const char *lines = b->history ? b->history : "", *text;
	struct nst_buf all = {0};
	int r;

	r = nst_buf_printf(&all, err, "%s%s%s", lines, *lines ? "\n" : "", run);
	if (!r && b->parents)
		r = nst_buf_printf(&all, err, " < %s", b->parents);
	if (!r) {
		text = (const char *)all.data;
		while (strlen(text) > NST_HISTORY_LIMIT) {
			const char *next = strchr(text, '\n');

			text = next ? next + 1 : text + strlen(text) - NST_HISTORY_LIMIT;
		}
		r = put_attr_str(file, "history", text, err);
	}
	nst_buf_release(&all);
	return r;
}

static int put_attrs(hid_t file, const struct nst_build *b, const struct nst_layout_options *opt,
		     struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(b->kind);
	uint64_t checksum[NST_MAX_COLUMNS], n = 0, total[2] = {opt->images, opt->rows};
	uint8_t last = opt->last != 0;
	int r = put_attr_str(file, "Conventions", NST_CONVENTIONS, err);

	for (int i = 0; schema->column[i].name; i++)
		if (b->column[i].id.present)
			checksum[n++] = b->column[i].id.checksum;
	if (!r)
		r = put_attr_str(file, "nst_kind", schema->name, err);
	if (!r)
		r = put_attr_str(file, "uuid", b->uuid, err);
	if (!r && opt->run)
		r = put_history(file, b, opt->run, err);
	if (!r)
		r = put_attr(file, "rows", H5T_STD_U64LE, 0, &b->rows, err);
	if (!r)
		r = put_attr(file, "checksums", H5T_STD_U64LE, n, checksum, err);
	if (!r)
		r = put_attr(file, "stream_last", H5T_STD_U8LE, 0, &last, err);
	if (!r)
		r = put_attr(file, "stream_total", H5T_STD_U64LE, 2, total, err);
	for (int i = 0; !r && schema->attr[i].name; i++) {
		const struct nst_schema_attr *a = &schema->attr[i];
		uint64_t len = a->n > 1 ? a->n : 0;

		if (!b->attr[i].present)
			continue;
		if (a->type == NST_STR)
			r = put_attr_str(file, a->name, b->attr[i].str, err);
		else if (a->type == NST_F64)
			r = put_attr(file, a->name, H5T_IEEE_F64LE, len, b->attr[i].f64, err);
		else
			r = put_attr(file, a->name, H5T_STD_U64LE, len, b->attr[i].u64, err);
	}
	return r;
}

static herr_t set_filters(hid_t dcpl, const struct nst_build_column *c, enum nst_compress compress)
{
	size_t row = (size_t)c->id.dim[1] * c->elem;
	hsize_t chunk[2] = {row < CHUNK_BYTES ? CHUNK_BYTES / row : 1, c->id.dim[1]};
	unsigned cd[2];

	if (chunk[0] > c->id.dim[0])
		chunk[0] = c->id.dim[0];
	cd[0] = ZSTD_LEVEL;
	cd[1] = (unsigned)(chunk[0] * row);
	if (H5Pset_chunk(dcpl, c->id.rank, chunk) < 0 || H5Pset_shuffle(dcpl) < 0)
		return -1;
	if (compress == NST_COMPRESS_GZIP)
		return H5Pset_deflate(dcpl, GZIP_LEVEL);
	return H5Pset_filter(dcpl, NST_ZFILTER_ID, H5Z_FLAG_MANDATORY, 2, cd);
}

/* Create a dataset; note its extent, or write it when it is compressed. */
static int put_column(hid_t file, struct nst_layout *l, const char *name,
		      const struct nst_build_column *c, int compressible, enum nst_compress compress,
		      struct nst_err *err)
{
	int packed = compressible && compress != NST_COMPRESS_NONE && c->size, ok;
	hsize_t dim[2] = {c->id.dim[0], c->id.dim[1]};
	hid_t space = H5Screate_simple(c->id.rank, dim, NULL);
	hid_t type = c->id.type == NST_STR ? string_type(c->elem) : nst_h5_type(c->id.type);
	hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), set = -1;
	haddr_t offset = HADDR_UNDEF;

	ok = H5Pset_obj_track_times(dcpl, 0) >= 0 && H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0;
	if (packed)
		ok = ok && set_filters(dcpl, c, compress) >= 0;
	else
		ok = ok && H5Pset_layout(dcpl, H5D_CONTIGUOUS) >= 0 &&
		     H5Pset_alloc_time(dcpl, H5D_ALLOC_TIME_EARLY) >= 0;
	if (ok)
		set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
	ok = set >= 0;
	if (ok && packed) {
		ok = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, c->segment[0].data) >= 0;
	} else if (ok && c->size) {
		offset = H5Dget_offset(set);
		ok = offset != HADDR_UNDEF;
		l->extent[l->extents++] = (struct nst_extent){offset, c};
	}
	if (set >= 0)
		H5Dclose(set);
	H5Pclose(dcpl);
	if (c->id.type == NST_STR && type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	return ok ? 0 : broken(err, "columns");
}

static int put_columns(hid_t file, struct nst_layout *l, const struct nst_build *b,
		       enum nst_compress compress, struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(b->kind);
	hid_t gcpl = H5Pcreate(H5P_GROUP_CREATE);
	char group[32] = "";
	int r = 0;

	if (gcpl < 0 || H5Pset_obj_track_times(gcpl, 0) < 0 ||
	    H5Pset_link_phase_change(gcpl, MAX_COMPACT, MAX_COMPACT / 2) < 0)
		r = broken(err, "groups");
	for (int i = 0; !r && schema->column[i].name; i++) {
		const char *name = schema->column[i].name;
		size_t n = strcspn(name, "/");

		if (!b->column[i].id.present)
			continue;
		if (strncmp(group, name, n) || group[n]) {
			hid_t g;

			memcpy(group, name, n);
			group[n] = '\0';
			g = H5Gcreate2(file, group, H5P_DEFAULT, gcpl, H5P_DEFAULT);
			if (g < 0)
				r = broken(err, "groups");
			else
				H5Gclose(g);
		}
		if (!r)
			r = put_column(file, l, name, &b->column[i],
				       schema->column[i].flags & NST_COMPRESSIBLE, compress, err);
	}
	if (gcpl >= 0)
		H5Pclose(gcpl);
	return r;
}

static hid_t create(struct nst_region *region)
{
	hid_t fcpl = H5Pcreate(H5P_FILE_CREATE), fapl = nst_region_fapl(region), file = -1;

	if (fcpl >= 0 && fapl >= 0 && H5Pset_obj_track_times(fcpl, 0) >= 0 &&
	    H5Pset_link_phase_change(fcpl, MAX_COMPACT, MAX_COMPACT / 2) >= 0 &&
	    H5Pset_attr_phase_change(fcpl, MAX_COMPACT, MAX_COMPACT / 2) >= 0 &&
	    H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
	    H5Pset_alignment(fapl, 1, DATA_ALIGNMENT) >= 0)
		file = H5Fcreate("nst", H5F_ACC_TRUNC, fcpl, fapl);
	if (fcpl >= 0)
		H5Pclose(fcpl);
	if (fapl >= 0)
		H5Pclose(fapl);
	return file;
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct nst_extent *)a)->offset, y = ((const struct nst_extent *)b)->offset;

	return (x > y) - (x < y);
}

int nst_layout_init(struct nst_layout *l, const struct nst_build *b,
		    const struct nst_layout_options *opt, struct nst_err *err)
{
	size_t capacity = METADATA_ROOM;
	hid_t file;
	int r;

	memset(l, 0, sizeof(*l));
	r = nst_h5_begin(err);
	if (r)
		return r;
	/* Room for every column twice: incompressible chunks grow a little. */
	for (size_t i = 0; i < NST_MAX_COLUMNS; i++)
		if (__builtin_add_overflow(capacity, b->column[i].size, &capacity) ||
		    __builtin_add_overflow(capacity, b->column[i].size, &capacity))
			return nst_fail(err, NST_ELIMIT, "the output is too large for one file");
	l->region.base = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->region.base == MAP_FAILED) {
		l->region.base = NULL;
		return nst_fail_mem(err, capacity);
	}
	l->region.size = capacity;
	l->region.writable = 1;
	file = create(&l->region);
	r = file < 0 ? broken(err, "file") : put_columns(file, l, b, opt->compress, err);
	if (!r)
		r = put_attrs(file, b, opt, err);
	if (file >= 0 && H5Fclose(file) < 0 && !r)
		r = broken(err, "file");
	if (r) {
		nst_layout_release(l);
		return r;
	}
	qsort(l->extent, l->extents, sizeof(*l->extent), by_offset);
	return 0;
}

void nst_layout_release(struct nst_layout *l)
{
	if (l->region.base)
		munmap(l->region.base, l->region.size);
	memset(l, 0, sizeof(*l));
}
