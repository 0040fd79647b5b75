// Compares the class with reference values: energies, gradients, and the virial. No part of MBX is needed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "@FILE@_mbx.h"
#include "references.h"

inline double sum(double value) { return value; }
inline double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

int main() {
    const int sizes[] = {@SIZES@}, monomers = @MONOMERS@;
    const nmer_@FILE@::potential potential;
    std::vector<double> xyz[monomers], gradient[monomers];
    double total = 0.0, worst_energy = 0.0, worst_gradient = 0.0, worst_virial = 0.0, expected[9] = {0.0};
    for (int n = 0; n < N_REFERENCES; n++) {
        std::vector<double> one[monomers];
        for (int m = 0, at = 0; m < monomers; at += sizes[m++]) {
            one[m].assign(positions[n] + at, positions[n] + at + sizes[m]);
            xyz[m].insert(xyz[m].end(), one[m].begin(), one[m].end());
        }
        const double energy = sum(potential.eval(@ONE@, 1));
        worst_energy = std::max(worst_energy, std::fabs(energy - energies[n]));
        if (std::isnan(energy)) worst_energy = INFINITY;
        total += energies[n];
        for (int c = 0, atoms = static_cast<int>(sizeof positions[n] / sizeof(double)); c < atoms; c++)
            for (int b = 0; b < 3; b++) expected[3 * (c % 3) + b] -= positions[n][c] * gradients[n][c - c % 3 + b];
    }
    for (int m = 0; m < monomers; m++) gradient[m].assign(xyz[m].size(), 1.0);  // what is there stays
    std::vector<double> virial(9, 1.0);
    const double together = sum(potential.eval(@ALL@, @ALL_GRADIENTS@, N_REFERENCES, &virial));
    for (int n = 0; n < N_REFERENCES; n++)
        for (int m = 0, at = 0; m < monomers; at += sizes[m++])
            for (int c = 0; c < sizes[m]; c++)
                worst_gradient = std::max(
                    worst_gradient, std::fabs(gradient[m][n * sizes[m] + c] - 1.0 - gradients[n][at + c]));
    for (int c = 0; c < 9; c++) worst_virial = std::max(worst_virial, std::fabs(virial[c] - 1.0 - expected[c]));
    const double off = std::fabs(together - total);  // of N_REFERENCES energies added up
    const bool holds = worst_energy <= TOLERANCE && worst_gradient <= TOLERANCE && off <= N_REFERENCES * TOLERANCE &&
                       worst_virial <= 10.0 * N_REFERENCES * TOLERANCE;
    std::printf("%d configurations, largest deviations: energy %.2e kcal/mol, gradient %.2e kcal/mol/A, "
                "sum %.2e, virial %.2e kcal/mol (allowed %.1e each)\n%s\n",
                N_REFERENCES, worst_energy, worst_gradient, off, worst_virial, TOLERANCE,
                holds ? "holds" : "DOES NOT HOLD");
    return holds ? 0 : 1;
}
