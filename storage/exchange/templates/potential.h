/* @TITLE@
 *
 * Atoms, in this order: @SYMBOLS@.
 */
#ifndef @GUARD@_H
#define @GUARD@_H

#define @GUARD@_ATOMS @NATOMS@

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the energy in kcal/mol of the atoms at xyz (x, y, z of each, Angstrom), and writes its derivatives
 * (kcal/mol/Angstrom, the opposite of the forces) to gradient unless that is NULL. Where two atoms that have a
 * variable between them are in one place, it returns NaN. It keeps nothing between calls: threads may share it. @CAPS@ */
double @NAME@(const double *xyz, double *gradient);@PHYSICS@

#ifdef __cplusplus
}
#endif

#endif
