"""Networks, one file a paper; conversion of other code bases' weights."""
