# Unit tests of publishers and notations.
