"""One permutationally invariant polynomial: its variables, its basis, and its compiled evaluation."""
