"""The ablation of the GSN paper: its arms, runs, table and figure."""
