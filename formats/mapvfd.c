/* The map driver: files are regions of memory, every access is checked against their bounds.
 *
 * It claims none of the optional features (aggregation, sieve buffering): libhdf5 then places each
 * object exactly where it asks for space, which makes files smaller and layouts simple. */
#include "formats/mapvfd.h"

#include <stdlib.h>
#include <string.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

struct file {
	H5FD_t pub; /* must come first */
	struct nst_region *region;
	haddr_t eoa;
};

/* What the property list carries: a pointer to the region. */
struct info {
	struct nst_region *region;
};

static H5FD_t *map_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
	const struct info *info = H5Pget_driver_info(fapl);
	struct file *f;

	(void)name;
	(void)maxaddr;
	if (!info || ((flags & (H5F_ACC_RDWR | H5F_ACC_CREAT)) && !info->region->writable))
		return NULL;
	f = calloc(1, sizeof(*f));
	if (f)
		f->region = info->region;
	return (H5FD_t *)f;
}

static herr_t map_close(H5FD_t *file)
{
	free(file);
	return 0;
}

static herr_t map_query(const H5FD_t *file, unsigned long *flags)
{
	(void)file;
	*flags = 0;
	return 0;
}

static haddr_t map_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
	(void)type;
	return ((const struct file *)file)->eoa;
}

static herr_t map_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t addr)
{
	struct file *f = (struct file *)file;

	(void)type;
	if (addr > f->region->size)
		return -1;
	f->eoa = addr;
	return 0;
}

static haddr_t map_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
	const struct file *f = (const struct file *)file;

	(void)type;
	return f->region->writable ? f->region->used : f->region->size;
}

static int in_bounds(const struct file *f, haddr_t addr, size_t size)
{
	return addr <= f->region->size && size <= f->region->size - addr;
}

static herr_t map_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, void *buf)
{
	struct file *f = (struct file *)file;

	(void)type;
	(void)dxpl;
	if (!in_bounds(f, addr, size))
		return -1;
	memcpy(buf, f->region->base + addr, size);
	return 0;
}

static herr_t map_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size,
			const void *buf)
{
	struct file *f = (struct file *)file;

	(void)type;
	(void)dxpl;
	if (!f->region->writable || !in_bounds(f, addr, size))
		return -1;
	memcpy(f->region->base + addr, buf, size);
	if (f->region->used < addr + size)
		f->region->used = (size_t)addr + size;
	return 0;
}

static herr_t map_truncate(H5FD_t *file, hid_t dxpl, hbool_t closing)
{
	struct file *f = (struct file *)file;

	(void)dxpl;
	(void)closing;
	if (f->region->writable)
		f->region->used = (size_t)f->eoa;
	return 0;
}

static const H5FD_class_t map_class = {
#if H5_VERSION_GE(1, 13, 0)
	.version = H5FD_CLASS_VERSION,
	.value = (H5FD_class_value_t)(H5_VFD_RESERVED + 77),
#endif
	.name = "nst-map",
	.maxaddr = (haddr_t)INT64_MAX,
	.fc_degree = H5F_CLOSE_STRONG,
	.fapl_size = sizeof(struct info),
	.open = map_open,
	.close = map_close,
	.query = map_query,
	.get_eoa = map_get_eoa,
	.set_eoa = map_set_eoa,
	.get_eof = map_get_eof,
	.read = map_read,
	.write = map_write,
	.truncate = map_truncate,
	.fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t nst_region_fapl(struct nst_region *region)
{
	static hid_t driver; /* libhdf5 keeps drivers for the whole process, and so do we */
	struct info info = {region};
	hid_t fapl;

	if (driver <= 0)
		driver = H5FDregister(&map_class);
	fapl = H5Pcreate(H5P_FILE_ACCESS);
	if (fapl >= 0 && (driver < 0 || H5Pset_driver(fapl, driver, &info) < 0)) {
		H5Pclose(fapl);
		return -1;
	}
	return fapl;
}
