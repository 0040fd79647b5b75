/* The sum over n-mers: each polynomial is evaluated wherever its n-mer occurs. In the place of a cap its kernel takes
 * the atom outside of the n-mer whose bond was cut; it puts the cap on that bond, and returns the gradient on the atoms
 * at both ends of it.
 */
#include "@FILE@.h"

#include <stddef.h>

#include "@FILE@_places.h"

double @PIP@(const double *xyz, double *gradient)
{
    double own[3 * @GUARD@_ATOMS], energy = 0.0;
    if (gradient == NULL)
        gradient = own;
    for (int c = 0; c < 3 * @GUARD@_ATOMS; c++)
        gradient[c] = 0.0;
    for (int kind = 0; kind < N_KINDS; kind++) {
        const int *atoms = places + begins[kind], size = sizes[kind];
        for (int occurrence = 0; occurrence < counts[kind]; occurrence++, atoms += size) {
            double at[3 * LARGEST], slopes[3 * LARGEST];
            for (int a = 0; a < size; a++)
                for (int axis = 0; axis < 3; axis++)
                    at[3 * a + axis] = xyz[3 * atoms[a] + axis];
            energy += kernels[kind](at, slopes);
            for (int a = 0; a < size; a++)
                for (int axis = 0; axis < 3; axis++)
                    gradient[3 * atoms[a] + axis] += slopes[3 * a + axis];
        }
    }
    return energy;
}
