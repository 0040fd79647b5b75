"""Pages for people: self-contained HTML without scripts and external files, for screens and for paper."""
