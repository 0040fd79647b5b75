/* The kernel: the same for every potential, all that is particular to one is in @COEFFICIENTS@.
 *
 * E is a polynomial in variables x, each a function of one distance. By Euler's theorem its part of degree d is
 * x . grad E_d / d, and grad E_d is the vector of the monomials of degree d - 1 times a matrix: energy and gradient
 * are one product of a vector and a matrix per degree.
 */
#include "@FILE@.h"

#include <math.h>
#include <stddef.h>

#include "@COEFFICIENTS@"

#if N_LONE_PAIRS
/* Two sites at O + along (u + v) / 2 +- across (u x v), where u and v lead from O to its two neighbours. */
static void place_sites(double *at)
{
    for (int s = 0; s < N_LONE_PAIRS; s++) {
        const double *o = at + 3 * site_atoms[s][0], *a = at + 3 * site_atoms[s][1], *b = at + 3 * site_atoms[s][2];
        double *site = at + 3 * (N_ATOMS + 2 * s);
        for (int x = 0; x < 3; x++) {
            const int y = (x + 1) % 3, z = (x + 2) % 3;
            const double cross = (a[y] - o[y]) * (b[z] - o[z]) - (a[z] - o[z]) * (b[y] - o[y]);
            const double middle = o[x] + site_numbers[s][0] * (0.5 * (a[x] + b[x]) - o[x]);
            site[x] = middle + site_numbers[s][1] * cross;
            site[x + 3] = middle - site_numbers[s][1] * cross;
        }
    }
}

/* Adds the sites' gradient to that of their atoms; w . (u x v) has the gradients v x w and w x u. */
static void collect_sites(const double *at, double *pull)
{
    for (int s = 0; s < N_LONE_PAIRS; s++) {
        const int io = 3 * site_atoms[s][0], ia = 3 * site_atoms[s][1], ib = 3 * site_atoms[s][2];
        const double *o = at + io, *a = at + ia, *b = at + ib, *site = pull + 3 * (N_ATOMS + 2 * s);
        const double along = site_numbers[s][0], across = site_numbers[s][1];
        for (int x = 0; x < 3; x++) {
            const int y = (x + 1) % 3, z = (x + 2) % 3;
            const double both = site[x] + site[x + 3];
            const double wy = across * (site[y] - site[y + 3]), wz = across * (site[z] - site[z + 3]);
            const double on_a = 0.5 * along * both + (b[y] - o[y]) * wz - (b[z] - o[z]) * wy;
            const double on_b = 0.5 * along * both + wy * (a[z] - o[z]) - wz * (a[y] - o[y]);
            pull[ia + x] += on_a;
            pull[ib + x] += on_b;
            pull[io + x] += both - on_a - on_b;
        }
    }
}
#endif

/* Returns x of variable v at distance r, and writes dx/dr / r. */
static double variable(int v, double r, double *chain)
{
    const double u = r - variable_d[v];
    double exponent = variable_k[v] * u, factor = -variable_k[v];
    if (variable_gaussian[v]) {
        factor *= 2.0 * u;
        exponent *= u;
    }
    double x = exp(-exponent);
    if (variable_divided[v]) {
        x /= r;
        factor -= 1.0 / r;
    }
    *chain = factor * x / r;
    return x;
}

/* Returns the polynomial at x and writes its derivatives. */
static double polynomial(const double *x, double *slopes)
{
    double monomials[N_MONOMIALS], value = 0.0;
    monomials[0] = 1.0;
    for (int m = 1; m < N_MONOMIALS; m++)
        monomials[m] = monomials[parents[m]] * x[factors[m]];
    for (int v = 0; v < WIDTH; v++)
        slopes[v] = 0.0;
    for (int degree = 1; degree <= DEGREE; degree++) {
        double part[WIDTH] = {0.0};
        int m = begins[degree - 1];
        for (; m + 4 <= begins[degree]; m += 4) { /* four rows of the matrix at a time */
            const double p0 = monomials[m], p1 = monomials[m + 1], p2 = monomials[m + 2], p3 = monomials[m + 3];
            const double *row = matrix[m];
            for (int v = 0; v < WIDTH; v++)
                part[v] += p0 * row[v] + p1 * row[WIDTH + v] + p2 * row[2 * WIDTH + v] + p3 * row[3 * WIDTH + v];
        }
        for (; m < begins[degree]; m++)
            for (int v = 0; v < WIDTH; v++)
                part[v] += monomials[m] * matrix[m][v];
        for (int v = 0; v < N_VARIABLES; v++) {
            slopes[v] += part[v];
            value += part[v] * x[v] / degree;
        }
    }
    return value;
}

/* Returns the energy before switching and writes its gradient. */
static double unswitched(const double *xyz, double *gradient)
{
    double at[3 * N_POINTS], pull[3 * N_POINTS] = {0.0}, x[WIDTH], chain[WIDTH], slopes[WIDTH];
    for (int c = 0; c < 3 * N_ATOMS; c++)
        at[c] = xyz[c];
#if N_LONE_PAIRS
    place_sites(at);
#endif
    for (int v = 0; v < N_VARIABLES; v++) {
        const double *a = at + 3 * pairs[v][0], *b = at + 3 * pairs[v][1];
        const double dx = a[0] - b[0], dy = a[1] - b[1], dz = a[2] - b[2];
        const double r = sqrt(dx * dx + dy * dy + dz * dz);
        x[v] = r > 0.0 ? variable(v, r, &chain[v]) : (chain[v] = NAN);
    }
    const double energy = polynomial(x, slopes);
    for (int v = 0; v < N_VARIABLES; v++) {
        const int a = 3 * pairs[v][0], b = 3 * pairs[v][1];
        for (int axis = 0; axis < 3; axis++) {
            const double along = slopes[v] * chain[v] * (at[a + axis] - at[b + axis]);
            pull[a + axis] += along;
            pull[b + axis] -= along;
        }
    }
#if N_LONE_PAIRS
    collect_sites(at, pull);
#endif
    for (int c = 0; c < 3 * N_ATOMS; c++)
        gradient[c] = pull[c];
    return energy;
}

#if SWITCHED
/* Returns the product of s(R) over all pairs of keys, and writes its gradient; a key is the mean of some atoms. */
static double switching(const double *xyz, double *turn)
{
    const double pi = 3.14159265358979323846;
    double at[N_KEYS][3] = {{0.0}}, pull[N_KEYS][3] = {{0.0}}, value = 1.0;
    for (int key = 0; key < N_KEYS; key++)
        for (int place = key_begins[key]; place < key_begins[key + 1]; place++)
            for (int axis = 0; axis < 3; axis++)
                at[key][axis] += xyz[3 * key_atoms[place] + axis] / (key_begins[key + 1] - key_begins[key]);
    for (int i = 0; i < N_KEYS; i++) {
        for (int j = i + 1; j < N_KEYS; j++) {
            const double arrow[3] = {at[i][0] - at[j][0], at[i][1] - at[j][1], at[i][2] - at[j][2]};
            const double r = sqrt(arrow[0] * arrow[0] + arrow[1] * arrow[1] + arrow[2] * arrow[2]);
            double s = 1.0, slope = 0.0;
            if (r >= R_OUT) /* nothing is left */
                return 0.0;
            if (r > R_IN) {
                const double phase = pi * (r - R_IN) / (R_OUT - R_IN);
                s = 0.5 * (1.0 + cos(phase));
                slope = -sin(phase) * pi / (2.0 * (R_OUT - R_IN)) / r * value;
            }
            value *= s;
            for (int key = 0; key < N_KEYS; key++)
                for (int axis = 0; axis < 3; axis++)
                    pull[key][axis] *= s;
            for (int axis = 0; axis < 3; axis++) {
                pull[i][axis] += slope * arrow[axis];
                pull[j][axis] -= slope * arrow[axis];
            }
        }
    }
    for (int c = 0; c < 3 * N_ATOMS; c++)
        turn[c] = 0.0;
    for (int key = 0; key < N_KEYS; key++)
        for (int place = key_begins[key]; place < key_begins[key + 1]; place++)
            for (int axis = 0; axis < 3; axis++)
                turn[3 * key_atoms[place] + axis] = pull[key][axis] / (key_begins[key + 1] - key_begins[key]);
    return value;
}
#endif

/* Returns the energy, caps at their length, and writes its gradient. */
static double placed(const double *xyz, double *gradient)
{
#if SWITCHED
    double turn[3 * N_ATOMS];
    const double s = switching(xyz, turn);
    if (s <= 0.0) { /* nothing is evaluated */
        for (int c = 0; c < 3 * N_ATOMS; c++)
            gradient[c] = 0.0;
        return 0.0;
    }
    const double energy = unswitched(xyz, gradient);
    for (int c = 0; c < 3 * N_ATOMS; c++)
        gradient[c] = s * gradient[c] + energy * turn[c];
    return s * energy;
#else
    return unswitched(xyz, gradient);
#endif
}

double @PIP@(const double *xyz, double *gradient)
{
    double own[3 * N_ATOMS];
    if (gradient == NULL)
        gradient = own;
#if N_CAPS
    /* A cap is put at a + L u, u from its anchor a to where it is given, at distance d: it moves by L / d (1 - u u^T)
     * with the given place and by the rest with the anchor. */
    double at[3 * N_ATOMS], unit[N_CAPS][3], ratio[N_CAPS];
    for (int c = 0; c < 3 * N_ATOMS; c++)
        at[c] = xyz[c];
    for (int n = 0; n < N_CAPS; n++) {
        const double *cap = xyz + 3 * cap_atoms[n][0], *anchor = xyz + 3 * cap_atoms[n][1];
        const double bond[3] = {cap[0] - anchor[0], cap[1] - anchor[1], cap[2] - anchor[2]};
        const double d = sqrt(bond[0] * bond[0] + bond[1] * bond[1] + bond[2] * bond[2]);
        ratio[n] = d > 0.0 ? cap_lengths[n] / d : NAN;
        for (int x = 0; x < 3; x++) {
            unit[n][x] = bond[x] / d;
            at[3 * cap_atoms[n][0] + x] = anchor[x] + cap_lengths[n] * unit[n][x];
        }
    }
    const double energy = placed(at, gradient);
    for (int n = 0; n < N_CAPS; n++) {
        double *cap = gradient + 3 * cap_atoms[n][0], *anchor = gradient + 3 * cap_atoms[n][1];
        const double along = unit[n][0] * cap[0] + unit[n][1] * cap[1] + unit[n][2] * cap[2];
        for (int x = 0; x < 3; x++) {
            const double across = (cap[x] - along * unit[n][x]) * ratio[n];
            anchor[x] += cap[x] - across;
            cap[x] = across;
        }
    }
    return energy;
#else
    return placed(xyz, gradient);
#endif
}
