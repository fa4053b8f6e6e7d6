"""The journal: its proof, older rules, erased words, and restored databases."""
