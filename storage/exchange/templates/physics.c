/* V_phys, the physics beneath the polynomial, and the n-body energy: the sum of both.
 *
 * V_phys of a group of atoms: charges with Thole's damping of exponent 4 (Burnham, Li, Xantheas and Leslie 1999) and
 * the dipoles that they induce, which are solved for directly; dispersion with the damping of Tang and Toennies (1984);
 * and R^-12. The n-body energy adds up groups with factors. Caps have no part in it.
 * All numbers are in @FILE@_physics.h.
 */
#include "@FILE@.h"

#include <math.h>
#include <stddef.h>

#include "@FILE@_physics.h"

/* Returns the upper incomplete gamma function of 3/4 and u, from the series of the lower one. Its absolute error is
 * some 1e-16, which is what counts: it is added to 1. */
static double upper_gamma(double u)
{
    double term = 1.0 / 0.75, total = term;
    for (double n = 1.75; term > 1e-17 * total; n += 1.0) {
        term *= u / n;
        total += term;
    }
    return 1.2254167024651776 - exp(-u) * pow(u, 0.75) * total;
}

/* Replaces a vector by the solution for a symmetric matrix, whose lower triangle becomes Cholesky's factor; returns 0
 * if the matrix is not positive definite. */
static int solve(int n, double matrix[][UNKNOWNS], double *vector)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double total = matrix[i][j];
            for (int k = 0; k < j; k++)
                total -= matrix[i][k] * matrix[j][k];
            if (i > j)
                matrix[i][j] = total / matrix[j][j];
            else if (total > 0.0)
                matrix[i][i] = sqrt(total);
            else
                return 0;
        }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            vector[i] -= matrix[i][k] * vector[k];
        vector[i] /= matrix[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            vector[i] -= matrix[k][i] * vector[k];
        vector[i] /= matrix[i][i];
    }
    return 1;
}

/* Returns V_phys of a group and adds its gradient, times the group's factor; NaN if two atoms are in one place or the
 * dipoles have no stable solution. */
static double group(int g, const double *xyz, double *gradient)
{
    const int *atoms = group_atoms + group_begins[g], count = group_begins[g + 1] - group_begins[g];
    const double(*table)[4] = group_pairs + group_tables[g];
    double field[3 * MOST_ATOMS] = {0.0}, dipole[3 * MOST_ATOMS] = {0.0}, slopes[3 * MOST_ATOMS] = {0.0};
    double matrix[UNKNOWNS][UNKNOWNS], vector[UNKNOWNS], energy = 0.0;
    int place[MOST_ATOMS], soft = 0; /* where the dipole of each atom stands among the unknowns */
    for (int i = 0; i < count; i++) {
        place[i] = polarizability[atoms[i]] > 0.0 ? 3 * soft++ : -1;
        for (int a = 0; a < 3 && place[i] >= 0; a++)
            for (int b = 0; b < 3; b++)
                matrix[place[i] + a][place[i] + b] = a == b ? 1.0 / polarizability[atoms[i]] : 0.0;
    }
    double factors[MOST_PAIRS][4]; /* of each pair: s1 and s2 of charge and dipole, t2 and t3 of two dipoles */
    for (int i = 0, p = 0; i < count; i++)
        for (int j = i + 1; j < count; j++, p++) {
            const double *at = xyz + 3 * atoms[i], *other = xyz + 3 * atoms[j];
            const double arrow[3] = {at[0] - other[0], at[1] - other[1], at[2] - other[2]};
            const double r2 = arrow[0] * arrow[0] + arrow[1] * arrow[1] + arrow[2] * arrow[2];
            const double on = table[p][0], qi = charge[atoms[i]], qj = charge[atoms[j]];
            if (!(r2 > 0.0))
                return NAN;
            const double r = sqrt(r2), i2 = 1.0 / r2, i3 = i2 / r, i6 = i3 * i3;
            const double wide = r2 * r2 * width[atoms[i]] * width[atoms[j]];
            const double u = fmin(THOLE_CHARGE * wide, BARE), v = fmin(THOLE_DIPOLE * wide, BARE);
            const double eu = exp(-u), ev = exp(-v), s1 = (1.0 - eu) * i3, t1 = (1.0 - ev) * i3;
            const double s2 = (3.0 * s1 - 4.0 * u * eu * i3) * i2, t2 = (3.0 * t1 - 4.0 * v * ev * i3) * i2;
            factors[p][0] = s1 * on;
            factors[p][1] = s2 * on;
            factors[p][2] = t2;
            factors[p][3] = (5.0 * t2 - 4.0 * v * ev * (4.0 * v - 1.0) * i3 * i2) * i2;
            const double charges = COULOMB * on * qi * qj, x = table[p][2] * r;
            const double c6 = table[p][1] * i6, r12 = table[p][3] * i6 * i6, ex = exp(-x);
            const double series = 1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6)))));
            const double f = 1.0 - ex * series, steep = ex * pow(x, 7) / 720.0;
            if (charges != 0.0)
                energy += charges / r * (u < BARE ? 1.0 - eu + pow(u, 0.25) * upper_gamma(u) : 1.0);
            energy += r12 - f * c6;
            const double slope = (c6 * (6.0 * f - steep) - 12.0 * r12) * i2 - charges * s1;
            for (int a = 0; a < 3; a++) {
                slopes[3 * i + a] += slope * arrow[a];
                slopes[3 * j + a] -= slope * arrow[a];
                field[3 * i + a] += on * qj * s1 * arrow[a];
                field[3 * j + a] -= on * qi * s1 * arrow[a];
            }
            for (int a = 0; a < 3 && place[i] >= 0 && place[j] >= 0; a++)
                for (int b = 0; b < 3; b++)
                    matrix[place[j] + a][place[i] + b] = (a == b ? t1 : 0.0) - t2 * arrow[a] * arrow[b];
        }
    for (int i = 0; i < count; i++)
        for (int a = 0; a < 3 && place[i] >= 0; a++)
            vector[place[i] + a] = field[3 * i + a];
    if (!solve(3 * soft, matrix, vector))
        return NAN;
    for (int i = 0; i < count; i++)
        for (int a = 0; a < 3 && place[i] >= 0; a++) {
            dipole[3 * i + a] = vector[place[i] + a];
            energy -= 0.5 * COULOMB * dipole[3 * i + a] * field[3 * i + a];
        }
    /* the gradient of -mu E - mu T mu / 2, at fixed dipoles mu */
    for (int i = 0, p = 0; i < count; i++)
        for (int j = i + 1; j < count; j++, p++) {
            const double *mi = dipole + 3 * i, *mj = dipole + 3 * j, *s = factors[p];
            const double qi = charge[atoms[i]], qj = charge[atoms[j]];
            double arrow[3], mixed[3], ri = 0.0, rj = 0.0, both = 0.0, along = 0.0;
            for (int a = 0; a < 3; a++) {
                arrow[a] = xyz[3 * atoms[i] + a] - xyz[3 * atoms[j] + a];
                mixed[a] = qj * mi[a] - qi * mj[a];
                ri += mi[a] * arrow[a];
                rj += mj[a] * arrow[a];
                both += mi[a] * mj[a];
                along += mixed[a] * arrow[a];
            }
            const double slope = s[1] * along + s[3] * ri * rj - s[2] * both;
            for (int a = 0; a < 3; a++) {
                const double pull = slope * arrow[a] - s[0] * mixed[a] - s[2] * (rj * mi[a] + ri * mj[a]);
                slopes[3 * i + a] += COULOMB * pull;
                slopes[3 * j + a] -= COULOMB * pull;
            }
        }
    for (int i = 0; i < count; i++)
        for (int a = 0; a < 3; a++)
            gradient[3 * atoms[i] + a] += group_factors[g] * slopes[3 * i + a];
    return group_factors[g] * energy;
}

double @NAME@(const double *xyz, double *gradient)
{
    double own[3 * @GUARD@_ATOMS];
    if (gradient == NULL)
        gradient = own;
    double energy = @PIP@(xyz, gradient) - REFERENCE;
    for (int g = 0; g < N_GROUPS; g++)
        energy += group(g, xyz, gradient);
    for (int c = 0; c < 3 * @GUARD@_ATOMS && isnan(energy); c++)
        gradient[c] = NAN;
    return energy;
}
