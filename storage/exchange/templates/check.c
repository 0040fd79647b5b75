/* Compares the potential with its reference values: prints the largest deviations, ends with 0 where they hold. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "@FILE@.h"
#include "references.h"

int main(void)
{
    double gradient[3 * @GUARD@_ATOMS], worst_energy = 0.0, worst_gradient = 0.0, sum = 0.0;
    for (int n = 0; n < N_REFERENCES; n++) {
        const double off = fabs(@NAME@(positions[n], gradient) - energies[n]);
        if (!(off <= worst_energy))
            worst_energy = off; /* a NaN comes through */
        for (int c = 0; c < 3 * @GUARD@_ATOMS; c++) {
            const double wrong = fabs(gradient[c] - gradients[n][c]);
            if (!(wrong <= worst_gradient))
                worst_gradient = wrong;
        }
    }
    const int calls = 5 * N_REFERENCES;
    const clock_t start = clock();
    for (int n = 0; n < calls; n++)
        sum += @NAME@(positions[n % N_INSIDE], gradient);
    const double microseconds = 1e6 * (double)(clock() - start) / CLOCKS_PER_SEC / calls;
    const int holds = worst_energy <= TOLERANCE && worst_gradient <= TOLERANCE && sum == sum;
    printf("%d configurations, largest deviations: energy %.2e kcal/mol, gradient %.2e kcal/mol/A (allowed %.1e)\n",
           N_REFERENCES, worst_energy, worst_gradient, TOLERANCE);
    printf("%.2f microseconds for energy and gradient\n%s\n", microseconds, holds ? "holds" : "DOES NOT HOLD");
    return holds ? 0 : 1;
}
