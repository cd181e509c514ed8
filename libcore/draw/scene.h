/* Small synthetic photographs for demonstrations and tests: one of ten figures, at a random place,
 * size, turn and colour, on a textured background with clutter, shade and sensor noise.
 *
 * Only the figure's outline tells its class: colours, textures and clutter are drawn from the same
 * distribution for every class. */
#ifndef NST_DRAW_SCENE_H
#define NST_DRAW_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/rng.h"

#define NST_SCENE_SIZE    32 /* pixels a side */
#define NST_SCENE_CLASSES 10
#define NST_SCENE_STRANGER NST_SCENE_CLASSES /* a figure of none of the classes */

/* Name of class cls < NST_SCENE_CLASSES, in byte order of the names; static. */
const char *nst_scene_class(unsigned cls);

/* Draw one picture of class cls (or NST_SCENE_STRANGER) into rgb (H,W,3) with the numbers of r.
 * hardness scales what hides the figure: 0 leaves a clean figure on a plain ground, 1 is the
 * default of nst-draw. */
void nst_scene_draw(struct nst_rng *r, unsigned cls, double hardness,
		    uint8_t rgb[NST_SCENE_SIZE * NST_SCENE_SIZE * 3]);

#endif
