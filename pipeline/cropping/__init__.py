"""Training pairs cut out of texts alone, as in independent cropping (Izacard et al., TMLR 2022)."""
