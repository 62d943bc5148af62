"""What other code bases call our tensors: one file a network family."""

from streetseg.models.origins import bisenetv2, ddrnet, fassdnet, hardnet, stdc

ORIGINS = (*ddrnet.ORIGINS, *stdc.ORIGINS, *bisenetv2.ORIGINS, *fassdnet.ORIGINS, *hardnet.ORIGINS)
