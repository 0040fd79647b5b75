#include "@FILE@_mbx.h"

#include <algorithm>

#include "@FILE@.h"

namespace nmer_@FILE@ {

namespace {

const std::size_t monomers = @MONOMERS@;
const std::size_t coordinates[monomers] = {@SIZES@};  // three for each atom

// Returns the energy of n-mer `number`; with gradients, adds to them and to the virial.
double one(const double* const xyz[], double* const gradient[], std::size_t number, std::vector<double>* virial) {
    double at[3 * @GUARD@_ATOMS], slope[3 * @GUARD@_ATOMS];
    double* end = at;
    for (std::size_t m = 0; m < monomers; m++) {
        const double* from = xyz[m] + number * coordinates[m];
        end = std::copy(from, from + coordinates[m], end);
    }
    const double energy = @NAME@(at, gradient ? slope : nullptr);
    if (!gradient) return energy;
    const double* from = slope;
    for (std::size_t m = 0; m < monomers; m++)
        for (std::size_t c = 0; c < coordinates[m]; c++) gradient[m][number * coordinates[m] + c] += *from++;
    if (virial)
        for (std::size_t c = 0; c < 3 * @GUARD@_ATOMS; c++)
            for (std::size_t b = 0; b < 3; b++) (*virial)[3 * (c % 3) + b] -= at[c] * slope[c - c % 3 + b];
    return energy;
}

}  // namespace

@RESULT@ potential::eval(@COORDINATES@, std::size_t n) const {
    const double* const xyz[] = {@XYZ@};
    @RESULT_START@
    for (std::size_t i = 0; i < n; i++) @RESULT_ADD@ one(xyz, nullptr, i, nullptr)@RESULT_CLOSE@;
    return result;
}

@RESULT@ potential::eval(@COORDINATES@, @GRADIENTS@, std::size_t n,
         std::vector<double>* virial) const {
    const double* const xyz[] = {@XYZ@};
    double* const gradient[] = {@GRAD@};
    @RESULT_START@
    for (std::size_t i = 0; i < n; i++) @RESULT_ADD@ one(xyz, gradient, i, virial)@RESULT_CLOSE@;
    return result;
}

}  // namespace nmer_@FILE@
