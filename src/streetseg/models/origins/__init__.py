"""Names of our tensors in other code bases: one file a network family."""

from streetseg.models.origins import bisenetv2, ddrnet, fassdnet, hardnet, stdc

ORIGINS = (*ddrnet.ORIGINS, *stdc.ORIGINS, *bisenetv2.ORIGINS, *fassdnet.ORIGINS, *hardnet.ORIGINS)
