// @TITLE@
//
// For MBX (https://github.com/paesanilab/MBX), written from the interface that its headers document: monomers'
// coordinates one after the other in Angstrom, energies in kcal/mol, gradients and virial updated in place.
// See REGISTER.md for where it goes.
#ifndef @GUARD@_MBX_H
#define @GUARD@_MBX_H

#include <cstddef>
#include <vector>

namespace nmer_@FILE@ {

class potential {
   public:
    // @RESULT_MEANING@ of n @WHAT@.
    @RESULT@ eval(@COORDINATES@, std::size_t n) const;

    // The same; gradients (kcal/mol/Angstrom) are added to what is there. To the virial, nine numbers row by row,
    // -sum of x_a dE/dx_b is added where it is given.
    @RESULT@ eval(@COORDINATES@, @GRADIENTS@, std::size_t n,
         std::vector<double>* virial = nullptr) const;
};

}  // namespace nmer_@FILE@

#endif
