"""How TID2013's images were made: crops, recipes and published measurements."""
